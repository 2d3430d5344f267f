// Judges the virtio-scsi driver against hostile devices: sizes that are none, answers that are none, rings that break in
// the middle of anything. Every command and every function ends once, and nothing grows.

import { AdapterManagement, Command, HostByte } from "@pvscsi/scsi";
import { CommandResponse, Response, type VirtioScsiAdapter } from "@pvscsi/virtio";
import { expect } from "chai";
import { CONTROL, EVENTS, type Offered, REQUESTS, ScriptedTransport } from "./scripted-transport.js";

const ANSWER = 108;
const GARBAGE = 0xffff_ffff;

interface World {
  readonly device: ScriptedTransport;
  readonly adapter: VirtioScsiAdapter;
  readonly ended: Command[];
  /** Queues a command of that many bytes from the device. */
  send(length?: number): Command;
  /** Asks for an abort of a command; what is returned holds its result when it has ended. */
  abort(victim: Command): boolean[];
}

async function world(script: ConstructorParameters<typeof ScriptedTransport>[0] = {}): Promise<World> {
  const device = new ScriptedTransport(script);
  const adapter = await device.probe();
  const ended: Command[] = [];
  const send = (length = 0): Command => {
    const command = new Command();
    command.cdbLength = 6;
    if (length > 0) {
      command.direction = "from-device";
      command.data.add(adapter.allocate(1)[0], 0, length);
    }
    command.completed = (done) => void ended.push(done);
    adapter.queue(command);
    device.settle();
    return command;
  };
  const abort = (victim: Command): boolean[] => {
    const results: boolean[] = [];
    const management = new AdapterManagement();
    management.victim = victim;
    management.completed = ({ succeeded }) => void results.push(succeeded);
    adapter.manage(management);
    device.settle();
    return results;
  };
  return { device, adapter, ended, send, abort };
}

/** A whole answer. */
function answer(fields: { readonly [Field in "senseLen" | "resid" | "status" | "response"]?: number }): Uint8Array {
  const bytes = new Uint8Array(ANSWER).fill(0x70);
  Object.assign(new CommandResponse(bytes), { senseLen: 0, resid: 0, status: 0, response: 0, ...fields });
  return bytes;
}

describe("a virtio-scsi driver and what a hostile device says of itself", () => {
  for (const [what, queueSizes, reason] of [
    ["no control queue", [0, 16, 16], "a device without queue 0"],
    ["no request queue", [16, 16, 0], "a device without queue 2"],
    ["a request queue of 1", [16, 16, 1], "a device whose queue 2 has 1 descriptors"],
    ["a request queue without room for data", [16, 16, 2], "a device whose queue 2 has 2 descriptors"],
  ] as const) {
    it(`will have none with ${what}`, async () => {
      expect(await new ScriptedTransport({ queueSizes }).refusal()).to.equal(`DeviceUnusable: ${reason}`);
    });
  }

  for (const [most, expected] of [
    [3, null],
    [7, 4],
    [1000, 512],
    [32_768, 1024],
    [GARBAGE, 1024],
  ]) {
    it(`makes ${expected === null ? "nothing" : `a queue of ${expected}`} of one of ${most} descriptors`, async () => {
      const device = new ScriptedTransport({ queueSizes: [16, 16, most ?? 0], pages: 2048 });
      if (expected === null) expect(await device.refusal()).to.include("descriptors");
      else expect((await device.probe()).limits.maxSegments).to.equal(Math.min(126, expected - 2));
      expect(device.rings[REQUESTS]?.size ?? null).to.equal(expected);
    });
  }

  for (const value of [0, GARBAGE]) {
    it(`makes something that works of a configuration full of ${value}`, async () => {
      const [numQueues, segMax, maxSectors, cmdPerLun, maxTarget, maxLun] = new Array(6).fill(value);
      const config = { numQueues, segMax, maxSectors, cmdPerLun, maxTarget: maxTarget & 0xffff, maxLun };
      const { device, adapter, send, ended } = await world({ config });
      const { limits } = adapter;
      expect(limits.queueDepth).to.be.within(1, 16);
      expect(limits.maxSegments).to.be.within(1, 14);
      expect(limits.maxTransfer).to.be.within(512, 14 * 4096);
      expect(limits.targets).to.be.within(1, 256);
      expect(limits.luns).to.be.within(1, 16_384);
      send();
      device.use(REQUESTS, device.offered(REQUESTS)[0], answer({}));
      device.interrupt(REQUESTS);
      expect(ended).to.have.length(1);
    });
  }
});

describe("a virtio-scsi driver and a hostile device's answers", () => {
  /** The command as one answer ended it. */
  async function endedBy(bytes: Uint8Array, written: number, length = 0): Promise<Command> {
    const { device, send } = await world();
    const command = send(length);
    device.use(REQUESTS, device.offered(REQUESTS)[0], bytes, written);
    device.interrupt(REQUESTS);
    return command;
  }

  for (const [senseLen, written, expected] of [
    [18, ANSWER, 18],
    [96, ANSWER, 96],
    [97, ANSWER, 96],
    [GARBAGE, ANSWER, 96],
    [96, 12, 0],
    [96, 30, 18],
  ]) {
    it(`S7: takes ${expected} bytes of sense data for ${senseLen} in ${written} bytes`, async () => {
      const { senseLength, sense } = await endedBy(answer({ status: 2, senseLen }), written);
      expect(senseLength).to.equal(expected);
      expect([...sense.subarray(0, expected)]).to.deep.equal(new Array(expected).fill(0x70));
    });
  }

  for (const [resid, written, expected] of [
    [0, ANSWER + 512, 0],
    [12, ANSWER + 500, 12],
    [0, ANSWER + 500, 12],
    [0, ANSWER, 512],
    [0, 12, 512],
    [513, ANSWER + 512, 512],
    [GARBAGE, ANSWER + 512, 512],
  ]) {
    it(`S7: counts ${expected} of 512 bytes as missing for a residual of ${resid} in ${written} bytes`, async () => {
      const { residual, hostByte } = await endedBy(answer({ resid }), written, 512);
      expect([residual, hostByte]).to.deep.equal([expected, HostByte.ok]);
    });
  }

  for (const [what, written] of [
    ["no answer", 0],
    ["less than a header", 11],
    ["more than there is room for", ANSWER + 1],
  ] as const) {
    it(`is through with a device that gives ${what}`, async () => {
      const { device, adapter, ended, send, abort } = await world();
      const commands = [send(), send(), send()];
      const aborted = abort(commands[2]);
      device.use(REQUESTS, device.offered(REQUESTS)[1], answer({}), written);
      device.interrupt(REQUESTS);
      expect(ended.map(({ hostByte }) => hostByte)).to.deep.equal(new Array(3).fill(HostByte.error));
      expect([new Set(ended).size, aborted]).to.deep.equal([3, [false]]);
      for (const queue of [CONTROL, EVENTS, REQUESTS, 77]) device.interrupt(queue);
      expect(send().hostByte).to.equal(HostByte.noConnect);
      expect([abort(commands[0]), ended.length]).to.deep.equal([[false], 4]);
      await adapter.close();
      expect(ended).to.have.length(4);
    });
  }
});

describe("a virtio-scsi driver and a hostile device's rings", () => {
  it("ends a function once when the device breaks a request ring as it answers that", async () => {
    const { device, ended, send, abort } = await world();
    const aborted = abort(send());
    const [offered] = device.offered(CONTROL);
    device.rings[REQUESTS].usedIndex = 0x7777;
    device.use(CONTROL, offered, Uint8Array.of(Response.ok));
    device.interrupt(CONTROL);
    expect([aborted, ended.map(({ hostByte }) => hostByte)]).to.deep.equal([[false], [HostByte.error]]);
  });

  for (const [response, written, succeeded] of [
    [Response.ok, 1, true],
    [Response.functionSucceeded, 1, true],
    [Response.ok, 0, false],
    [Response.functionRejected, 1, false],
    [0xff, 1, false],
  ] as const) {
    it(`takes a function as ${succeeded ? "done" : "not done"} for ${response} in ${written} bytes`, async () => {
      const { device, send, abort } = await world();
      const victim = send();
      for (let i = 0; i < 20; i++) {
        const results = abort(victim);
        const [offered] = device.offered(CONTROL);
        expect([...offered.readable[0].subarray(20, 24)]).to.deep.equal([0, 0, 0, 0]);
        offered.readable[0].fill(0xff);
        device.use(CONTROL, offered, Uint8Array.of(response), written);
        device.interrupt(CONTROL);
        expect(results).to.deep.equal([succeeded]);
      }
    });
  }

  it("has as many events under way as it has buffers, however many the device sends and however slow its listener is", async () => {
    const { device, adapter } = await world();
    let told = 0;
    let hear = (): void => {};
    adapter.listen(async () => {
      told += 1;
      await new Promise<void>((resolve) => {
        hear = resolve;
      });
      return true;
    });
    await turn();
    hear();
    const missed = new Uint8Array(16).fill(0);
    missed[3] = 0x80;
    for (let round = 0; round < 5; round++) {
      const buffers: Offered[] = device.offered(EVENTS);
      expect(buffers).to.have.length(round === 0 ? 8 : 1);
      for (const buffer of buffers) device.use(EVENTS, buffer, missed);
      device.interrupt(EVENTS);
      await turn();
      expect([told, device.offered(EVENTS)]).to.deep.equal([2 + round, []]);
      hear();
      await turn();
    }
  });

  it("takes no more than a ring full of answers at a time, from a device that has the next one ready all the while", async () => {
    const { device, adapter, ended, send } = await world();
    const ring = device.rings[REQUESTS];
    const command = send();
    let answered = 0;
    const answerNext = (): void => {
      ring.use([ring.avail(ring.usedIndex), ANSWER]);
      answered += 1;
    };
    command.completed = (done) => {
      ended.push(done);
      if (answered === 100) return;
      adapter.queue(command);
      answerNext();
    };
    answerNext();
    adapter.interrupt(REQUESTS);
    expect(ended).to.have.length(16);
    device.settle();
    expect(ended).to.have.length(100);
  });

  it("hears of a reset that is needed once", async () => {
    const { device, ended, send } = await world();
    send();
    for (let i = 0; i < 3; i++) device.needsReset("the test says so");
    expect(ended.map(({ hostByte }) => hostByte)).to.deep.equal([HostByte.error]);
  });
});

/** Lets everything run that only waits for promises. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
