// Records kept for reuse.

import { Pool } from "@pvscsi/wire";
import { expect } from "chai";

class Record {
  pooled = true;
}

describe("Pool", () => {
  it("makes a record only when none is free, and counts those that are out", () => {
    let made = 0;
    const pool = new Pool(() => {
      made += 1;
      return new Record();
    });
    const first = pool.take();
    const second = pool.take();
    expect(second).to.not.equal(first);
    expect([made, pool.taken, first.pooled]).to.deep.equal([2, 2, false]);
    pool.giveBack(first);
    expect([pool.taken, first.pooled]).to.deep.equal([1, true]);
    expect(pool.take()).to.equal(first);
    expect([made, pool.taken, first.pooled]).to.deep.equal([2, 2, false]);
  });

  it("refuses a record that was given back already, or never taken", () => {
    const pool = new Pool(() => new Record());
    const record = pool.take();
    pool.giveBack(record);
    expect(() => pool.giveBack(record)).to.throw("given back twice");
    expect(() => pool.giveBack(new Record())).to.throw("given back twice");
    expect(pool.taken).to.equal(0);
  });
});
