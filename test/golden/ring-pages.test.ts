// Ring pages of Linux' two drivers on Xen 4.17 against what ours write for the same commands. What a page says has to be the same,
// but for grant references, which each run gives anew, and where in its page a list of descriptors begins: Linux takes memory of
// its kernel for it, ours has a page. Bytes that say nothing are what was there before in Linux' pages, and zero in ours.
// The target is another matter: it says here what LIO said.

import { Command, type DataDirection, Status, type Task } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { Scsifront, type ScsifrontAdapter } from "@pvscsi/scsifront";
import { ScsiifSegment, VscsiifRequest, vscsiifResultStatus } from "@pvscsi/xen";
import { expect } from "chai";
import {
  batchesOf,
  isIndirect,
  type RecordedExchange,
  type RecordedPage,
  recordedPage,
} from "../support/golden-ring.js";
import { type AnsweredSlot, readAnswered, readIndices, slotBytes, unusedBytes } from "../support/ring-page.js";
import { ScriptedBack } from "../support/scripted-back.js";
import { type ResponseFields, ScriptedFront } from "../support/scripted-front.js";
import { HoldingUnit, TestDirectory } from "../support/scsi-devices.js";
import { VscsiNodes } from "../support/vscsi-nodes.js";
import { XenWorld } from "../support/xen-world.js";

const PAGE = 4096;
/** Pages of the longest command. */
const MOST_PAGES = 127;
const TEST_UNIT_READY = [0, 0, 0, 0, 0, 0];
/** Linux asks so whether a disk knows REPORT SUPPORTED OPERATION CODES: what it says of INQUIRY, in 10 bytes. */
const SUPPORTED_OPCODES = [0xa3, 0x0c, 0x01, 0x12, 0, 0, 0, 0, 0, 10, 0, 0];
const DIRECTIONS: readonly DataDirection[] = ["bidirectional", "to-device", "from-device", "none"];
/** Seconds: what Linux gives a command of a disk. */
const TIMEOUT = 30;

const PAGES: { readonly [when: string]: RecordedPage } = {
  "while a disk is looked at": recordedPage("04a", { 3: TEST_UNIT_READY, 9: SUPPORTED_OPCODES }),
  "after reads of 1 MiB, each in three requests": recordedPage("04b-after-io", {}),
};

/** Requests before those of a page: alone, and then together with the first of them. */
function before({ exchanges }: RecordedPage): { readonly alone: number; readonly together: number } {
  const [{ index, slot }] = exchanges;
  return { alone: index - slot.rqid, together: slot.rqid };
}

/** Our front end before a hand-played back end that leaves in a slot what Linux' leaves. */
class FrontReplay {
  readonly #world = new XenWorld();
  #adapter!: ScsifrontAdapter;
  #back!: ScriptedBack;
  #pages: Uint8Array[] = [];

  /** Gives the ring's page, and how long the CDB of each request was said to be. */
  async run(page: RecordedPage): Promise<{ bytes: Uint8Array; cdbLengths: number[] }> {
    await this.#connect();
    const { alone, together } = before(page);
    for (let i = 0; i < alone; i++) await this.#batch(1, []);
    const cdbLengths: number[] = [];
    for (const [i, batch] of batchesOf(page.exchanges).entries()) {
      cdbLengths.push(...(await this.#batch(i === 0 ? together : 0, batch)));
    }
    return { bytes: this.#back.page?.bytes ?? expect.fail(), cdbLengths };
  }

  async #connect(): Promise<void> {
    const world = this.#world;
    const guest = await world.createDomain(1, { memoryPages: 600 });
    const dom0 = await world.createDomain(0);
    const { simulation, probes } = world;
    const front = new Scsifront({
      clock: simulation,
      scheduler: simulation,
      probes,
      domain: guest,
      attach: (adapter) => adapter.listen(async () => true),
    });
    await world.done(front.start());
    const nodes = await VscsiNodes.create(world, { guest: 1, luns: [["unit", "0:0:0:0"]] });
    this.#back = await new ScriptedBack(world, dom0, nodes).connect(1, { "feature-sg-grant": "128" });
    [this.#adapter] = front.adapters.values();
    this.#pages = this.#adapter.allocate(MOST_PAGES);
  }

  /** Commands that are under way together, `others` first. Gives the lengths of CDBs of the rest. */
  async #batch(others: number, exchanges: readonly RecordedExchange[]): Promise<number[]> {
    for (let i = 0; i < others; i++) this.#adapter.queue(commandOf(TEST_UNIT_READY));
    for (const exchange of exchanges) this.#adapter.queue(this.#replayed(exchange));
    await this.#world.settle();
    const requests = this.#back.take();
    expect(requests).to.have.length(others + exchanges.length);
    for (const [i, { rqid }] of requests.entries()) {
      const { rslt = 0, residual = 0, sense = [] } = exchanges[i - others]?.slot ?? {};
      this.#back.answerInPlace(rqid, { rslt, residual, sense: Uint8Array.from(sense) });
    }
    this.#back.push();
    await this.#world.settle();
    return requests.slice(others).map(({ cmdLen }) => cmdLen);
  }

  #replayed({ slot, cdb, dataLength }: RecordedExchange): Command {
    const command = commandOf(cdb);
    command.timeout = 1000 * (slot.timeout ?? 0);
    command.direction = DIRECTIONS[slot.dataDirection ?? 0];
    const whole = Array.from({ length: dataLength / PAGE }, () => ({ offset: 0, length: PAGE }));
    for (const [i, { offset, length }] of (isIndirect(slot) ? whole : slot.segments).entries()) {
      command.data.add(this.#pages[i], offset, length);
    }
    return command;
  }
}

function commandOf(cdb: readonly number[]): Command {
  const command = new Command();
  command.cdb.set(cdb);
  command.cdbLength = cdb.length;
  return command;
}

/** Linux' requests before our back end, and a target that ends them as LIO did. */
class BackReplay {
  readonly #world = new XenWorld();
  readonly #unit = new HoldingUnit();
  #front!: ScriptedFront;
  #data: readonly number[] = [];

  /** Gives the ring's page, and the responses. */
  async run(page: RecordedPage): Promise<{ bytes: Uint8Array; responses: ResponseFields[] }> {
    await this.#connect();
    const { alone, together } = before(page);
    for (let i = 0; i < alone; i++) {
      await this.#front.send({});
      if (this.#unit.held.length > 0) this.#unit.end();
      await this.#world.settle();
      this.#front.take();
    }
    const responses: ResponseFields[] = [];
    for (const [i, batch] of batchesOf(page.exchanges).entries()) {
      responses.push(...(await this.#batch(i === 0 ? together : 0, batch)));
    }
    return { bytes: this.#front.ring.page.bytes, responses };
  }

  async #connect(): Promise<void> {
    const world = this.#world;
    const domain = await world.createDomain(0);
    const guest = await world.createDomain(1);
    const directory = new TestDirectory({ unit: this.#unit });
    const { simulation, probes } = world;
    const back = new Scsiback({ clock: simulation, scheduler: simulation, probes, domain, directory });
    await world.done(back.start());
    const nodes = await VscsiNodes.create(world, { guest: 1, luns: [["unit", "0:0:0:0"]] });
    this.#front = new ScriptedFront(world, guest, nodes);
    await world.settle();
    await this.#front.connect();
    // Xen counts the uses of one grant in seven bits.
    this.#data = Array.from({ length: 5 }, () => this.#front.grant("read-write").gref);
  }

  /** Requests that are under way together, `others` first. Gives the responses to the rest. */
  async #batch(others: number, exchanges: readonly RecordedExchange[]): Promise<ResponseFields[]> {
    for (let i = 0; i < others; i++) this.#front.put({});
    for (const exchange of exchanges) this.#front.putBytes(this.#replayed(exchange));
    this.#front.push();
    await this.#world.settle();
    for (let i = 0; i < others; i++) this.#unit.end();
    for (const exchange of exchanges) this.#unit.end((task) => endAsRecorded(task, exchange));
    await this.#world.settle();
    return this.#front.take().slice(others);
  }

  /** The request as Linux had written it, with all that it left in the slot: only grants are ours. */
  #replayed({ slot, bytes, cdb, dataLength }: RecordedExchange): Uint8Array {
    const request = new VscsiifRequest(bytes.slice());
    request.cmdLen = cdb.length;
    if (slot.cdb === null) request.cmnd = Uint8Array.from(cdb);
    if (slot.timeout === null) request.timeout = TIMEOUT;
    for (const [i, { offset }] of slot.segments.entries()) {
      request.segments.at(i).gref = isIndirect(slot) ? this.#list(offset, dataLength / PAGE) : this.#data[i];
    }
    return request.bytes;
  }

  /** Grants a page with a list of `count` whole pages in it. */
  #list(offset: number, count: number): number {
    const { page, gref } = this.#front.grant("read-only");
    const segment = new ScsiifSegment(page.bytes);
    for (let i = 0; i < count; i++) {
      segment.at(offset + i * ScsiifSegment.size).gref = this.#data[i % this.#data.length];
      segment.length = PAGE;
    }
    return gref;
  }
}

function endAsRecorded(task: Task, { slot, cdb, dataLength }: RecordedExchange): number {
  expect([...task.cdb.subarray(0, task.cdbLength)]).to.deep.equal(cdb);
  expect([task.direction, task.data.length]).to.deep.equal([DIRECTIONS[slot.dataDirection ?? 0], dataLength]);
  task.transferLength = dataLength - slot.residual;
  task.sense.set(slot.sense);
  task.senseLength = slot.sense.length;
  return vscsiifResultStatus(slot.rslt);
}

/** What is compared: where a list begins is everybody's own affair. */
function shown(slot: AnsweredSlot): unknown {
  return { ...slot, segments: isIndirect(slot) ? slot.segments.map(({ length }) => length) : slot.segments };
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

describe("ring pages against Linux' on Xen 4.17", () => {
  for (const [when, page] of Object.entries(PAGES)) {
    it(`${when}: our front end writes what Linux' has written`, async () => {
      const { bytes, cdbLengths } = await new FrontReplay().run(page);
      expect(readIndices(bytes)).to.deep.equal(page.indices);
      for (const { index, slot } of page.exchanges) {
        const ours = slotBytes(bytes, index);
        expect(shown(readAnswered(ours)), `request ${index}`).to.deep.equal(shown(slot));
        expect(isZero(unusedBytes(ours)), `the rest of request ${index}`).to.equal(true);
      }
      expect(cdbLengths).to.deep.equal(page.exchanges.map(({ cdb }) => cdb.length));
    });

    it(`${when}: our back end answers what Linux' has answered`, async () => {
      const { bytes, responses } = await new BackReplay().run(page);
      expect(readIndices(bytes)).to.deep.equal(page.indices);
      const theirs = page.exchanges.map(({ slot }) => slot);
      expect(
        responses.map(({ rqid, rslt, residual, senseLen, sense, clean }) => ({
          rqid,
          rslt,
          residual,
          sense: [...sense.subarray(0, senseLen)],
          clean,
        })),
      ).to.deep.equal(theirs.map(({ rqid, rslt, residual, sense }) => ({ rqid, rslt, residual, sense, clean: true })));
    });
  }

  it("Linux' back end leaves what was there before: there is something to leave out", () => {
    const [before, after] = Object.values(PAGES).map(({ exchanges }) => exchanges);
    expect(after.some(({ bytes }) => !isZero(unusedBytes(bytes)))).to.equal(true);
    expect(before.filter(({ slot }) => slot.rslt === Status.checkCondition)).to.have.length(2);
  });
});
