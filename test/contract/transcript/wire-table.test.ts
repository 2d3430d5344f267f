// docs/WIRES.md: the table is the code's, and what a wire cannot carry ends as the table says, compared with no wire.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AdapterLimits,
  AdapterManagement,
  COMMANDS,
  Command,
  HostByte,
  MAX_CDB,
  type ManagementResponse,
  Nexus,
  REPORT_LUNS_UNIT,
  Target,
} from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { repositoryRoot } from "../../support/repository.js";
import { type Outcome, type Request, send } from "./exchange.js";
import { cdbOf } from "./requests.js";
import { BLOCKS, DISK, NOTHING, TALKER, Units } from "./units.js";
import { CARRIES, ENDED, printEnded, printWires } from "./wire-table.js";
import { openWire, WIRES, type Wire, type WireName } from "./wires.js";

const READ = cdbOf(COMMANDS.read10, { lba: 0, blocks: 2 });
const INQUIRY = cdbOf(COMMANDS.inquiry, { alloc: 36 });
const padded = (cdb: readonly number[], length: number): number[] => [
  ...cdb,
  ...new Array(Math.max(0, length - cdb.length)).fill(0),
];

const ended = (hostByte: number, residual = 0) => ({ hostByte, status: 0, residual, sense: "" });
const withoutData = ({ data: _, ...rest }: Outcome) => rest;

describe("the table of wires", () => {
  it("is the one that docs/WIRES.md prints", async () => {
    const limits: { [Name in WireName]?: AdapterLimits } = {};
    for (const name of WIRES) {
      const wire = await openWire(name);
      limits[name] = wire.adapter.limits;
      await wire.close();
    }
    const page = readFileSync(join(repositoryRoot, "docs", "WIRES.md"), "utf8");
    expect(page).to.include(printWires(limits as { [Name in WireName]: AdapterLimits }));
    expect(page).to.include(printEnded());
  });

  for (const name of WIRES) {
    describe(`by ${name}`, () => {
      const carries = CARRIES[name];
      let wire: Wire;
      let direct: Wire;
      beforeEach(async () => {
        [wire, direct] = [await openWire(name), await openWire("direct")];
      });
      afterEach(async () => {
        await wire.close();
        await direct.close();
      });

      /** What comes of a request by this wire and, of what it becomes on it, without one. */
      async function both(request: Request, carried: Request = request): Promise<[Outcome, Outcome]> {
        return [await send(wire, request), await send(direct, carried)];
      }

      it("carries a CDB of the longest kind, and refuses a longer one", async () => {
        const { maxCdb } = wire.adapter.limits;
        const [longest, model] = await both({ lun: DISK, cdb: padded(INQUIRY, maxCdb), room: 36 });
        expect(longest).to.deep.equal(model);
        expect(longest.data[2]).to.equal(6);
        if (maxCdb === MAX_CDB) return;
        for (const length of [maxCdb + 1, MAX_CDB]) {
          const answer = await send(wire, { lun: DISK, cdb: padded(INQUIRY, length), room: 36 });
          expect(withoutData(answer)).to.deep.equal(ended(HostByte.error, carries.refusedResidual ? 36 : 0));
        }
      });

      it("judges a CDB that is cut by its length, or with zeros behind it", async () => {
        const cut: Request = { lun: DISK, cdb: READ.slice(0, 9), room: 1024 };
        const { maxCdb } = wire.adapter.limits;
        const [answer, model] = await both(cut, carries.cdbLength ? cut : { ...cut, cdb: padded(cut.cdb, maxCdb) });
        expect(answer).to.deep.equal(model);
        expect(answer.status).to.equal(carries.cdbLength ? 2 : 0);
      });

      it("carries as much sense data as it has room for", async () => {
        const [answer, model] = await both({ lun: TALKER, cdb: INQUIRY });
        expect(answer.status).to.equal(2);
        expect(answer.sense.split(" ")).to.deep.equal(model.sense.split(" ").slice(0, carries.sense));
      });

      it("carries a buffer for both ways, or as room", async () => {
        const out = new Uint8Array(1024).fill(7);
        const write: Request = { lun: DISK, cdb: cdbOf(COMMANDS.write10, { lba: 4, blocks: 2 }), out };
        const direction = carries.bidirectional ? "bidirectional" : "from-device";
        const [answer, model] = await both({ ...write, direction: "bidirectional" }, { ...write, direction });
        expect(answer).to.deep.equal(model);
        expect(answer.status).to.equal(carries.bidirectional ? 0 : 2);
        expect(wire.units.contents(DISK).includes(7)).to.equal(carries.bidirectional);
      });

      for (const [what, request] of [
        ["read", { lun: DISK, cdb: READ, room: 700 }],
        ["write", { lun: DISK, cdb: cdbOf(COMMANDS.write10, { lba: 1, blocks: 2 }), out: new Uint8Array(700).fill(9) }],
        ["inquiry", { lun: DISK, cdb: INQUIRY, room: 20 }],
      ] as const) {
        it(`moves what there is room for (${what}), and says whether that is GOOD`, async () => {
          const [answer, model] = await both(request);
          expect(model).to.deep.include({ hostByte: HostByte.ok, status: 0, residual: 0 });
          const hostByte = carries.cut ? HostByte.ok : HostByte.error;
          expect(answer).to.deep.equal({ ...model, hostByte });
          expect(Buffer.compare(wire.units.contents(DISK), direct.units.contents(DISK))).to.equal(0);
        });
      }

      it("answers for a LUN without a unit, or has no such place", async () => {
        for (const cdb of [INQUIRY, READ, cdbOf(COMMANDS.reportLuns, { alloc: 64 })]) {
          const [answer, model] = await both({ lun: NOTHING, cdb, room: 1024 });
          if (carries.missing) expect(answer).to.deep.equal(model);
          else expect(withoutData(answer)).to.deep.equal(ended(HostByte.noConnect, carries.refusedResidual ? 1024 : 0));
        }
      });

      it("carries the task attribute, or all are SIMPLE", async () => {
        for (const attribute of ["ordered", "head-of-queue", "aca", "reserved"] as const) {
          const [answer, model] = await both({ lun: DISK, cdb: INQUIRY, room: 36, attribute });
          expect(model.sense.split(" ")[12] === "49").to.equal(attribute === "aca" || attribute === "reserved");
          if (carries.attribute) expect(answer).to.deep.equal(model);
          else expect(withoutData(answer)).to.deep.equal(ended(HostByte.ok));
        }
      });

      for (const [who, expected] of Object.entries(ENDED)) {
        it(`tells what becomes of a command that is ended by ${who}`, async () => {
          const held = new HeldTransfers(name);
          await held.open();
          if (who.endsWith("TAS 1")) await held.selectTas();
          const command = await held.read();
          const ended = held.end(who as keyof typeof ENDED, command);
          await held.settle();
          held.store.drop();
          await held.settle();
          expect(await ended).to.equal(true);
          const { hostByte, status, senseLength } = command;
          const { says: _, ...byWire } = expected;
          expect({ hostByte, status, senseLength }).to.deep.equal({ ...byWire, senseLength: 0 });
          held.store.holding = false;
          await held.close();
        });
      }

      it("names the REPORT LUNS well-known unit, or does not", async () => {
        const list = cdbOf(COMMANDS.reportLuns, { select: 1, alloc: 64 });
        const { data } = await send(wire, { lun: DISK, cdb: list, room: 64 });
        expect([...data.subarray(0, 10)]).to.deep.equal(
          carries.wellKnown ? [0, 0, 0, 8, 0, 0, 0, 0, 0xc1, 1] : [0, 0, 0, 0, 0, 0, 0, 0, 0xa5, 0xa5],
        );
        const answer = await send(wire, { lun: REPORT_LUNS_UNIT, cdb: INQUIRY, room: 36 });
        expect(answer.hostByte === HostByte.ok && answer.data[0] === 0x1e).to.equal(carries.wellKnown);
      });

      it("moves the largest transfer that it says it can", async () => {
        const { maxTransfer } = wire.adapter.limits;
        const blocks = Math.min(BLOCKS, Math.floor(maxTransfer / 512));
        const out = Uint8Array.from({ length: blocks * 512 }, (_, i) => i * 13);
        const cdb = cdbOf(COMMANDS.write10, { lba: 0, blocks });
        expect(withoutData(await send(wire, { lun: DISK, cdb, out }))).to.deep.equal(ended(HostByte.ok));
        expect(Buffer.compare(wire.units.contents(DISK).subarray(0, out.length), out)).to.equal(0);
      });
    });
  }
});

/** A wire to a disk whose store keeps what it is asked for, and an initiator that reaches the disk without it. */
class HeldTransfers {
  readonly #name: WireName;
  readonly #stores: HeldStore[] = [];
  #wire: Wire | null = null;
  #other: Nexus | null = null;

  constructor(name: WireName) {
    this.#name = name;
  }

  get store(): HeldStore {
    return this.#stores[DISK];
  }

  get #opened(): Wire {
    return this.#wire as Wire;
  }

  async open(): Promise<void> {
    const units = new Units(({ size }) => {
      const store = new HeldStore(size, { holding: false });
      this.#stores.push(store);
      return store;
    });
    this.#wire = await openWire(this.#name, units);
    const target = new Target("9:0", [9]);
    target.add(0, units.disks[DISK]);
    this.#other = new Nexus(target);
  }

  async selectTas(): Promise<void> {
    const page = [0x0a, 0x0a, 0, 0x10, 0, 0x40, 0, 0, 0, 0, 0, 0];
    const out = Uint8Array.from([0, 0, 0, 0, ...page]);
    const select = { lun: DISK, cdb: [0x15, 0x10, 0, 0, out.length, 0], out };
    expect(await send(this.#opened, select)).to.include({ status: 0 });
  }

  /** A READ that is under way. */
  async read(): Promise<Command> {
    this.store.holding = true;
    const command = new Command();
    command.lun = DISK;
    command.cdb.set(READ);
    command.cdbLength = READ.length;
    command.direction = "from-device";
    command.data.add(this.#opened.adapter.allocate(1)[0], 0, 1024);
    this.#opened.adapter.queue(command);
    await this.settle();
    return command;
  }

  /** Ends it by whom the table says; true when that is done. */
  end(who: keyof typeof ENDED, victim: Command): Promise<boolean> {
    return new Promise((resolve) => {
      if (who.startsWith("another")) {
        const completed = (response: ManagementResponse): void => resolve(response === "function-complete");
        this.#other?.manage({ function: "clear-task-set", lun: 0, completed });
        return;
      }
      const management = new AdapterManagement();
      const aborts = who.endsWith("ABORT TASK");
      management.function = aborts ? "abort" : "device-reset";
      management.victim = aborts ? victim : null;
      management.lun = DISK;
      management.completed = ({ succeeded }) => resolve(succeeded);
      this.#opened.adapter.manage(management);
    });
  }

  settle(): Promise<void> {
    return this.#opened.settle();
  }

  async close(): Promise<void> {
    await this.#opened.close();
    await this.#other?.close();
  }
}
