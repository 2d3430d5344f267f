// The seeded generator: its stream never changes, for recorded seeds must replay in later versions.

import { type Random, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import fc from "fast-check";

const draw = (random: Random, count: number) => Array.from({ length: count }, () => random.u32());

/** sfc32 as its author published it, over 64-bit arithmetic cut to 32 bits, for comparison. */
function referenceStream(seed: number, third: bigint, count: number): number[] {
  const cut = (value: bigint) => BigInt.asUintN(32, value);
  let [a, b, c, counter] = [0x9e3779b9n, cut(BigInt(seed)), third, 1n];
  const stream: number[] = [];
  for (let i = 0; i < 15 + count; i++) {
    const output = cut(a + b + counter++);
    a = b ^ (b >> 9n);
    b = cut(c + (c << 3n));
    c = cut(((c << 21n) | (c >> 11n)) + output);
    stream.push(Number(output));
  }
  return stream.slice(15);
}

describe("seededRandom", () => {
  it("gives the streams it always gave", () => {
    expect(draw(seededRandom(1), 4)).to.deep.equal([4157345520, 836708660, 1742805643, 4097174880]);
    expect(draw(seededRandom(1).fork("disk"), 4)).to.deep.equal([3283638642, 2509140875, 4003497645, 3533877624]);
  });

  it("is sfc32", () => {
    const emptyName = 0x811c9dc5n;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (seed) => {
        expect(draw(seededRandom(seed), 20)).to.deep.equal(referenceStream(seed, emptyName, 20));
      }),
      { numRuns: 20 },
    );
  });

  it("forks by name alone: neither earlier draws nor other forks move a stream", () => {
    const one = seededRandom(7);
    draw(one, 10);
    one.fork("other");
    const early = draw(one.fork("disk"), 8);
    const two = seededRandom(7);
    expect(draw(two.fork("disk"), 8)).to.deep.equal(early);
    const fresh = seededRandom(7);
    draw(fresh.fork("disk"), 100);
    expect(draw(fresh, 5)).to.deep.equal(draw(seededRandom(7), 5));
  });

  it("gives another stream for another name, seed or depth", () => {
    const streams = [
      seededRandom(7),
      seededRandom(8),
      seededRandom(7).fork("a"),
      seededRandom(7).fork("b"),
      seededRandom(7).fork("a").fork("b"),
      seededRandom(8).fork("a"),
    ].map((random) => draw(random, 4).join());
    expect(new Set(streams)).to.have.length(streams.length);
  });

  it("draws below any limit, and each value of a small one", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 2 ** 32 }), (seed, limit) => {
        const random = seededRandom(seed);
        for (let i = 0; i < 20; i++) {
          const value = random.below(limit);
          expect(Number.isInteger(value) && value >= 0 && value < limit, `${value} below ${limit}`).to.equal(true);
        }
      }),
    );
    const random = seededRandom(3);
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < 10_000; i++) counts[random.below(5)] += 1;
    for (const count of counts) expect(count).to.be.within(1800, 2200);
  });

  it("takes a chance as often as it is told", () => {
    const random = seededRandom(4);
    let taken = 0;
    for (let i = 0; i < 10_000; i++) {
      expect(random.chance(0)).to.equal(false);
      expect(random.chance(1)).to.equal(true);
      if (random.chance(0.25)) taken += 1;
    }
    expect(taken).to.be.within(2300, 2700);
  });
});
