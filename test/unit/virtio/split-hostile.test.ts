// Judges the device's end of a split virtqueue by hostile inputs, by number (H): a driver that writes the ring by hand.
// Those that need a SCSI device behind the ring are in scsi-hostile.test.ts.

import { type Arena, Chain, Feature, type GuestMemory, PAGE_SIZE } from "@pvscsi/virtio";
import { expect } from "chai";
import { INDIRECT, NEXT, RawDriver, WRITE } from "./raw-ring.js";

const Q = 8;

/** A driver with a chain of one readable byte behind each descriptor. */
function driverWithBytes(features = 0n): RawDriver {
  const driver = new RawDriver({ size: Q, features });
  const byte = driver.buffer(1);
  for (let index = 0; index < Q; index++) driver.ring.describe(index, byte);
  return driver;
}

describe("a split virtqueue's device end and hostile drivers", () => {
  for (const [what, from, to] of [
    ["one more than there are descriptors", 0, Q + 1],
    ["half of all numbers", 0, 0x8000],
    ["backwards", 5, 4],
    ["backwards over 0", 0, 0xffff],
  ] as const) {
    it(`H1: refuses an avail.idx that jumps ${what}`, () => {
      const driver = new RawDriver({ size: Q, base: from });
      driver.ring.availIndex = to;
      for (let i = 0; i < 3; i++) driver.refused(new Chain(), `avail.idx ${to}`);
    });
  }

  it("H1: takes a whole ring, past the end of the index too", () => {
    const driver = driverWithBytes();
    const late = new RawDriver({ size: Q, base: 0xfffd });
    for (const { ring, device } of [driver, late]) {
      ring.offer(0, 1, 2, 3, 4, 5, 6, 7);
      const heads: number[] = [];
      for (const chain = new Chain(); device.take(chain); ) heads.push(chain.head);
      expect(heads).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
    }
  });

  for (const head of [Q, Q + 1, 0x7fff, 0xffff]) {
    it(`H2: refuses head ${head} in a ring of ${Q}`, () => {
      const driver = driverWithBytes();
      driver.ring.offer(head);
      driver.refused(new Chain(), `head ${head} in a ring of ${Q}`);
    });
  }

  for (const next of [Q, 0xffff]) {
    it(`H3: refuses a next of ${next} in a ring of ${Q}`, () => {
      const driver = new RawDriver({ size: Q });
      driver.chain(0, { ...driver.buffer(1), flags: NEXT, next });
      driver.refused(new Chain(), `descriptor ${next} of ${Q}`);
    });
  }

  it("H3: refuses a next behind an indirect table's end, though the ring has such a descriptor", () => {
    const driver = driverWithBytes();
    driver.chain(0, driver.table({ ...driver.buffer(1), flags: NEXT, next: 1 }));
    driver.refused(new Chain(), "descriptor 1 of 1");
  });

  for (const [what, links] of [
    ["itself", [[0, 0]]],
    [
      "its head",
      [
        [0, 1],
        [1, 2],
        [2, 0],
      ],
    ],
    [
      "a later one",
      [
        [0, 1],
        [1, 2],
        [2, 1],
      ],
    ],
  ] as const) {
    it(`H3: refuses a chain that comes back to ${what}, in the ring and in a table`, () => {
      for (const flags of [0, WRITE]) {
        const driver = new RawDriver({ size: Q });
        const piece = driver.buffer(1, flags | NEXT);
        for (const [from, next] of links) driver.ring.describe(from, { ...piece, next });
        driver.ring.offer(0);
        driver.refused(new Chain(), `more than ${Q} descriptors`);
        const other = new RawDriver({ size: Q });
        const entry = other.buffer(1, flags | NEXT);
        other.chain(0, other.table(...links.map(([, next]) => ({ ...entry, next }))));
        other.refused(new Chain(), `more than ${Q} descriptors`);
      }
    });
  }

  it("H3: takes a chain of as many descriptors as the ring has, backwards", () => {
    const driver = new RawDriver({ size: Q });
    const byte = driver.buffer(1);
    for (let index = Q - 1; index > 0; index--) driver.ring.describe(index, { ...byte, flags: NEXT, next: index - 1 });
    driver.ring.describe(0, byte);
    driver.ring.offer(Q - 1);
    const chain = new Chain();
    expect(driver.device.take(chain)).to.equal(true);
    expect(chain.readable.length).to.equal(Q);
  });

  for (const [name, features] of [
    ["no feature", 0n],
    ["IN_ORDER", Feature.inOrder],
  ] as const) {
    it(`H4: refuses a head that is available twice while it is under way, with ${name}`, () => {
      const driver = driverWithBytes(features);
      const chain = new Chain();
      driver.ring.offer(3, 3);
      expect(driver.device.take(chain)).to.equal(true);
      driver.refused(new Chain(), "head 3 is available twice");
      driver.device.push(chain, 0);
      expect(driver.device.publish()).to.equal(true);
      expect(driver.ring.used(0)).to.deep.equal([3, 0]);
      expect(driver.device.take(new Chain())).to.equal(true);
    });
  }

  it("H4: refuses a head that came back but was not shown, as older ones are under way, with IN_ORDER", () => {
    const driver = driverWithBytes(Feature.inOrder);
    const [first, second] = [new Chain(), new Chain()];
    driver.ring.offer(0, 1, 1);
    driver.device.take(first);
    driver.device.take(second);
    driver.device.push(second, 0);
    driver.refused(new Chain(), "head 1 is available twice");
    driver.device.push(first, 0);
    expect(driver.device.take(second)).to.equal(true);
    expect(driver.device.outstanding).to.equal(1);
  });

  for (const [what, length, reason] of [
    ["of no bytes", 0, "table of 0 bytes"],
    ["of less than one descriptor", 15, "table of 15 bytes"],
    ["of one descriptor and a half", 24, "table of 24 bytes"],
    ["of more descriptors than the ring has", 16 * (Q + 1), `table of ${Q + 1} descriptors`],
    ["of 4 GiB", 0xffff_fff0, "table of 268435455 descriptors"],
  ] as const) {
    it(`H5: refuses an indirect table ${what}`, () => {
      const driver = driverWithBytes();
      const { address } = driver.buffer(PAGE_SIZE);
      driver.chain(0, { address, length, flags: INDIRECT });
      driver.refused(new Chain(), reason);
    });
  }

  it("H5: refuses a table in a table, whatever else it says", () => {
    for (const flags of [INDIRECT, INDIRECT | WRITE]) {
      const driver = new RawDriver({ size: Q });
      const inner = driver.table(driver.buffer(1));
      driver.chain(0, driver.table({ ...inner, flags }));
      driver.refused(new Chain(), "an indirect descriptor in an indirect table");
    }
  });

  it("H5: refuses a table outside the driver's memory", () => {
    const driver = new RawDriver({ size: Q });
    driver.chain(0, { address: 1n << 40n, length: 16, flags: INDIRECT });
    driver.refused(new Chain(), "an indirect table outside");
  });

  it("H6: follows an indirect table that was not negotiated, as some drivers use it all the same", () => {
    const driver = new RawDriver({ size: Q, features: 0n });
    driver.chain(0, driver.table(driver.buffer(3), driver.buffer(4, WRITE)));
    const chain = new Chain();
    expect(driver.device.take(chain)).to.equal(true);
    expect([chain.readable.length, chain.writable.length]).to.deep.equal([3, 4]);
  });

  const END = BigInt(0x10_0000 + 64 * PAGE_SIZE);
  for (const [what, address, length] of [
    ["before the memory", 0n, 1],
    ["one byte past its end", END, 1],
    ["across its end", END - 8n, 9],
    ["with a length that reaches around 4 GiB", END - 8n, 0xffff_ffff],
    ["that reaches around 2^64", 0xffff_ffff_ffff_fff0n, 32],
    ["at the last byte of all", 0xffff_ffff_ffff_ffffn, 1],
    ["whose lower half would be inside", 0x1_0010_0000n, 1],
    ["whose upper half is no safe number", (1n << 53n) + 0x10_0000n, 1],
  ] as const) {
    it(`H7: refuses an address ${what}`, () => {
      for (const flags of [0, WRITE]) {
        const driver = new RawDriver({ size: Q });
        driver.chain(0, { address, length, flags });
        driver.refused(new Chain(), "a descriptor outside");
      }
    });
  }

  it("H7: asks for no address that a number does not hold exactly", () => {
    const asked: number[] = [];
    const seen = (): GuestMemory => ({ places: (address) => asked.push(address) > 0 });
    const driver = new RawDriver({ size: Q, seen });
    for (const [head, address] of [2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n].entries()) {
      driver.chain(head, { address, length: 1 });
      driver.device.take(new Chain());
    }
    expect(asked).to.deep.equal([2 ** 53 - 1, ...new Array(3).fill(Number.POSITIVE_INFINITY)]);
  });

  it("H7: finds a buffer piece by piece where it lies in several regions, and no byte behind the last one", () => {
    // Two regions that follow each other in addresses, and lie anywhere.
    const regions = [new Uint8Array(100).fill(1), new Uint8Array(50).fill(2)];
    const seen = (): GuestMemory => ({
      places(address, length, places) {
        for (const [i, base] of [1000, 1100].entries()) {
          const from = Math.max(address, base);
          const to = Math.min(address + length, base + regions[i].length);
          if (from < to) places.add(regions[i], from - base, to - from);
        }
        return address >= 1000 && address + length <= 1150;
      },
    });
    const driver = new RawDriver({ size: Q, seen });
    driver.chain(0, { address: 1090n, length: 60 });
    driver.chain(1, { address: 1090n, length: 61 });
    const chain = new Chain();
    expect(driver.device.take(chain)).to.equal(true);
    expect([chain.readable.count, chain.readable.size(0), chain.readable.size(1)]).to.deep.equal([2, 10, 50]);
    driver.refused(chain, "a descriptor outside");
  });

  it("H7: follows a table that lies in several pieces, as one", () => {
    // Each five bytes lie somewhere else.
    const seen = (memory: Arena): GuestMemory => ({
      places(address, length, places) {
        const whole = new Uint8Array(memory.buffer, address - memory.base, length);
        for (let at = 0; at < length; at += 5) {
          const piece = whole.slice(at, at + 5);
          places.add(piece, 0, piece.length);
        }
        return true;
      },
    });
    const driver = new RawDriver({ size: Q, seen });
    const table = driver.table(driver.buffer(3), driver.buffer(6, WRITE), driver.buffer(4, WRITE));
    driver.chain(0, table);
    driver.chain(1, { ...table, length: 16 });
    const chain = new Chain();
    expect(driver.device.take(chain)).to.equal(true);
    expect([chain.readable.length, chain.writable.length]).to.deep.equal([3, 10]);
    driver.refused(chain, "descriptor 1 of 1");
  });

  it("H8: takes descriptors of no bytes anywhere, wherever they point, and goes on behind them", () => {
    const driver = new RawDriver({ size: Q });
    const nowhere = { address: 0xffff_ffff_ffff_ffffn, length: 0 };
    const written = { ...nowhere, flags: WRITE };
    driver.chain(0, nowhere, driver.buffer(5), written, nowhere, driver.buffer(6, WRITE), written);
    driver.chain(6, nowhere, written);
    const chain = new Chain();
    expect(driver.device.take(chain)).to.equal(true);
    expect([chain.readable.length, chain.writable.length]).to.deep.equal([5, 6]);
    expect([chain.readable.count, chain.writable.count]).to.deep.equal([1, 1]);
    expect(driver.device.take(chain)).to.equal(true);
    expect([chain.readable.length, chain.writable.length]).to.deep.equal([0, 0]);
  });

  it("H9: refuses a chain of more than 4 GiB, and takes one of exactly that", () => {
    const size = 8192;
    const driver = new RawDriver({ size, pages: 512 });
    const half = { address: BigInt(driver.memory.base), length: 0x10_0000 };
    const pieces = Array.from({ length: 4096 }, (_, i) => ({ ...half, flags: i < 2000 ? 0 : WRITE }));
    driver.chain(0, ...pieces);
    driver.chain(4096, ...pieces.slice(1), { address: half.address, length: 0x10_0000 - 1, flags: WRITE });
    driver.ring.describe(8191, { address: half.address, length: 0x10_0001, flags: WRITE });
    const chain = new Chain();
    expect(driver.device.take(chain)).to.equal(true);
    expect(chain.readable.length + chain.writable.length).to.equal(2 ** 32);
    driver.refused(chain, "a chain above 4 GiB");
  });

  it("H10: refuses what is to be read behind what is to be written, also over the edge of a table", () => {
    const direct = new RawDriver({ size: Q });
    direct.chain(0, direct.buffer(1), direct.buffer(1, WRITE), direct.buffer(1));
    direct.refused(new Chain(), "a readable descriptor behind a writable one");
    const mixed = new RawDriver({ size: Q });
    mixed.chain(0, mixed.buffer(1, WRITE), mixed.table(mixed.buffer(1)));
    mixed.refused(new Chain(), "a readable descriptor behind a writable one");
  });
});
