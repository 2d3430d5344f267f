// Judges the virtio-scsi device and its driver against peers that say random things, many of them nearly right: every
// buffer and every command comes back once, queues can always be stopped, nothing throws and nothing grows.

import { AdapterManagement, Command, MemoryStore } from "@pvscsi/scsi";
import {
  Arena,
  EventType,
  Feature,
  PAGE_SIZE,
  Response,
  TargetTable,
  type VirtioScsiAdapter,
  VirtioScsiDevice,
  writeRequestLun,
} from "@pvscsi/virtio";
import type { Random, Runnable } from "@pvscsi/wire";
import { expect } from "chai";
import { collectGarbage } from "../../support/allocation.js";
import { HoldingUnit, memoryDisk } from "../../support/scsi-devices.js";
import { histories } from "./histories.js";
import { NEXT, RawRing, WRITE } from "./raw-ring.js";
import { type Offered, ScriptedTransport } from "./scripted-transport.js";

const HISTORIES = 60;
const STEPS = 800;
const SIZE = 16;
const QUEUES = 4;
const [CONTROL, EVENTS] = [0, 1];
/** Of a head: its request, its answer, its data. */
const [REQUEST, ANSWER, DATA] = [0, 512, 1024];
const OPCODES = [0x00, 0x03, 0x12, 0x15, 0x1a, 0x1d, 0x28, 0x2a, 0x42, 0x5e, 0x5f, 0x83, 0x89, 0x9e, 0xa0, 0xa3, 0xff];

/** A driver that makes random requests, and the device that it makes them of. */
class RandomDriver {
  readonly #random: Random;
  readonly #memory = new Arena(new ArrayBuffer(256 * PAGE_SIZE));
  readonly #targets = new TargetTable();
  readonly #holding = new HoldingUnit();
  readonly #device: VirtioScsiDevice;
  readonly #ready: Runnable[] = [];
  readonly #rings: RawRing[];
  readonly #pages: Uint8Array[][];
  /** By queue and head: how often it is offered and has not come back; and how far each used ring was read. */
  readonly #underWay = Array.from({ length: QUEUES }, () => new Array<number>(SIZE).fill(0));
  readonly #seen = new Array<number>(QUEUES).fill(0);
  readonly #failed = new Set<number>();
  returned = 0;
  good = 0;
  failures = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#targets.at(0).add(0, memoryDisk(new MemoryStore(64 * 1024)));
    this.#targets.at(0).add(1, this.#holding);
    const scheduler = { soon: (runnable: Runnable) => void this.#ready.push(runnable) };
    const options = { targets: this.#targets, scheduler, limits: { requestQueues: QUEUES - 2 } };
    this.#device = new VirtioScsiDevice(options);
    const { memory } = { memory: this.#memory };
    const lengths = { descriptors: 16 * SIZE, driver: 6 + 2 * SIZE, device: 6 + 8 * SIZE };
    this.#rings = this.#underWay.map(() => {
      const { descriptors, driver, device } = lengths;
      const areas = {
        descriptors: memory.range(descriptors),
        driver: memory.range(driver),
        device: memory.range(device),
      };
      return new RawRing(areas, SIZE);
    });
    this.#pages = this.#underWay.map(() => memory.pages(SIZE));
    this.start();
  }

  start(): void {
    const { eventIndex, scsiHotplug, scsiChange, version1 } = Feature;
    this.#device.setFeatures(this.#random.chance(0.5) ? version1 : eventIndex | scsiHotplug | scsiChange | version1);
    for (const [index, { areas }] of this.#rings.entries()) {
      for (const area of [areas.descriptors, areas.driver, areas.device]) area.fill(0);
      this.#underWay[index].fill(0);
      this.#seen[index] = 0;
      const call = (): void => {};
      const fail = (): void => void this.#failed.add(index);
      this.#device.start(index, { size: SIZE, areas, base: 0, memory: this.#memory, call, fail });
    }
  }

  async step(): Promise<void> {
    const random = this.#random;
    for (let count = random.below(3); count >= 0; count--) this.#offer(random.below(QUEUES));
    this.#device.kick(random.below(QUEUES + 1));
    if (random.chance(0.2) && this.#holding.held.length > 0) this.#holding.end();
    if (random.chance(0.02)) this.#change();
    if (random.chance(0.5)) this.#settle();
    for (let index = 0; index < QUEUES; index++) this.#take(index);
    if (this.#failed.size > 0 || random.chance(0.002)) {
      await this.stop();
      this.start();
    }
  }

  /** Resets the device: all that was under way comes back, except what broke its queue. */
  async stop(): Promise<void> {
    this.#device.reset();
    await Promise.all(this.#rings.map((_, index) => this.#device.stop(index)));
    this.#settle();
    expect([this.#holding.held, this.#targets.at(0).nexuses]).to.deep.equal([[], []]);
    for (let index = 0; index < QUEUES; index++) {
      this.#take(index);
      if (index === EVENTS || this.#failed.has(index)) continue;
      const { availIndex, usedIndex } = this.#rings[index];
      // What was not taken has not come back; all else has.
      const open = this.#underWay[index].reduce((sum, count) => sum + count, 0);
      expect(open).to.equal((availIndex - usedIndex) & 0xffff);
    }
    this.failures += this.#failed.size;
    this.#failed.clear();
  }

  #settle(): void {
    for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) next.run();
  }

  /** A logical unit comes or goes. */
  #change(): void {
    const target = this.#targets.at(0);
    if (target.get(5) === undefined) target.add(5, new HoldingUnit());
    else void target.remove(5);
  }

  #take(index: number): void {
    const ring = this.#rings[index];
    for (; this.#seen[index] !== ring.usedIndex; this.#seen[index] = (this.#seen[index] + 1) & 0xffff) {
      const [head, written] = ring.used(this.#seen[index]);
      expect(--this.#underWay[index][head], `head ${head} of queue ${index}`).to.be.at.least(0);
      this.returned += 1;
      const page = this.#pages[index][head];
      if (index > EVENTS && page[ANSWER + 11] === Response.ok && page[ANSWER + 10] === 0) this.good += 1;
      if (index === EVENTS && written > 0) expect(page[DATA] & 0x7f).to.be.oneOf(Object.values(EventType));
    }
  }

  /** Offers a head that is free, nearly always. */
  #offer(index: number): void {
    const random = this.#random;
    const [ring, underWay] = [this.#rings[index], this.#underWay[index]];
    // Three descriptors belong together.
    const head = 3 * random.below(SIZE / 3 - 1);
    if (underWay[head] > 0 && !random.chance(0.002)) return;
    const page = this.#pages[index][head];
    const at = (offset: number) => BigInt(this.#memory.addressOf(page, offset));
    const length = (right: number): number => (random.chance(0.003) ? random.below(right + 2) : right);
    const out = random.chance(0.3);
    this.#fill(index, page);
    if (index === EVENTS) ring.describe(head, { address: at(DATA), length: length(16), flags: WRITE });
    else {
      const [request, answer] = index === CONTROL ? [24, 5] : [51, 108];
      const data = { address: at(DATA), length: random.below(1024) };
      const written = { address: at(ANSWER), length: length(answer), flags: WRITE };
      ring.describe(head, { address: at(REQUEST), length: length(request), flags: NEXT, next: head + 1 });
      if (out) {
        ring.describe(head + 1, { ...data, flags: NEXT, next: head + 2 });
        ring.describe(head + 2, written);
      } else {
        ring.describe(head + 1, { ...written, flags: NEXT | WRITE, next: head + 2 });
        ring.describe(head + 2, { ...data, flags: WRITE });
      }
    }
    underWay[head] += 1;
    ring.offer(head);
  }

  #fill(index: number, page: Uint8Array): void {
    const random = this.#random;
    page.fill(0);
    for (let i = 0; i < 51; i++) page[REQUEST + i] = random.chance(0.3) ? random.u32() : 0;
    const lun = index === CONTROL ? 8 : 0;
    if (random.chance(0.9)) writeRequestLun(page, REQUEST + lun, random.below(20) === 0 ? 9 : 0, random.below(3));
    if (index === CONTROL) page.set([random.below(4), 0, 0, 0, random.below(9), 0, 0, 0], REQUEST);
    else page[REQUEST + 19] = OPCODES[random.below(OPCODES.length)];
    page[REQUEST + (index === CONTROL ? 16 : 8)] = random.below(8);
  }
}

/** A device that answers anything, and the driver that has to make something of it. */
class RandomDevice {
  readonly #random: Random;
  readonly #device: ScriptedTransport;
  readonly #adapter: VirtioScsiAdapter;
  readonly #offered: Offered[][] = [[], [], []];
  readonly #pages: Uint8Array[];
  #underWay = 0;
  ended = 0;

  static async start(random: Random): Promise<RandomDevice> {
    const device = new ScriptedTransport({ config: { cmdPerLun: 12 } });
    return new RandomDevice(random, device, await device.probe());
  }

  private constructor(random: Random, device: ScriptedTransport, adapter: VirtioScsiAdapter) {
    this.#random = random;
    this.#device = device;
    this.#adapter = adapter;
    this.#pages = adapter.allocate(8);
    adapter.listen(async () => random.chance(0.5));
  }

  async step(): Promise<void> {
    const random = this.#random;
    if (random.chance(0.5) && this.#underWay < 40) this.#send();
    for (const [queue, offered] of this.#offered.entries()) offered.push(...this.#device.offered(queue));
    const queue = random.below(3);
    const answers = this.#offered[queue];
    if (answers.length > 0) this.#answer(queue, answers.splice(random.below(answers.length), 1)[0]);
    if (random.chance(0.0005)) this.#device.rings[queue].usedIndex = random.u32() & 0xffff;
    if (random.chance(0.5)) this.#device.interrupt(random.below(4));
    if (random.chance(0.1)) await turn();
  }

  /** Everything ends when the adapter is closed, if it has not. */
  async stop(): Promise<void> {
    await this.#adapter.close();
    await turn();
    expect(this.#underWay).to.equal(0);
  }

  #send(): void {
    const command = new Command();
    command.cdbLength = 6;
    command.direction = this.#random.chance(0.5) ? "from-device" : "to-device";
    command.data.add(this.#pages[this.#random.below(8)], 0, 1 + this.#random.below(PAGE_SIZE));
    this.#begin((end) => {
      command.completed = end;
    });
    this.#adapter.queue(command);
    if (this.#random.chance(0.8)) return;
    const management = new AdapterManagement();
    if (this.#random.chance(0.5)) management.function = "device-reset";
    else management.victim = command;
    this.#begin((end) => {
      management.completed = end;
    });
    this.#adapter.manage(management);
  }

  /** Counts something that has to end once. */
  #begin(set: (end: () => void) => void): void {
    let ended = false;
    this.#underWay += 1;
    set(() => {
      if (ended) throw new Error("it ended twice");
      ended = true;
      this.#underWay -= 1;
      this.ended += 1;
    });
  }

  #answer(queue: number, offered: Offered): void {
    const random = this.#random;
    const bytes = Uint8Array.from({ length: 108 }, () => (random.chance(0.2) ? random.u32() : 0));
    const most = offered.writable.reduce((sum, { length }) => sum + length, 0);
    const written = random.chance(0.01) ? random.below(most + 2) : queue === EVENTS ? most : Math.min(most, 108);
    this.#device.use(queue, offered, bytes, written);
  }
}

for (const [name, start] of [
  ["device and a driver that asks", async (random: Random) => new RandomDriver(random)],
  ["driver and a device that answers", (random: Random) => RandomDevice.start(random)],
] as const) {
  describe(`a virtio-scsi ${name} random things`, () => {
    it("(h) gives everything back, once, and ends when it is told to", async () => {
      let [returned, good] = [0, 0];
      const all = await histories(name, HISTORIES, async (random) => {
        const peer = await start(random);
        for (let i = 0; i < STEPS; i++) await peer.step();
        await peer.stop();
        returned += peer instanceof RandomDriver ? peer.returned : peer.ended;
        good += peer instanceof RandomDriver ? peer.good : peer.ended;
      });
      // Histories in which nothing happens, or nothing good, judge nothing.
      if (!all) return;
      expect(returned).to.be.greaterThan(HISTORIES * 100);
      expect(good).to.be.greaterThan(HISTORIES * 50);
    }).timeout(60_000);
  });
}

describe("a virtio-scsi device and a driver that asks random things", () => {
  it("(h) does not grow", async () => {
    await histories("growth", 1, async (random) => {
      const driver = new RandomDriver(random);
      const run = async (): Promise<number> => {
        for (let i = 0; i < 4 * STEPS; i++) await driver.step();
        await driver.stop();
        driver.start();
        collectGarbage();
        return process.memoryUsage().heapUsed;
      };
      await run();
      const before = await run();
      expect((await run()) - before).to.be.below(1_000_000);
    });
  }).timeout(60_000);
});

/** Lets everything run that only waits for promises. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
