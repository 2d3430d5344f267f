// Judges both ends of a split virtqueue by hostile inputs, by number (H): memory that changes while it is looked at,
// areas that are none, more buffers than descriptors; and devices that write the ring by hand.

import {
  Chain,
  Feature,
  type GuestMemory,
  type RingAreas,
  ringFeatures,
  SplitDeviceQueue,
  type SplitDriverQueue,
  Used,
} from "@pvscsi/virtio";
import { ProtocolError } from "@pvscsi/wire";
import { expect } from "chai";
import { nothing, pieces, queueWorld, takeAll, usedOf } from "./queue-world.js";
import { INDIRECT, NEXT, RawDriver, RawRing, type Words, WRITE, writeWords } from "./raw-ring.js";

const Q = 8;

/** A driver that does something each time the device looks for a buffer in its memory. */
function meddlingDriver(meddle: (driver: RawDriver, looks: number) => void): RawDriver {
  let looks = 0;
  const seen = (memory: GuestMemory): GuestMemory => ({
    places(address, length, places) {
      meddle(driver, looks++);
      return memory.places(address, length, places);
    },
  });
  const driver = new RawDriver({ size: Q, seen });
  return driver;
}

const TRAP: Words = { address: 1n, length: 0xffff_ffff, flags: INDIRECT | NEXT | WRITE, next: 0xffff };

describe("a split virtqueue's device end and memory that the driver shares", () => {
  it("H13: goes by what a descriptor said when it was read, whatever it says a moment later", () => {
    const driver = meddlingDriver(({ ring }, looks) => ring.describe(looks, TRAP));
    driver.chain(0, driver.buffer(5), driver.buffer(6, WRITE), driver.buffer(7, WRITE));
    const [chain] = takeAll(driver.device);
    expect([chain.readable.length, chain.writable.length]).to.deep.equal([5, 13]);
  });

  it("H13: and so in an indirect table, whose place and length are read once too", () => {
    let table: Uint8Array = new Uint8Array(0);
    const driver = meddlingDriver(({ ring }, looks) => {
      ring.describe(0, TRAP);
      if (looks > 0) writeWords(table, looks - 1, TRAP);
    });
    const pointer = driver.table(driver.buffer(5), driver.buffer(6, WRITE), driver.buffer(7, WRITE));
    table = new Uint8Array(driver.memory.buffer, Number(pointer.address) - driver.memory.base, 48);
    driver.chain(0, pointer);
    const [chain] = takeAll(driver.device);
    expect([chain.readable.length, chain.writable.length]).to.deep.equal([5, 13]);
  });

  it("H13: finds no loop that is only made while it looks", () => {
    const driver = meddlingDriver(({ ring }) => {
      for (let i = 0; i < Q; i++) ring.describe(i, { ...ring.descriptor(0), flags: NEXT, next: (i + 1) % Q });
    });
    driver.chain(0, driver.buffer(1), driver.buffer(1));
    driver.refused(new Chain(), `more than ${Q} descriptors`);
  });

  it("H13: goes by the head that it read first", () => {
    const driver = meddlingDriver(({ ring }) => {
      ring.setAvail(0, 0xffff);
      ring.availIndex = 0x4000;
    });
    driver.chain(2, driver.buffer(5, WRITE));
    const chain = new Chain();
    expect([driver.device.take(chain), chain.head]).to.deep.equal([true, 2]);
    driver.device.push(chain, 5);
    driver.device.publish();
    expect([driver.ring.usedIndex, driver.ring.used(0)]).to.deep.equal([1, [2, 5]]);
    driver.refused(chain, "avail.idx 16384");
  });

  for (const [name, features] of [
    ["no feature", 0n],
    ["IN_ORDER", Feature.inOrder],
  ] as const) {
    it(`H14: keeps its own count when it was told to write over the ring, with ${name}`, () => {
      const driver = new RawDriver({ size: Q, features });
      const { ring, device } = driver;
      const areas = [ring.areas.descriptors, ring.areas.driver, ring.areas.device];
      const over = areas.map((area) => ({ address: driver.addressOf(area), length: area.length, flags: WRITE }));
      driver.chain(0, ...over);
      driver.chain(3, driver.buffer(4, WRITE));
      const [scribble, other] = takeAll(device);
      scribble.writable.fill(0xff);
      device.push(scribble, scribble.writable.length);
      device.publish();
      expect([ring.usedIndex, ring.used(0), device.outstanding]).to.deep.equal([1, [0, scribble.writable.length], 1]);
      driver.refused(new Chain(), "avail.idx 65535");
      device.push(other, 4);
      device.publish();
      expect([ring.usedIndex, ring.used(1), device.outstanding]).to.deep.equal([2, [3, 4], 0]);
    });
  }

  it("H16: has no more chains under way than the ring has descriptors, however many are offered", () => {
    const driver = new RawDriver({ size: Q });
    const byte = driver.buffer(1);
    for (let head = 0; head < Q; head++) driver.chain(head, byte);
    expect(takeAll(driver.device)).to.have.length(Q);
    for (let head = 0; head < Q; head++) {
      driver.ring.offer(head);
      driver.refused(new Chain(), `head ${head} is available twice`);
      driver.ring.availIndex -= 1;
    }
    expect(driver.device.outstanding).to.equal(Q);
  });
});

describe("a split virtqueue's areas", () => {
  const memory = new ArrayBuffer(4096);
  const at = (offset: number, length: number) => new Uint8Array(memory, offset, length);
  const good: RingAreas = { descriptors: at(0, 16 * Q), driver: at(512, 6 + 2 * Q), device: at(1024, 6 + 8 * Q) };
  const start = (areas: RingAreas, size = Q) =>
    new SplitDeviceQueue({ areas, size, base: 0, memory: { places: () => false }, features: ringFeatures(0n) });

  it("H15: are as they should be", () => {
    expect(start(good).waiting).to.equal(false);
  });

  const wrong: readonly [what: string, areas: Partial<RingAreas>, reason: string][] = [
    ["a table off 16 bytes", { descriptors: at(8, 16 * Q) }, "descriptors area is not aligned to 16"],
    ["an available ring off 2 bytes", { driver: at(513, 6 + 2 * Q) }, "driver area is not aligned to 2"],
    ["a used ring off 4 bytes", { device: at(1026, 6 + 8 * Q) }, "device area is not aligned to 4"],
    ["a short table", { descriptors: at(0, 16 * Q - 1) }, "a descriptors area of 127 bytes"],
    ["an available ring without its event", { driver: at(512, 4 + 2 * Q) }, "a driver area of 20 bytes"],
    ["a used ring without its event", { device: at(1024, 4 + 8 * Q) }, "a device area of 68 bytes"],
    ["rings in the table", { driver: at(126, 6 + 2 * Q) }, "descriptors area overlaps the driver area"],
    ["a table in the used ring", { descriptors: at(1088, 16 * Q) }, "descriptors area overlaps the device area"],
    ["one ring in the other", { driver: at(1092, 6 + 2 * Q) }, "driver area overlaps the device area"],
  ];
  for (const [what, areas, reason] of wrong) {
    it(`H15: are refused with ${what}`, () => {
      expect(() => start({ ...good, ...areas })).to.throw(ProtocolError, reason);
    });
  }

  for (const size of [0, -8, 3, 24, 65_536, 2 ** 32 + 8, Number.NaN]) {
    it(`H15: are none of a ring of ${size}`, () => {
      expect(() => start(good, size)).to.throw(ProtocolError, `a split ring of ${size} descriptors`);
    });
  }
});

describe("a split virtqueue's driver end and hostile devices", () => {
  /** Two chains that were published, of heads 0 and 2, and one that was not, of head 3. */
  function world(features = 0n) {
    const { memory, driver } = queueWorld(Q, features);
    driver.add(pieces(memory, 1, 1), pieces(memory, 1, 10), "a");
    driver.add(nothing, pieces(memory, 1, 10), "b");
    driver.publish();
    return { memory, driver, ring: new RawRing(driver.areas, Q) };
  }

  const refused = (driver: SplitDriverQueue, reason: string): void => {
    const before = [driver.free, driver.outstanding];
    for (let i = 0; i < 2; i++) expect(() => driver.take(new Used())).to.throw(ProtocolError, reason);
    expect([driver.free, driver.outstanding]).to.deep.equal(before);
  };

  for (const index of [3, Q, Q + 1, 0x8000, 0xffff]) {
    it(`H1: refuse a used.idx of ${index} where 2 chains are outstanding`, () => {
      const { driver, ring } = world();
      ring.usedIndex = index;
      refused(driver, `used.idx ${index} at 0: 2 are outstanding`);
    });
  }

  for (const [name, features] of [
    ["no feature", 0n],
    ["IN_ORDER", Feature.inOrder],
  ] as const) {
    for (const [what, id] of [
      ["the ring has not", Q],
      ["is no 16 bit number", 0x1_0000],
      ["is the largest", 0xffff_ffff],
      ["has no chain", 5],
      ["is in the middle of a chain", 1],
    ] as const) {
      it(`H20: refuse a used id that ${what}, with ${name}`, () => {
        const { driver, ring } = world(features);
        ring.use([id, 0]);
        refused(driver, `used id ${id} is not outstanding`);
      });
    }

    it(`H4: refuse a chain that is used twice, with ${name}`, () => {
      const { driver, ring } = world(features);
      ring.use([0, 0], [0, 0]);
      expect(driver.take(new Used())).to.equal(true);
      refused(driver, "used id 0 is not outstanding");
    });
  }

  it("H13: keep to what they added, whatever became of the descriptors and of the available ring", () => {
    const { driver, ring } = world();
    for (let i = 0; i < Q; i++) ring.describe(i, TRAP);
    for (let i = 0; i < Q; i++) ring.setAvail(i, 0xffff);
    ring.use([2, 10], [0, 10]);
    expect(usedOf(driver)).to.deep.equal([
      ["b", 10],
      ["a", 10],
    ]);
    expect([driver.free, driver.outstanding]).to.deep.equal([Q, 0]);
  });

  it("H1: go on in a batch when used.idx came back to what it was, and refuse it further back, with IN_ORDER", () => {
    const { driver, ring } = world(Feature.inOrder);
    ring.setUsed(0, 2, 10);
    ring.usedIndex = 2;
    expect(driver.take(new Used())).to.equal(true);
    ring.usedIndex = 1;
    expect(driver.take(new Used())).to.equal(false);
    ring.usedIndex = 0;
    refused(driver, "used.idx 0 at 1");
    ring.usedIndex = 2;
    expect(usedOf(driver)).to.deep.equal([["b", 10]]);
  });
});
