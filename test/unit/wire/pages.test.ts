// Pages that are kept for reuse: as many as the bytes need, each somebody's once, and the source is asked for new ones only.

import { heapPages, PagePool } from "@pvscsi/wire";
import { expect } from "chai";

const SIZE = 4096;

describe("a pool of pages", () => {
  it("takes as many as hold the bytes, and asks for what it never had", () => {
    const asked: number[] = [];
    const freed: number[] = [];
    const pool = new PagePool({
      pageSize: SIZE,
      allocate: (pages) => {
        asked.push(pages);
        return Array.from({ length: pages }, () => new Uint8Array(SIZE));
      },
      free: (pages) => void freed.push(pages.length),
    });
    expect([0, 1, SIZE, SIZE + 1].map((length) => pool.footprint(length))).to.deep.equal([0, SIZE, SIZE, 2 * SIZE]);
    const [one, other]: Uint8Array[][] = [[], []];
    pool.take(one, SIZE + 1);
    pool.take(other, 1);
    expect(new Set([...one, ...other]).size).to.equal(3);
    expect([pool.taken, asked]).to.deep.equal([3, [2, 1]]);
    pool.giveBack(one);
    expect([pool.taken, one.length]).to.deep.equal([1, 0]);
    pool.take(one, 3 * SIZE);
    expect([pool.taken, asked]).to.deep.equal([4, [2, 1, 1]]);
    pool.giveBack(one);
    pool.giveBack(other);
    pool.close();
    expect([pool.taken, freed]).to.deep.equal([0, [4]]);
  });

  it("has pages of 64 KiB from the heap", () => {
    expect(heapPages.allocate(2).map(({ length }) => length)).to.deep.equal([heapPages.pageSize, heapPages.pageSize]);
  });
});
