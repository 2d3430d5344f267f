// Tests a guest whose domain has fewer pages than its disks could use: both drivers and both ends of the ring are real. Nothing
// is lost, nothing is left, and each order is the same again.

import { BlockRequest } from "@pvscsi/guest";
import { MemoryStore } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { Places, seededRandom } from "@pvscsi/wire";
import type { InProcessDomain } from "@pvscsi/xen";
import { expect } from "chai";
import { RunningGuest } from "pvscsi";
import { HeldStore } from "../../support/held-store.js";
import { memoryDisk, TestDirectory } from "../../support/scsi-devices.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { XenWorld } from "../../support/xen-world.js";

const SIZE = 1 << 20;
const WRITERS = 32;
/** Bytes of the disk that one writer has. */
const PART = SIZE / WRITERS;

class SmallDomain {
  readonly world: XenWorld;
  readonly store = new HeldStore(SIZE, { holding: false });
  readonly contents = new Uint8Array(SIZE);
  readonly failures: string[] = [];

  private constructor(
    readonly seed: number,
    world: XenWorld,
    readonly guest: RunningGuest,
    readonly domain: InProcessDomain,
    readonly back: Scsiback,
    readonly directory: TestDirectory,
  ) {
    this.world = world;
    directory.units.set("disk", memoryDisk(this.store));
  }

  static async make(memoryPages: number, seed: number): Promise<SmallDomain> {
    const world = new XenWorld(seed);
    const { simulation, probes } = world;
    const parts = { clock: simulation, scheduler: simulation, probes };
    const directory = new TestDirectory({ more: memoryDisk(new MemoryStore(SIZE)) });
    const back = new Scsiback({ ...parts, domain: await world.createDomain(0), directory });
    await world.done(back.start());
    const domain = await world.createDomain(1, { memoryPages });
    const guest = new RunningGuest({ ...parts, name: "small", domain });
    await world.done(guest.driver.start());
    return new SmallDomain(seed, world, guest, domain, back, directory);
  }

  transfer(disk: string, operation: "read" | "write", offset: number, data: Uint8Array): Promise<BlockRequest> {
    const request = new BlockRequest();
    const places = new Places();
    places.add(data, 0, data.length);
    return new Promise((resolve) => {
      Object.assign(request, { operation, offset, length: data.length, places, completed: resolve });
      this.guest.guest.disk(disk)?.submit(request) ?? resolve(request);
    });
  }

  /** One of many that write at once, each to a part of the disk that only it has. */
  async write(index: number, rounds: number): Promise<void> {
    const random = seededRandom(this.seed * 100 + index);
    for (let i = 0; i < rounds; i++) {
      const blocks = 1 + random.below(PART / 512);
      const at = index * PART + random.below(PART / 512 - blocks + 1) * 512;
      const data = Uint8Array.from({ length: blocks * 512 }, () => random.below(256));
      const { failure } = await this.transfer("sda", "write", at, data);
      if (failure !== null) this.failures.push(failure.words);
      this.contents.set(data, at);
    }
  }

  async close(): Promise<void> {
    await this.world.done(this.guest.close());
    await this.world.settle();
  }
}

describe("A guest in a domain with few pages", () => {
  for (const [memoryPages, seed] of [
    [24, 1],
    [12, 2],
    [3, 3],
    [200, 4],
  ] as const) {
    it(`writes at depth ${WRITERS} with ${memoryPages} pages and reads it again in one piece, order ${seed}`, async () => {
      const small = await SmallDomain.make(memoryPages, seed);
      const { world } = small;
      const before = world.describe();
      const nodes = await VscsiNodes.create(world, { guest: 1, luns: [["disk", "0:0:0:0"]] });
      await world.settle();
      await world.done(Promise.all(Array.from({ length: WRITERS }, (_, index) => small.write(index, 5))));
      expect(small.failures).to.deep.equal([]);
      const read = new Uint8Array(SIZE);
      expect((await world.done(small.transfer("sda", "read", 0, read))).failure).to.equal(null);
      expect(read).to.deep.equal(small.contents);
      expect(small.domain.describe().pages).to.be.at.most(memoryPages);
      await nodes.unplug();
      await world.advance(10_000);
      await nodes.remove();
      await world.settle();
      expect(world.describe()).to.deep.equal(before);
      await small.close();
      await world.done(small.back.close());
    });
  }

  it("stands a back end that answers nothing for a while: aborts, resets, a controller that comes, one that goes", async () => {
    const small = await SmallDomain.make(20, 5);
    const { world, store, guest } = small;
    const before = world.describe();
    const nodes = await VscsiNodes.create(world, { guest: 1, luns: [["disk", "0:0:0:0"]] });
    await world.settle();
    store.holding = true;
    const work = Promise.all(Array.from({ length: WRITERS }, (_, index) => small.write(index, 2)));
    await world.settle();
    expect(store.held.length, "under way").to.be.above(0);
    const second = await VscsiNodes.create(world, { guest: 1, device: 1, luns: [["more", "0:0:0:0"]] });
    // Past the time of the commands under way: they are aborted, and are tried again.
    await world.advance(31_000);
    expect(store.cancelled.length, "aborted").to.be.above(0);
    store.holding = false;
    while (store.held.length > 0) {
      if (store.cancelled.includes(store.held[0])) store.drop();
      else store.release();
    }
    await world.done(work);
    await world.settle();
    expect([small.failures, await second.states()]).to.deep.equal([[], "4 4 44"]);
    const read = new Uint8Array(SIZE);
    expect((await world.done(small.transfer("sda", "read", 0, read))).failure).to.equal(null);
    expect(read).to.deep.equal(small.contents);
    store.holding = true;
    const lost = small.write(0, 1);
    await world.settle();
    for (const one of [nodes, second]) await one.unplug();
    await world.settle();
    store.holding = false;
    while (store.held.length > 0) store.drop();
    await world.done(lost);
    expect(guest.guest.hosts).to.deep.equal([]);
    await world.advance(10_000);
    for (const one of [nodes, second]) await one.remove();
    await world.settle();
    expect(world.describe()).to.deep.equal(before);
    await small.close();
    await world.done(small.back.close());
  });
});
