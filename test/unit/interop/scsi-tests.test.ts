// Two runs of libiscsi's suite beside each other.

import { expect } from "chai";
import type { Verdict } from "../../interop/qemu/cunit.js";
import { behind, beside, type Report } from "../../interop/xen/scsi-tests.js";

function reportOf(verdicts: Readonly<Record<string, Verdict>>): Report {
  const results = Object.entries(verdicts).map(([name, verdict]) => ({ name, verdict, reason: "" }));
  return { results, ended: true, figures: "" };
}

describe("two runs of libiscsi's suite", () => {
  it("stand beside each other, a line for each suite of tests, with the names of what failed", () => {
    const first = reportOf({ "Read10.Simple": "passed", "Read10.Flags": "failed", "Read12.Simple": "skipped" });
    const second = reportOf({ "Read10.Simple": "passed", "Read10.Flags": "passed", "OrWrite.Simple": "incomplete" });
    expect(beside(["ours", "theirs"], [first, second])).to.deep.equal([
      { suite: "Read10", figures: "ours 1 passed, 1 failed (Flags); theirs 2 passed" },
      { suite: "Read12", figures: "ours 1 skipped; theirs none run" },
      { suite: "OrWrite", figures: "ours none run; theirs 1 incomplete" },
    ]);
  });

  it("tell what passed at the second alone, however it ended at the first, and not what the first never ran", () => {
    const first = reportOf({ "A.Failed": "failed", "A.Skipped": "skipped", "A.Cut": "incomplete", "A.Same": "passed" });
    const second = reportOf({
      "A.Failed": "passed",
      "A.Skipped": "passed",
      "A.Cut": "passed",
      "A.Same": "passed",
      "A.More": "passed",
    });
    expect(behind([first, second]).map(({ name }) => name)).to.deep.equal(["A.Failed", "A.Skipped", "A.Cut"]);
    expect(behind([second, first])).to.deep.equal([]);
  });
});
