// Judges each end of a split virtqueue against a peer that writes random words into all that the two share. Nothing but
// a ProtocolError comes of it, the work is bounded by the ring, and what an end counts for itself stays true.

import { Arena, Chain, type GuestMemory, PAGE_SIZE, ringFeatures, SplitDriverQueue, Used } from "@pvscsi/virtio";
import { Places, ProtocolError, type Random } from "@pvscsi/wire";
import { expect } from "chai";
import { collectGarbage } from "../../support/allocation.js";
import { histories } from "./histories.js";
import { ALL_FEATURES } from "./queue-world.js";
import { INDIRECT, NEXT, RawDriver, RawRing, type Words, WRITE, writeWords } from "./raw-ring.js";

const HISTORIES = 200;
const STEPS = 1500;
const TABLES = 4;

/** Any of the features that rings go by. */
function anyFeatures(random: Random): bigint {
  return ALL_FEATURES & (BigInt(random.u32()) << 8n);
}

/** A word that is likely to be just about right. */
function anyIndex(random: Random, about: number): number {
  return random.chance(0.1) ? random.u32() & 0xffff : (about + random.below(5) - 2) & 0xffff;
}

function scribble(random: Random, bytes: Uint8Array): void {
  const at = random.below(bytes.length);
  const end = Math.min(bytes.length, at + 1 + random.below(16));
  for (let i = at; i < end; i++) bytes[i] = random.u32();
}

/** Runs a step that may find the peer out; says whether it did. */
function foundOut(step: () => void): boolean {
  try {
    step();
    return false;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return true;
  }
}

/** A driver that writes anything anywhere, and the device's end of its ring. */
class HostileDriver {
  readonly #random: Random;
  readonly #size: number;
  readonly #raw: RawDriver;
  readonly #tables: Uint8Array[] = [];
  readonly #data: Uint8Array;
  readonly #open: Chain[] = [];
  readonly #base: number;
  /** Buffers that the device has looked for during one `take`. */
  #looks = 0;
  /** Chains given back, and of these those that no publication has shown. */
  #pushed = 0;
  #unshown = 0;
  taken = 0;
  refused = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#size = 2 ** random.below(7);
    this.#base = random.chance(0.3) ? 0xffff - random.below(4) : 0;
    const seen = (memory: GuestMemory): GuestMemory => ({
      places: (address, length, places) => {
        this.#looks += 1;
        if (random.chance(0.05)) this.#meddle();
        return memory.places(address, length, places);
      },
    });
    this.#raw = new RawDriver({ size: this.#size, base: this.#base, features: anyFeatures(random), seen });
    this.#data = this.#raw.memory.range(2 * PAGE_SIZE);
    for (let i = 0; i < TABLES; i++) this.#tables.push(this.#raw.memory.range(16 * Math.max(this.#size, TABLES) + 16));
  }

  step(): void {
    const random = this.#random;
    switch (random.below(7)) {
      case 0:
        return this.#meddle();
      case 1:
      case 2:
        return this.#offer();
      case 3:
        return this.#push();
      case 4:
        return this.#publish();
      default:
        this.#take();
        if (random.chance(0.5)) return void this.#raw.device.finalCheck();
        return this.#raw.device.quiet();
    }
  }

  /** What is open can still be given back, and the index tells of all of it. */
  end(): void {
    while (this.#open.length > 0) this.#push();
    this.#publish();
    expect(this.#raw.device.outstanding).to.equal(0);
  }

  #take(): void {
    const { device, ring } = this.#raw;
    const chain = new Chain();
    this.#looks = 0;
    const { next } = device;
    let taken = false;
    if (foundOut(() => (taken = device.take(chain)))) {
      this.refused += 1;
      // The driver makes as if nothing had been.
      ring.availIndex = device.next;
    }
    expect(this.#looks).to.be.at.most(this.#size + 1);
    expect((device.next - next) & 0xffff).to.equal(taken ? 1 : 0);
    if (taken) {
      expect(this.#open.every(({ head }) => head !== chain.head)).to.equal(true);
      this.#open.push(chain);
      this.taken += 1;
    }
    expect([device.outstanding, this.#open.length <= this.#size]).to.deep.equal([this.#open.length, true]);
  }

  #push(): void {
    if (this.#open.length === 0) return;
    const [chain] = this.#open.splice(this.#random.below(this.#open.length), 1);
    const written = this.#random.below(Math.min(chain.writable.length, 64) + 1);
    chain.writable.write(new Uint8Array(written).fill(this.#random.u32()));
    this.#raw.device.push(chain, written);
    this.#pushed += 1;
    this.#unshown += 1;
  }

  /** What is shown is what was given back, whatever the driver wrote over the index; with IN_ORDER when all are. */
  #publish(): void {
    this.#raw.device.publish();
    if (this.#unshown === 0 || this.#open.length > 0) return;
    this.#unshown = 0;
    expect((this.#raw.ring.usedIndex - this.#base) & 0xffff).to.equal(this.#pushed & 0xffff);
  }

  /** Offers one of its own heads, or something that is none. */
  #offer(): void {
    const { ring } = this.#raw;
    for (let count = this.#random.below(4); count >= 0; count--) this.#describe(ring.areas.descriptors, this.#size);
    if (this.#random.chance(0.5)) this.#describe(this.#random.chance(0.5) ? this.#tables[0] : this.#tables[1], TABLES);
    ring.offer(this.#random.chance(0.95) ? this.#random.below(this.#size) : this.#random.u32() & 0xffff);
  }

  #describe(table: Uint8Array, entries: number): void {
    const random = this.#random;
    const words: Words = {
      address: BigInt(this.#raw.memory.addressOf(random.chance(0.2) ? this.#pick(this.#tables) : this.#data)),
      length: random.below(random.chance(0.1) ? 2 ** 32 : 200),
      flags: random.chance(0.1) ? random.u32() & 0xffff : random.chance(0.5) ? NEXT | WRITE : random.below(8),
      next: random.below(entries + (random.chance(0.05) ? 2 : 0)),
    };
    const pointer = { length: 16 * (1 + random.below(entries)), flags: INDIRECT };
    writeWords(table, random.below(entries), random.chance(0.2) ? { ...words, ...pointer } : words);
  }

  /** Writes anything into anything; the index mostly just about where it was. */
  #meddle(): void {
    const { ring, device } = this.#raw;
    const { descriptors, driver, device: used } = ring.areas;
    scribble(this.#random, this.#pick([descriptors, driver, used, ...this.#tables, this.#data]));
    if (this.#random.chance(0.7)) ring.availIndex = anyIndex(this.#random, device.next);
  }

  #pick(areas: readonly Uint8Array[]): Uint8Array {
    return areas[this.#random.below(areas.length)];
  }
}

/** A device that writes anything anywhere, and the driver's end of its ring. */
class HostileDevice {
  readonly #random: Random;
  readonly #size: number;
  readonly #memory = new Arena(new ArrayBuffer(128 * PAGE_SIZE));
  readonly #driver: SplitDriverQueue;
  readonly #ring: RawRing;
  readonly #page: Uint8Array;
  readonly #used = new Used();
  /** By token: how much may be written. */
  readonly #underWay = new Map<unknown, number>();
  #taken = 0;
  taken = 0;
  refused = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#size = 2 ** random.below(7);
    const features = ringFeatures(anyFeatures(random));
    const parts = { size: this.#size, memory: this.#memory, features, longest: random.below(5) };
    this.#driver = new SplitDriverQueue(parts);
    this.#ring = new RawRing(this.#driver.areas, this.#size);
    [this.#page] = this.#memory.pages(1);
  }

  step(): void {
    const random = this.#random;
    switch (random.below(6)) {
      case 0:
        return this.#meddle();
      case 1:
        return this.#use();
      case 2:
        return this.#add();
      case 3:
        return void this.#driver.publish();
      default:
        this.#take();
        if (random.chance(0.5)) return void this.#driver.finalCheck();
        return this.#driver.quiet();
    }
  }

  /** No descriptor is lost: when a device at last gives everything back, all are free. */
  end(): void {
    expect(this.#driver.outstanding).to.equal(this.#underWay.size);
    expect(this.#driver.free).to.be.within(0, this.#size);
    if (this.#underWay.size === 0) expect(this.#driver.free).to.equal(this.#size);
  }

  #add(): void {
    const [readable, writable] = [this.#places(), this.#places()];
    if (readable.count + writable.count === 0) return;
    const token = { readable, writable };
    if (this.#driver.add(readable, writable, token)) this.#underWay.set(token, writable.length);
  }

  #places(): Places {
    const places = new Places();
    for (let count = this.#random.below(3); count > 0; count--) places.add(this.#page, 0, 1 + this.#random.below(99));
    return places;
  }

  #take(): void {
    let taken = false;
    if (foundOut(() => (taken = this.#driver.take(this.#used)))) {
      this.refused += 1;
      this.#ring.usedIndex = this.#taken;
    }
    if (taken) {
      this.#taken = (this.#taken + 1) & 0xffff;
      this.taken += 1;
      const most = this.#underWay.get(this.#used.token) ?? -1;
      expect(this.#used.written).to.be.within(0, most);
      this.#underWay.delete(this.#used.token);
    }
    expect(this.#driver.outstanding).to.equal(this.#underWay.size);
  }

  /** Shows something as used, mostly by its head. */
  #use(): void {
    const random = this.#random;
    const id = random.chance(0.9) ? random.below(this.#size) : random.u32();
    this.#ring.use([id, random.chance(0.5) ? 0 : random.below(200)]);
  }

  #meddle(): void {
    const { descriptors, driver, device } = this.#ring.areas;
    const areas = [descriptors, driver, device, new Uint8Array(this.#memory.buffer)];
    scribble(this.#random, areas[this.#random.below(areas.length)]);
    if (this.#random.chance(0.7)) this.#ring.usedIndex = anyIndex(this.#random, this.#taken);
  }
}

for (const [name, make] of [
  ["device end and a driver", (random: Random) => new HostileDriver(random)],
  ["driver end and a device", (random: Random) => new HostileDevice(random)],
] as const) {
  describe(`a split virtqueue's ${name} that writes random words`, () => {
    it("(h) finds it out, and keeps its own count", async () => {
      let [taken, refused] = [0, 0];
      const all = await histories(name, HISTORIES, (random) => {
        const peer = make(random);
        for (let i = 0; i < STEPS; i++) peer.step();
        peer.end();
        taken += peer.taken;
        refused += peer.refused;
      });
      // Histories that find nothing, or nothing else, judge nothing.
      if (all) expect(Math.min(taken, refused)).to.be.greaterThan(HISTORIES * 20);
    }).timeout(60_000);

    it("(h) does not grow", async () => {
      await histories(name, 3, (random) => {
        const peer = make(random);
        const run = (): number => {
          for (let i = 0; i < 5 * STEPS; i++) peer.step();
          collectGarbage();
          return process.memoryUsage().heapUsed;
        };
        run();
        const before = run();
        expect(run() - before).to.be.below(500_000);
      });
    }).timeout(60_000);
  });
}
