// Knows libiscsi's tests of iSCSI itself - order, residuals, data sequences and task management -, of reservations, which need several
// sessions, and of primary commands. Those of other SCSI commands are for other suites.

import { expect } from "chai";
import { readReport } from "../qemu/cunit.js";
import type { SuiteContext } from "../suite.js";
import type { ServedPortal } from "./portal.js";

/** What is asked for, how many tests that are, and what they judge. */
const FAMILIES = [
  { test: "iSCSI", tests: 15, what: "iSCSI itself" },
  { test: "ALL.Prin*", tests: 4, what: "PERSISTENT RESERVE IN" },
  { test: "ALL.Prout*", tests: 16, what: "PERSISTENT RESERVE OUT" },
  { test: "ALL.Reserve6", tests: 7, what: "RESERVE and RELEASE" },
  { test: "ALL.Inquiry", tests: 7, what: "INQUIRY and its pages" },
  { test: "ALL.ModeSense6", tests: 5, what: "MODE SENSE and MODE SELECT" },
  { test: "ALL.ReportSupportedOpcodes", tests: 4, what: "REPORT SUPPORTED OPERATION CODES" },
  { test: "ALL.ExtendedCopy", tests: 6, what: "EXTENDED COPY" },
  { test: "ALL.ReceiveCopyResults", tests: 2, what: "RECEIVE COPY RESULTS" },
  { test: "ALL.Mandatory", tests: 1, what: "what every disk has" },
] as const;

export async function judgeConformance(context: SuiteContext, portal: ServedPortal): Promise<void> {
  for (const { test, tests, what } of FAMILIES) {
    await context.check(`iscsi-test-cu: its ${tests} tests of ${what}`, async () => {
      // The same LUN twice, so that tests of two paths run as well.
      const words = ["--dataloss", "--verbose", `--test=${test}`, portal.url(0), portal.url(0)];
      const { output } = await context.run("iscsi-test-cu", ...words);
      const results = readReport(output);
      expect(results.length, output.slice(-500)).to.equal(tests);
      const bad = results.filter(({ verdict }) => verdict !== "passed").map(({ name }) => name);
      expect(bad).to.deep.equal([]);
      return `${tests} passed`;
    });
  }
}
