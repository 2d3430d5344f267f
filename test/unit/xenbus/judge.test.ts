// Tests memory across connections against one shared memory: random histories of four domains from printed seeds.
// `node test/dist/unit/xenbus/judge-main.js --seed N` runs any other.

import { expect } from "chai";
import { runJudge } from "./judge.js";

const SEEDS = [1, 2, 3, 4];
const STEPS = 50_000;

describe("xenbus: the judge", function () {
  this.timeout(60_000);
  for (const seed of SEEDS) {
    it(`(h) seed ${seed}: in ${STEPS} steps nobody sees what one shared memory would not show`, async () => {
      const { publications, quiets, done, late } = await runJudge(seed, STEPS);
      expect(publications).to.be.above(STEPS / 20);
      expect(quiets).to.be.above(50);
      expect(late).to.be.above(0);
      for (const name of ["map", "map ended", "borrow", "grant again", "revoke in use", "kill", "close"]) {
        expect(done[name], name).to.be.above(0);
      }
    });
  }

  it("a seed is one history", async () => {
    expect(await runJudge(5, 3000)).to.deep.equal(await runJudge(5, 3000));
    expect(await runJudge(5, 3000)).not.to.deep.equal(await runJudge(6, 3000));
  });
});
