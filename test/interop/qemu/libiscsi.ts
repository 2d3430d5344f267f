// Knows libiscsi's suite of SCSI tests as it runs on a generic device of the guest, and what it found in QEMU's own scsi-hd.

import { expect } from "chai";
import { readReports, textOfAllTests } from "../libiscsi/on-a-device.js";
import { peerResults, QEMU } from "../libiscsi/peers.js";
import type { SuiteContext } from "../suite.js";
import type { TestResult, Verdict } from "./cunit.js";
import type { Guest } from "./guest.js";

const FEWEST_TESTS = 200;
const SECONDS = 150;

/** What a run found, and what it found in QEMU's own target. */
export interface Findings {
  readonly figures: string;
  /** Names of the tests that failed. */
  readonly failed: readonly string[];
}

/** Runs it, which loses the device's contents; rejects when a test fails that is not among `known`. */
export async function runLibiscsi(
  context: SuiteContext,
  guest: Guest,
  generic: string,
  known: ReadonlyMap<string, string>,
): Promise<Findings> {
  const { output } = await guest.attempt(await textOfAllTests(context, generic), SECONDS);
  const results = readReports(output);
  expect(results.length, output.slice(-500)).to.be.at.least(FEWEST_TESTS);
  const bad = results.filter(({ verdict }) => verdict === "failed" || verdict === "incomplete");
  const listed = bad.filter(({ name }) => !known.has(name)).map(({ name, reason }) => `${name} (${reason})`);
  if (listed.length > 0) throw new Error(`${figuresOf(results)}, among them ${listed.join("; ")}`);
  const names = new Set(results.map(({ name }) => name));
  const golden = peerResults(QEMU).filter(({ name }) => names.has(name));
  return {
    figures: `${figuresOf(results)}; of QEMU 7.2's scsi-hd ${figuresOf(golden)}`,
    failed: bad.map(({ name }) => name),
  };
}

/** How many tests there were, and how they ended. */
export function figuresOf(results: readonly TestResult[]): string {
  const count = (wanted: Verdict) => results.filter(({ verdict }) => verdict === wanted).length;
  return `${results.length} tests: ${count("passed")} passed, ${count("skipped")} skipped, ${count("failed")} failed`;
}
