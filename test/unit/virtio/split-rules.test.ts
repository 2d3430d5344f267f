// Judges both ends of a split virtqueue by the specification's numbered rules (S), word by word in the ring: what a
// chain looks like, indices and lengths. Notifications and order are in split-notify.test.ts.

import { Arena, Chain, Feature, PAGE_SIZE, SplitDeviceQueue, SplitDriverQueue, Used } from "@pvscsi/virtio";
import { expect } from "chai";
import { nothing, pieces, queueWorld, takeAll, usedOf } from "./queue-world.js";
import { INDIRECT, NEXT, RawDriver, RawRing, readWords, type Words, WRITE } from "./raw-ring.js";

const Q = 8;

/** The descriptors of the chain at `head`, as a device that keeps to the specification reads them. */
function descriptorsOf(ring: RawRing, head: number): Words[] {
  const chain: Words[] = [];
  for (let index = head; ; ) {
    const words = ring.descriptor(index);
    chain.push(words);
    if ((words.flags & NEXT) === 0) return chain;
    index = words.next;
  }
}

/** Both ends of a ring of 8, with the ring's words. */
function world(features = 0n) {
  const { memory, driver, device } = queueWorld(Q, features);
  return { memory, driver, device, ring: new RawRing(driver.areas, Q) };
}

describe("a split virtqueue by the rules: chains", () => {
  it("S1: the driver puts what is to be read before what is to be written, in the ring", () => {
    const { memory, driver, ring } = world();
    const [readable, writable] = [pieces(memory, 2, 5), pieces(memory, 3, 6)];
    driver.add(readable, writable, null);
    const chain = descriptorsOf(ring, ring.avail(0));
    expect(chain.map(({ length, flags }) => [length, flags])).to.deep.equal([
      [5, NEXT],
      [5, NEXT],
      [6, NEXT | WRITE],
      [6, NEXT | WRITE],
      [6, WRITE],
    ]);
    const addresses = [0, 1].map((i) => BigInt(memory.addressOf(readable.page(i))));
    expect(chain.slice(0, 2).map(({ address }) => address)).to.deep.equal(addresses);
  });

  it("S1: the driver names what lies above 4 GiB, in the ring and in tables", () => {
    const memory = new Arena(new ArrayBuffer(16 * PAGE_SIZE), 5 * 2 ** 32);
    const features = { indirect: true, eventIndex: false, inOrder: false };
    const driver = new SplitDriverQueue({ size: Q, memory, features, longest: 2 });
    const device = new SplitDeviceQueue({ size: Q, areas: driver.areas, base: 0, memory, features });
    const page = pieces(memory, 1, 5);
    driver.add(page, page, null);
    driver.add(page, nothing, null);
    driver.publish();
    expect(takeAll(device).map(({ readable }) => [readable.page(0), readable.offset(0)])).to.deep.equal(
      new Array(2).fill([new Uint8Array(memory.buffer), page.page(0).byteOffset]),
    );
    const { address } = new RawRing(driver.areas, Q).descriptor(1);
    expect(address).to.equal(BigInt(memory.addressOf(page.page(0))));
  });

  it("S1: and in a table of its own, as one descriptor of the ring", () => {
    const { memory, driver, ring } = world(Feature.indirectDescriptors);
    driver.add(pieces(memory, 1, 5), pieces(memory, 2, 6), null);
    const [pointer, ...more] = descriptorsOf(ring, ring.avail(0));
    expect([pointer.length, pointer.flags, more.length, driver.free]).to.deep.equal([48, INDIRECT, 0, Q - 1]);
    const at = Number(pointer.address) - memory.base;
    const table = new Uint8Array(memory.buffer, at, 48);
    expect(
      [0, 1, 2].map((i) => readWords(table, i)).map(({ length, flags, next }) => [length, flags, next]),
    ).to.deep.equal([
      [5, NEXT, 1],
      [6, NEXT | WRITE, 2],
      [6, WRITE, 0],
    ]);
  });

  for (const [name, features] of [
    ["in the ring", 0n],
    ["in tables", Feature.indirectDescriptors],
  ] as const) {
    it(`S2: the driver makes no chain longer than the ring, ${name}; the device takes the longest one`, () => {
      const { memory, driver, device } = queueWorld(4, features);
      expect(driver.add(pieces(memory, 2, 1), pieces(memory, 3, 1), null)).to.equal(false);
      expect([driver.free, driver.outstanding]).to.deep.equal([4, 0]);
      expect(driver.add(pieces(memory, 2, 1), pieces(memory, 2, 1), null)).to.equal(true);
      driver.publish();
      const [chain] = takeAll(device);
      expect([chain.readable.count, chain.writable.count]).to.deep.equal([2, 2]);
    });
  }

  it("S3: the driver sets INDIRECT only when it was negotiated, alone, and never in a table", () => {
    for (const [features, expected] of [
      [0n, [NEXT, NEXT | WRITE, WRITE]],
      [Feature.indirectDescriptors, [INDIRECT]],
    ] as const) {
      const { memory, driver, ring } = world(features);
      driver.add(pieces(memory, 1, 1), pieces(memory, 2, 1), null);
      expect(descriptorsOf(ring, ring.avail(0)).map(({ flags }) => flags)).to.deep.equal(expected);
    }
  });

  it("S3: the driver writes a chain of one piece, or one longer than its tables, into the ring all the same", () => {
    const { memory, driver, ring } = world(Feature.indirectDescriptors);
    driver.add(nothing, pieces(memory, 1, 7), null);
    expect(ring.descriptor(ring.avail(0))).to.deep.include({ length: 7, flags: WRITE });
    const features = { indirect: true, eventIndex: false, inOrder: false };
    const short = new SplitDriverQueue({ size: Q, memory, features, longest: 2 });
    short.add(pieces(memory, 1, 1), pieces(memory, 2, 1), null);
    expect(short.free).to.equal(Q - 3);
  });

  it("S3: the device refuses INDIRECT together with NEXT", () => {
    const driver = new RawDriver({ size: Q });
    const table = driver.table(driver.buffer(1));
    driver.chain(0, { ...table, flags: INDIRECT | NEXT }, driver.buffer(1));
    driver.refused(new Chain(), "an indirect descriptor with a next one");
  });

  it("S4: the device ignores WRITE at the descriptor that points at a table", () => {
    for (const flags of [INDIRECT, INDIRECT | WRITE]) {
      const driver = new RawDriver({ size: Q });
      driver.chain(0, { ...driver.table(driver.buffer(3), driver.buffer(4, WRITE)), flags });
      const [chain] = takeAll(driver.device);
      expect([chain.readable.length, chain.writable.length]).to.deep.equal([3, 4]);
    }
  });

  it("S5: the device takes descriptors of the ring and then one that points at a table", () => {
    for (const direct of [1, 2, 5]) {
      const driver = new RawDriver({ size: Q });
      const ones = Array.from({ length: direct }, () => driver.buffer(10));
      driver.chain(0, ...ones, driver.table(driver.buffer(3), driver.buffer(4, WRITE)));
      const [chain] = takeAll(driver.device);
      expect([chain.readable.length, chain.writable.length]).to.deep.equal([10 * direct + 3, 4]);
    }
  });

  it("S2 S5: counts both parts of such a chain together", () => {
    const driver = new RawDriver({ size: Q });
    const byte = driver.buffer(1);
    driver.chain(0, byte, byte, byte, driver.table(...new Array(Q).fill(byte)));
    driver.refused(new Chain(), `more than ${Q} descriptors`);
  });

  it("D24: the device writes no descriptor and nothing that is to be read", () => {
    const { memory, driver, device, ring } = world(Feature.indirectDescriptors);
    const readable = pieces(memory, 1, 9, 7);
    driver.add(readable, pieces(memory, 2, 9), null);
    driver.publish();
    const before = ring.areas.descriptors.slice();
    const [chain] = takeAll(device);
    chain.writable.write(new Uint8Array(18).fill(1));
    device.push(chain, 18);
    device.publish();
    expect(ring.areas.descriptors).to.deep.equal(before);
    expect(readable.view(0)).to.deep.equal(new Uint8Array(9).fill(7));
  });
});

describe("a split virtqueue by the rules: indices and lengths", () => {
  it("S6: avail.idx only ever grows, by what was added, and wraps at 65536", () => {
    const { memory, driver, device, ring } = world();
    const byte = pieces(memory, 1, 1);
    let expected = 0;
    for (let round = 0; round < 40_000; round++) {
      const count = 1 + (round % 3);
      for (let i = 0; i < count; i++) driver.add(byte, nothing, null);
      expect(ring.availIndex).to.equal(expected);
      driver.publish();
      expected = (expected + count) & 0xffff;
      expect(ring.availIndex).to.equal(expected);
      for (const chain of takeAll(device)) device.push(chain, 0);
      device.publish();
      usedOf(driver);
      expect(ring.availIndex).to.equal(expected);
    }
  });

  it("S7: an entry has its id and length before used.idx says so, and only then is the driver told", () => {
    const { memory, driver, device, ring } = world();
    driver.add(nothing, pieces(memory, 2, 100), "a");
    driver.publish();
    const [chain] = takeAll(device);
    device.push(chain, 150);
    expect([ring.used(0), ring.usedIndex, usedOf(driver)]).to.deep.equal([[chain.head, 150], 0, []]);
    device.publish();
    expect([ring.used(0), ring.usedIndex, usedOf(driver)]).to.deep.equal([[chain.head, 150], 1, [["a", 150]]]);
  });

  it("S7: a length below what was written is legal, one above what could be is not", () => {
    for (const [length, legal] of [
      [0, true],
      [10, true],
      [11, false],
      [0xffff_ffff, false],
    ] as const) {
      const { memory, driver, ring } = world();
      driver.add(pieces(memory, 1, 5), nothing, "readable only");
      driver.add(nothing, pieces(memory, 1, 10), "b");
      driver.publish();
      ring.use([ring.avail(1), length]);
      if (legal) expect(usedOf(driver)).to.deep.equal([["b", length]]);
      else expect(() => driver.take(new Used())).to.throw(`${length} bytes written of 10`);
    }
  });

  it("S7: what the device may only read has no bytes written", () => {
    const { memory, driver, ring } = world();
    driver.add(pieces(memory, 1, 5), nothing, null);
    driver.publish();
    ring.use([ring.avail(0), 1]);
    expect(() => driver.take(new Used())).to.throw("1 bytes written of 0");
  });

  for (const base of [1, 0xfffe]) {
    it(`the device goes on at index ${base} of a ring that another device served before`, () => {
      const driver = new RawDriver({ size: Q, base });
      driver.chain(3, driver.buffer(1, WRITE));
      const [chain] = takeAll(driver.device);
      driver.device.push(chain, 1);
      driver.device.publish();
      expect([driver.ring.used(base), driver.ring.usedIndex]).to.deep.equal([[3, 1], (base + 1) & 0xffff]);
      expect(driver.device.next).to.equal((base + 1) & 0xffff);
    });
  }

  it("S6: the device begins at an index of 16 bits, whatever number it was told to begin at", () => {
    const driver = new RawDriver({ size: Q, base: 0x1_0005 });
    expect([driver.device.next, driver.device.waiting]).to.deep.equal([5, false]);
  });

  it("S7: no chain is given back twice, which is a fault of ours", () => {
    for (const features of [0n, Feature.inOrder]) {
      const driver = new RawDriver({ size: Q, features });
      driver.chain(3, driver.buffer(1, WRITE));
      const [chain] = takeAll(driver.device);
      driver.device.push(chain, 1);
      expect(() => driver.device.push(chain, 1)).to.throw("chain 3 was given back twice");
      driver.device.publish();
      expect([driver.ring.usedIndex, driver.device.outstanding]).to.deep.equal([1, 0]);
    }
  });
});
