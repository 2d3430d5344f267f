// Knows how libiscsi's SCSI tests are run on a generic device of a guest, whose nexus is the same for all: a process for each suite of
// tests, by shell text, and in which order.

import { readReport, type TestResult } from "../qemu/cunit.js";
import type { SuiteContext } from "../suite.js";
import { PROGRAM } from "./one-test.js";

/** The family without those tests that are about iSCSI itself. */
const FAMILY = "SCSI";
/** It wants no result of a copy at first, and the others copy: that of a nexus is kept until it is asked for (SPC-3 6.17). */
const FIRST = "ReceiveCopyResults";
/** Behind each report. */
const MARK = "-- end of a suite of tests --";

/** Shell text that runs all tests on `generic`, which loses the disk's contents. */
export async function textOfAllTests(context: SuiteContext, generic: string): Promise<string> {
  const lines = (await context.succeed(PROGRAM, "--list")).split("\n").map((line) => line.trim().split("."));
  const suites = new Set(
    lines.flatMap(([family, suite, test]) => (family === FAMILY && test !== undefined ? [suite] : [])),
  );
  suites.delete(FIRST);
  const order = [FIRST, ...suites].join(" ");
  const words = `--dataloss --verbose --test=${FAMILY}.$suite ${generic}`;
  return `for suite in ${order}; do ${PROGRAM} ${words}; echo; echo '${MARK}'; done`;
}

/** What that has printed. */
export function readReports(text: string): TestResult[] {
  return text.split(`${MARK}\n`).flatMap(readReport);
}
