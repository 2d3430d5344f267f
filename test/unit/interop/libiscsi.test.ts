// How the verdicts of libiscsi's tests are read, weighed on each kind of LUN, and merged.

import { expect } from "chai";
import { resultOf } from "../../interop/libiscsi/one-test.js";
import { bySuite, countsOf, merge, unexpected, type Weighed, weigh } from "../../interop/libiscsi/outcomes.js";
import { PEERS, peerResults } from "../../interop/libiscsi/peers.js";
import { COMBINATIONS, EXEMPTIONS, PROFILES, type Profile, wordOf } from "../../interop/libiscsi/profiles.js";

const NAME = "Read10.Simple";

function reportOf(verdict: string, name = NAME): string {
  const [suite, test] = name.split(".");
  return `Suite: ${suite}\n  Test: ${test} ...${verdict}\n\nRun Summary: ...\n`;
}

function profile(name: string): Profile {
  return PROFILES.find((each) => each.name === name) ?? expect.fail(name);
}

function weighed(name: string, outcome: Weighed["outcome"]): Weighed {
  return { name, outcome, reason: "" };
}

describe("one process with one test of libiscsi's", () => {
  it("has the verdict of its report, where its status agrees", () => {
    expect(resultOf(NAME, { status: 0, output: reportOf("passed"), errors: "" }).verdict).to.equal("passed");
    const skipped = reportOf("    [SKIPPED] no such command\npassed");
    expect(resultOf(NAME, { status: 0, output: skipped, errors: "" }).verdict).to.equal("skipped");
    expect(resultOf(NAME, { status: 1, output: reportOf("FAILED"), errors: "" }).verdict).to.equal("failed");
  });

  it("is incomplete where it was ended, crashed behind its verdict, or ran another test", () => {
    const cut = { status: "SIGTERM", output: `Suite: Read10\n  Test: Simple ...`, errors: "" };
    expect(resultOf(NAME, cut)).to.deep.equal({
      name: NAME,
      verdict: "incomplete",
      reason: "ended with SIGTERM:   Test: Simple ...",
    });
    const crashed = { status: "SIGABRT", output: reportOf("passed"), errors: "malloc(): corrupted\n" };
    expect(resultOf(NAME, crashed).reason).to.equal("ended with SIGABRT: malloc(): corrupted");
    const other = { status: 0, output: reportOf("passed", "Read12.Simple"), errors: "" };
    expect(resultOf(NAME, other).verdict).to.equal("incomplete");
    expect(resultOf(NAME, { status: 10, output: "", errors: "" }).verdict).to.equal("incomplete");
  });
});

describe("verdicts of libiscsi's tests on a LUN", () => {
  const refusal =
    "WRITE10 command failed with status 2 / sense key DATA PROTECTION(0x07) / ASCQ WRITE_PROTECTED(0x2700)";

  it("excuse what is refused only where the LUN is write-protected", () => {
    const result = { name: "Write10.Simple", verdict: "failed", reason: refusal } as const;
    expect(weigh(profile("write-protected"), result).outcome).to.equal("refused");
    expect(weigh(profile("fixed"), result).outcome).to.equal("failed");
    const another = { ...result, reason: "READ10 failed: LBA_OUT_OF_RANGE(0x2100)" };
    expect(weigh(profile("write-protected"), another).outcome).to.equal("failed");
    expect(weigh(profile("write-protected"), { ...result, verdict: "incomplete" }).outcome).to.equal("incomplete");
  });

  it("excuse what is listed only where it is listed, and no test that passes", () => {
    const failed = { name: "StartStopUnit.NoLoej", verdict: "failed", reason: "" } as const;
    expect(weigh(profile("removable"), failed).outcome).to.equal("exempt");
    expect(weigh(profile("fixed"), failed).outcome).to.equal("failed");
    expect(weigh(profile("removable"), { ...failed, verdict: "passed" }).outcome).to.equal("passed");
    expect(weigh(profile("removable"), { ...failed, verdict: "skipped" }).outcome).to.equal("skipped");
  });

  it("are merged to the best of each test, and one that is skipped everywhere stays skipped", () => {
    const runs = [
      [
        weighed("A.One", "skipped"),
        weighed("A.Two", "skipped"),
        weighed("B.One", "refused"),
        weighed("B.Two", "exempt"),
      ],
      [
        weighed("A.One", "passed"),
        weighed("A.Two", "skipped"),
        weighed("B.One", "failed"),
        weighed("B.Two", "skipped"),
      ],
    ];
    const merged = merge(runs);
    expect(merged.map(({ outcome }) => outcome)).to.deep.equal(["passed", "skipped", "refused", "exempt"]);
    expect(countsOf(merged)).to.equal("1 passed, 1 exempt, 1 skipped, 1 refused");
    expect([...bySuite(merged)].map(([suite, { length }]) => [suite, length])).to.deep.equal([
      ["A", 2],
      ["B", 2],
    ]);
    expect(unexpected(runs[1]).map(({ name }) => name)).to.deep.equal(["B.One"]);
  });
});

describe("what libiscsi's suite is run against", () => {
  it("has a word for each profile and combination", () => {
    const [inMemory] = COMBINATIONS;
    const inFile = COMBINATIONS.find(({ store, block }) => store === "file" && block === 4096) ?? expect.fail();
    expect(wordOf(profile("fixed"), inMemory, "/disk")).to.match(/^mem:512MiB,block=512,/);
    expect(wordOf(profile("removable"), inFile, "/disk")).to.match(/^\/disk,size=512MiB,block=4096,.*removable/);
  });

  it("stands beside peers, each with all 230 tests", () => {
    const names = peerResults(PEERS[0]).map(({ name }) => name);
    expect(new Set(names).size).to.equal(230);
    for (const peer of PEERS)
      expect(
        peerResults(peer).map(({ name }) => name),
        peer.name,
      ).to.have.members(names);
    for (const { test } of EXEMPTIONS) expect(names).to.include(test);
  });
});
