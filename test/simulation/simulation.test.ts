// Whole histories from seeds: what a guest reads is what was written, nothing hangs, nothing is left over, and the same
// seed is the same history to the last byte. `npm run simulate -- --seed N` runs any other.

import { expect } from "chai";
import { DiskModel } from "./disk-model.js";
import { type HistoryResult, runHistory } from "./history.js";

const FIRST = 1;
const COUNT = 200;

describe("simulated histories", function () {
  this.timeout(120_000);

  it(`seeds ${FIRST} to ${FIRST + COUNT - 1} hold, with and without faults`, async () => {
    const results: HistoryResult[] = [];
    for (let seed = FIRST; seed < FIRST + COUNT; seed++) results.push(await runHistory(seed));
    const sum = (name: "operations" | "failures" | "faults" | "plugs") =>
      results.reduce((total, result) => total + result[name], 0);
    expect(sum("operations")).to.be.above(COUNT * 50);
    expect(sum("faults")).to.be.above(COUNT);
    expect(sum("failures")).to.be.above(0);
    expect(sum("plugs")).to.be.above(COUNT);
    for (const { seed, faults, failures } of results) if (faults === 0) expect(failures, `seed ${seed}`).to.equal(0);
  });

  it("a seed replays byte-equal, and another seed is another history", async () => {
    const lines: string[][] = [[], [], []];
    await runHistory(7, (line) => lines[0].push(line));
    await runHistory(7, (line) => lines[1].push(line));
    await runHistory(8, (line) => lines[2].push(line));
    expect(lines[0].length).to.be.above(1000);
    expect(lines[1].join("\n")).to.equal(lines[0].join("\n"));
    expect(lines[2].join("\n")).not.to.equal(lines[0].join("\n"));
  });
});

describe("the model of a disk", () => {
  it("finds a sector that changed, and lets a doubtful one pass", () => {
    const model = new DiskModel(4096);
    const bytes = new Uint8Array(1024).fill(1);
    model.written(2, bytes);
    expect(model.differs(2, bytes)).to.equal(-1);
    const changed = bytes.slice();
    changed[700] = 2;
    expect(model.differs(2, changed)).to.equal(3);
    model.doubt(3, 1);
    expect(model.differs(2, changed)).to.equal(-1);
  });
});
