// Knows libiscsi's tests of iSCSI itself: order, residuals, data sequences and task management. Those of SCSI are for other suites.

import { expect } from "chai";
import { readReport } from "../qemu/cunit.js";
import type { SuiteContext } from "../suite.js";
import type { ServedPortal } from "./portal.js";

const FAMILY = "iSCSI";
const TESTS = 15;

export async function judgeConformance(context: SuiteContext, portal: ServedPortal): Promise<void> {
  await context.check(`iscsi-test-cu: its ${TESTS} tests of iSCSI itself`, async () => {
    // The same LUN twice, so that tests of two paths run as well.
    const words = ["--dataloss", "--verbose", `--test=${FAMILY}`, portal.url(0), portal.url(0)];
    const { output } = await context.run("iscsi-test-cu", ...words);
    const results = readReport(output);
    expect(results.length, output.slice(-500)).to.equal(TESTS);
    const bad = results.filter(({ verdict }) => verdict !== "passed").map(({ name }) => name);
    expect(bad).to.deep.equal([]);
    return `${TESTS} passed`;
  });
}
