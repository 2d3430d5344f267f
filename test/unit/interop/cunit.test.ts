// The reader of CUnit's report, as iscsi-test-cu prints it.

import { expect } from "chai";
import { readReport } from "../../interop/qemu/cunit.js";

const BEFORE = `Can not use BLKSECTGET for /dev/sg devices
    [SKIPPED] PERSISTENT RESERVE IN is not implemented.

     CUnit - A unit testing framework for C - Version 2.1-3


`;
const AFTER = `
Run Summary:    Type  Total    Ran Passed Failed Inactive
               tests    215    215    175     40        0
FAILED passed
Tests completed with return value: 0
`;

function resultsOf(text: string) {
  return readReport(`${BEFORE}${text}${AFTER}`);
}

describe("the reader of CUnit's report", () => {
  it("names a test by its suite, and one of a suite without any is none", () => {
    const text = "Suite: Read6\nSuite: Read10\n  Test: Simple ...passed\nSuite: Read12 \n  Test: Flags ...passed\n";
    expect(resultsOf(text).map(({ name }) => name)).to.deep.equal(["Read10.Simple", "Read12.Flags"]);
  });

  it("tells a test that passed with words of its own", () => {
    const text = "Suite: Inquiry\n  Test: Versions ...    [WARNING] did not claim any version of SPC\npassed\n";
    expect(resultsOf(text)).to.deep.equal([{ name: "Inquiry.Versions", verdict: "passed", reason: "" }]);
  });

  it("gives the first thing that a failed test said, before any assertion", () => {
    const text = `Suite: OrWrite
  Test: Simple ...    [FAILED] ORWRITE command failed with status 2
    [FAILED] ORWRITE command failed with status 3
    [SKIPPED] REPORT_SUPPORTED_OPCODES is not implemented.
FAILED
    1. test_orwrite_simple.c:82  - CU_ASSERT_EQUAL(_r,0)
`;
    const reason = "ORWRITE command failed with status 2";
    expect(resultsOf(text)).to.deep.equal([{ name: "OrWrite.Simple", verdict: "failed", reason }]);
  });

  it("gives the first assertion of a test that failed without a word", () => {
    const text =
      "Suite: Inquiry\n  Test: AllocLength ...FAILED\n    1. a.c:97  - CU_ASSERT_EQUAL(ret,0)\n    2. b.c:1  - X\n";
    expect(resultsOf(text)).to.deep.equal([
      { name: "Inquiry.AllocLength", verdict: "failed", reason: "a.c:97  - CU_ASSERT_EQUAL(ret,0)" },
    ]);
  });

  it("does not take for a test's what is said while its suite is taken down", () => {
    const text = "Suite: A\n  Test: B ...passed    [SKIPPED] PERSISTENT RESERVE IN is not implemented.\nSuite: C\n";
    expect(resultsOf(text)).to.deep.equal([{ name: "A.B", verdict: "passed", reason: "" }]);
  });

  it("does not take the [FAILED] of a test that passed for its end", () => {
    const text = "Suite: A\n  Test: B ...    [FAILED] a try that may fail\npassed\n";
    expect(resultsOf(text)[0].verdict).to.equal("passed");
  });

  it("tells a test that judged nothing, with its reason", () => {
    const text = "Suite: NoMedia\n  Test: NoMediaSBC ...    [SKIPPED] LUN is not removable. Skipping test\npassed\n";
    const reason = "LUN is not removable. Skipping test";
    expect(resultsOf(text)).to.deep.equal([{ name: "NoMedia.NoMediaSBC", verdict: "skipped", reason }]);
  });

  it("takes no account of a command looked for in passing, unless it is what the test is about", () => {
    const said = "    [SKIPPED] REPORT_SUPPORTED_OPCODES is not implemented.\npassed\n";
    const text = `Suite: Read10\n  Test: Dpo ...${said}Suite: ReportSupportedOpcodes\n  Test: Simple ...${said}`;
    expect(resultsOf(text).map(({ verdict }) => verdict)).to.deep.equal(["passed", "skipped"]);
  });

  it("takes a command that a test is about for a skip, and rules that the LUN does not have for none", () => {
    const erase = "    [SKIPPED] SANITIZE CRYPTO_ERASE is not implemented according to REPORT_SUPPORTED_OPCODES.\n";
    const rule = "    [SKIPPED] No alignment restrictions on this LUN\n";
    const text = `Suite: Sanitize\n  Test: Erase ...${erase}passed\nSuite: WriteAtomic16\n  Test: VPD ...${rule}passed\n`;
    expect(resultsOf(text).map(({ verdict }) => verdict)).to.deep.equal(["skipped", "passed"]);
  });

  it("finds verdicts in a log of every command", () => {
    const log = "    Send TESTUNITREADY (Expecting SUCCESS)\n    [OK] TESTUNITREADY returned SUCCESS NO SENSE(0x00)\n";
    const after = "    Send PRIN/READ_KEYS\n";
    const text = `Suite: A\n  Test: B ...\n${log}passed${after}Suite: C\n  Test: D ...\n${log}FAILED\n    1. d.c:9  - CU_FAIL("no")${after}`;
    expect(resultsOf(text)).to.deep.equal([
      { name: "A.B", verdict: "passed", reason: "" },
      { name: "C.D", verdict: "failed", reason: 'd.c:9  - CU_FAIL("no")' },
    ]);
  });

  it("tells the test within which a report ends", () => {
    const text = "Suite: Write10\n  Test: Simple ...passed\n  Test: BeyondEol ...    [WARNING] slow\n";
    expect(readReport(text).map(({ verdict }) => verdict)).to.deep.equal(["passed", "incomplete"]);
    expect(readReport("")).to.deep.equal([]);
  });
});
