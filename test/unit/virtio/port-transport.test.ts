// Judges a virtio device and its driver with a port between them: what passes over it, what either end does with a peer
// that says anything at all, and that nothing stays when it closes.

import { type AdapterEvent, AdapterManagement, Command, HostByte, MemoryStore, Status } from "@pvscsi/scsi";
import {
  Arena,
  DeviceUnusable,
  Feature,
  type MessageEnd,
  PAGE_SIZE,
  PortServer,
  PortTransport,
  SplitDriverQueue,
  TargetTable,
  VirtioScsiAdapter,
  VirtioScsiDevice,
} from "@pvscsi/virtio";
import { Places, type Random } from "@pvscsi/wire";
import { expect } from "chai";
import { messageEnds } from "../../support/message-ends.js";
import { realScheduler } from "../../support/node-platform.js";
import { HoldingUnit, memoryDisk } from "../../support/scsi-devices.js";
import { histories } from "./histories.js";

const DISK = 0;
const HELD = 1;
const MEMORY = 1024 * PAGE_SIZE;
const READ_10 = 0x28;
const WRITE_10 = 0x2a;

/** A device with a disk and a unit that keeps its tasks, served over a port; the driver's end is given. */
class Served {
  readonly buffer = new SharedArrayBuffer(MEMORY);
  readonly targets = new TargetTable();
  readonly holding = new HoldingUnit();
  readonly server: PortServer;
  readonly end: MessageEnd;
  ended = false;

  constructor() {
    this.targets.at(0).add(DISK, memoryDisk(new MemoryStore(1 << 20)));
    this.targets.at(0).add(HELD, this.holding);
    const [own, device] = messageEnds();
    this.end = own;
    const scsi = new VirtioScsiDevice({ targets: this.targets, scheduler: realScheduler });
    this.server = new PortServer(device, this.buffer, scsi);
    void this.server.ended.then(() => {
      this.ended = true;
    });
  }
}

async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !holds(); i++) await turns(1);
  expect(holds()).to.equal(true);
}

describe("a virtio-scsi adapter over a port", () => {
  let served: Served;
  let transport: PortTransport;
  let adapter: VirtioScsiAdapter;

  beforeEach(async () => {
    served = new Served();
    transport = new PortTransport(served);
    adapter = await VirtioScsiAdapter.probe({ transport, scheduler: realScheduler });
    for (const lun of [DISK, HELD]) {
      // Each owes the unit attention of its power on.
      expect((await run(commandTo(lun))).status).to.equal(Status.checkCondition);
    }
  });

  function commandTo(lun: number, cdb: readonly number[] = [0, 0, 0, 0, 0, 0]): Command {
    const command = new Command();
    command.lun = lun;
    command.cdb.set(cdb);
    command.cdbLength = cdb.length;
    return command;
  }

  function run(command: Command): Promise<Command> {
    return new Promise((resolve) => {
      command.completed = resolve;
      adapter.queue(command);
    });
  }

  async function move(operation: number, page: Uint8Array): Promise<void> {
    const command = commandTo(DISK, [operation, 0, 0, 0, 0, 40, 0, 0, 8, 0]);
    command.direction = operation === READ_10 ? "from-device" : "to-device";
    command.data.add(page, 0, page.length);
    const { hostByte, status, residual } = await run(command);
    expect([hostByte, status, residual]).to.deep.equal([HostByte.ok, Status.good, 0]);
  }

  it("reads what it has written", async () => {
    const [written, read] = adapter.allocate(2);
    for (let i = 0; i < written.length; i++) written[i] = i * 7;
    await move(WRITE_10, written);
    await move(READ_10, read);
    expect(read).to.deep.equal(written);
  });

  it("hears of logical units that come and go", async () => {
    const events: AdapterEvent[] = [];
    adapter.listen(async (event) => events.push(event) > 0);
    await until(() => events.length === 1);
    served.targets.at(3).add(5, memoryDisk(new MemoryStore(1 << 20)));
    await until(() => events.length === 2);
    await served.targets.at(3).remove(5);
    await until(() => events.length === 3);
    const address = { channel: 0, target: 3, lun: 5 };
    expect(events.slice(1)).to.deep.equal([
      { kind: "device-added", address },
      { kind: "device-removed", address },
    ]);
  });

  it("aborts what the device keeps", async () => {
    const victim = commandTo(HELD);
    const ended = run(victim);
    await until(() => served.holding.held.length === 1);
    const management = new AdapterManagement();
    management.lun = HELD;
    management.victim = victim;
    await new Promise<unknown>((resolve) => {
      management.completed = resolve;
      adapter.manage(management);
    });
    expect(management.succeeded).to.equal(true);
    expect((await ended).hostByte).to.equal(HostByte.abort);
    expect(served.holding.held).to.deep.equal([]);
  });

  it("ends with the driver's end when nothing is under way any more, and not before", async () => {
    served.holding.stubborn = true;
    const ended = run(commandTo(HELD));
    await until(() => served.holding.held.length === 1);
    transport.close();
    expect((await ended).hostByte).to.equal(HostByte.error);
    await turns();
    expect(served.ended).to.equal(false);
    served.holding.end();
    await until(() => served.ended);
  });

  it("ends what is under way when the device's end closes", async () => {
    const ended = run(commandTo(HELD));
    await until(() => served.holding.held.length === 1);
    served.server.close();
    expect((await ended).hostByte).to.equal(HostByte.error);
    expect(served.holding.held).to.deep.equal([]);
    await until(() => served.ended);
  });

  it("tells of what the driver has broken", async () => {
    const closed = new Promise<AdapterEvent>((resolve) => {
      adapter.listen(async (event) => {
        if (event.kind === "closed") resolve(event);
        return true;
      });
    });
    served.end.post({ call: "ready", id: 99, words: [] });
    expect(await closed).to.deep.equal({ kind: "closed", reason: "DRIVER_OK after DRIVER_OK" });
    await until(() => served.ended);
  });
});

describe("the device's end of a port parts from a driver", () => {
  /** Posts all at once; gives what comes back for it, now and later. */
  async function answersTo(
    served: Served,
    ...calls: readonly [call: string, ...words: unknown[]][]
  ): Promise<unknown[]> {
    const heard: unknown[] = [];
    served.end.listen(
      (message) => {
        if (typeof message !== "number") heard.push(message);
      },
      () => {},
    );
    for (const [id, [call, ...words]] of calls.entries()) served.end.post({ call, id, words });
    await turns();
    return heard;
  }

  const after: readonly [what: string, call: [string, ...unknown[]], reason: string][] = [
    ["that accepts features", ["acceptFeatures", Feature.version1], "features after DRIVER_OK"],
    ["that sets up a queue", ["setUpQueue", 2, 16, 0x10_0000, 0x10_1000, 0x10_2000], "a queue after DRIVER_OK"],
    ["that is ready", ["ready"], "DRIVER_OK after DRIVER_OK"],
  ];
  for (const [what, call, reason] of after) {
    it(`${what} once it is served`, async () => {
      const served = new Served();
      const [ready, ...others] = await answersTo(served, ["ready"], call);
      expect(ready).to.deep.equal({ id: 0, value: undefined });
      expect(others).to.deep.equal([{ needsReset: reason }]);
      await until(() => served.ended);
    });
  }

  it("that sets up a queue that there is not", async () => {
    const served = new Served();
    const words = [3, 16, 0x10_0000, 0x10_1000, 0x10_2000];
    expect(await answersTo(served, ["setUpQueue", ...words])).to.deep.equal([{ needsReset: "queue 3 of 3" }]);
    await until(() => served.ended);
  });

  it("that asks on and on while its device is reset", async () => {
    const served = await keeping();
    const calls = Array.from({ length: 17 }, () => ["reset"] as [string]);
    expect(await answersTo(served, ...calls)).to.deep.equal([{ needsReset: "more than 16 calls that wait" }]);
    expect(served.ended).to.equal(false);
    served.holding.end();
    await until(() => served.ended);
  });

  it("not when it asks for the next thing while its device is reset, which waits", async () => {
    const served = await keeping();
    const answers = await answersTo(served, ["reset"], ["acceptFeatures", Feature.version1], ["ready"]);
    expect(answers).to.deep.equal([]);
    served.holding.end();
    await turns();
    expect(answers).to.deep.equal([
      { id: 0, value: undefined },
      { id: 1, value: true },
      { id: 2, value: undefined },
    ]);
    served.end.close();
    await until(() => served.ended);
  });

  /** A device that cannot end what it has under way. */
  async function keeping(): Promise<Served> {
    const served = new Served();
    const transport = new PortTransport(served);
    const adapter = await VirtioScsiAdapter.probe({ transport, scheduler: realScheduler });
    const command = new Command();
    command.cdbLength = 6;
    command.lun = HELD;
    await new Promise<unknown>((resolve) => {
      command.completed = resolve;
      adapter.queue(command);
    });
    served.holding.stubborn = true;
    adapter.queue(command);
    await until(() => served.holding.held.length === 1);
    return served;
  }
});

describe("the driver's end of a port", () => {
  const hostile: readonly [what: string, message: unknown][] = [
    ["nothing", null],
    ["a text", "hello"],
    ["an answer to nothing", { id: 77, value: 1 }],
    ["a reason that is no text", { needsReset: 5 }],
  ];
  for (const [what, message] of hostile) {
    it(`parts from a device that sends ${what}`, async () => {
      const [own, device] = messageEnds();
      const closed = new Promise<void>((resolve) => {
        device.listen(() => device.post(message), resolve);
      });
      const transport = new PortTransport({ end: own, buffer: new SharedArrayBuffer(MEMORY) });
      const error = await transport.deviceFeatures().catch((reason) => reason);
      expect(error).to.be.instanceOf(DeviceUnusable);
      expect(error.message).to.equal("the device has sent what is no answer");
      await closed;
    });
  }

  const answers: readonly [what: string, ask: (transport: PortTransport) => Promise<unknown>, value: unknown][] = [
    ["features", (transport) => transport.deviceFeatures(), 5],
    ["a configuration", (transport) => transport.readConfig(0, 4), new Uint8Array(3)],
    ["a size", (transport) => transport.queueSize(0), 65536],
    ["a size", (transport) => transport.queueSize(0), Number.NaN],
  ];
  for (const [what, ask, value] of answers) {
    it(`takes ${String(value)} for no ${what.replace("a ", "")}`, async () => {
      const [own, device] = messageEnds();
      device.listen(
        (message) => device.post({ id: (message as { id: number }).id, value }),
        () => {},
      );
      const transport = new PortTransport({ end: own, buffer: new SharedArrayBuffer(MEMORY) });
      expect(await ask(transport).catch((reason) => reason)).to.be.instanceOf(DeviceUnusable);
    });
  }
});

describe("random drivers at a port", () => {
  const HISTORIES = 200;
  const STEPS = 80;
  const CALLS = ["reset", "deviceFeatures", "acceptFeatures", "readConfig", "writeConfig", "queueSize", "setUpQueue"];
  const IN_ORDER = ["reset", "acceptFeatures", "setUpQueue", "setUpQueue", "setUpQueue", "ready"];
  const NO_CALLS = ["kick", "close", "toString", undefined, 7];
  const WORDS = [0, 1, 2, 3, 16, 36, 4096, 65535, 2 ** 40, -1, 0.5, Number.NaN, "0", null, undefined, [], {}, 1n, -1n];
  const FEATURES = Feature.version1 | Feature.eventIndex | Feature.scsiHotplug;
  const COMMANDS = 2;

  function any<Item>(random: Random, items: readonly Item[]): Item {
    return items[random.below(items.length)];
  }

  class RandomDriver {
    readonly served = new Served();
    readonly #random: Random;
    readonly #memory = new Arena(this.served.buffer);
    readonly #bytes = new Uint8Array(this.served.buffer);
    readonly #queues: SplitDriverQueue[] = [];
    constructor(random: Random) {
      this.#random = random;
    }

    step(step: number): void {
      const random = this.#random;
      const { end } = this.served;
      if (step > IN_ORDER.length && random.chance(0.95)) {
        if (random.chance(0.7)) this.#addCommand();
        if (random.chance(0.03)) this.#bytes[random.below(16 * PAGE_SIZE)] = random.u32();
        return end.post(random.chance(0.97) ? COMMANDS : any(random, [-1, 0, 1, 3, 0.5, Number.NaN, 2 ** 31]));
      }
      const call = random.chance(0.02) ? any(random, NO_CALLS) : (IN_ORDER[step] ?? any(random, CALLS));
      const words = random.chance(0.97) ? this.#wordsOf(call) : this.#anyWords();
      end.post(random.chance(0.99) ? { call, id: step, words } : any<unknown>(random, WORDS.slice(12)));
    }

    /** To the unit that keeps it, or to any other. */
    #addCommand(): void {
      const [header, answer] = [this.#memory.range(64), this.#memory.range(128)];
      header.set([1, 0, 0x40, this.#random.below(3)]);
      header[19] = this.#random.chance(0.5) ? 0 : this.#random.u32();
      const [readable, writable] = [new Places(), new Places()];
      readable.add(header, 0, 51);
      writable.add(answer, 0, 108);
      this.#queues[COMMANDS]?.add(readable, writable, null);
      this.#queues[COMMANDS]?.publish();
    }

    #anyWords(): unknown[] {
      return Array.from({ length: this.#random.below(6) }, () => any<unknown>(this.#random, WORDS));
    }

    #wordsOf(call: unknown): readonly unknown[] {
      if (call === "acceptFeatures") return [FEATURES];
      if (call === "readConfig") return [0, 36];
      if (call === "writeConfig") return [20, new Uint8Array([96, 0, 0, 0, 32, 0, 0, 0])];
      if (call === "queueSize") return [1];
      if (call !== "setUpQueue") return [];
      const index = this.#queues.length % 3;
      const features = { eventIndex: true, indirect: false, inOrder: false };
      const queue = new SplitDriverQueue({ size: 16, memory: this.#memory, features, longest: 0 });
      this.#queues.push(queue);
      const { descriptors, driver, device } = queue.areas;
      return [index, 16, ...[descriptors, driver, device].map((area) => this.#memory.addressOf(area))];
    }
  }

  it("are served or parted from, and leave nothing under way", async function () {
    this.timeout(60_000);
    let [parted, reached] = [0, 0];
    await histories("port", HISTORIES, async (random) => {
      const driver = new RandomDriver(random);
      const { served } = driver;
      for (let step = 0; step < STEPS && !served.ended; step++) {
        driver.step(step);
        if (random.chance(0.5)) await turns(1);
      }
      if (served.ended) parted += 1;
      reached += served.holding.seen.length;
      served.end.close();
      await until(() => served.ended);
      expect(served.holding.held).to.deep.equal([]);
    });
    // Both ways are gone.
    expect(parted).to.be.within(HISTORIES / 10, HISTORIES);
    expect(reached).to.be.above(HISTORIES / 4);
  });
});
