// Knows libiscsi's suite of SCSI tests as it runs in a guest of Xen, on targets whose commands may hang for ever, and what two
// targets have made of it beside each other.

import { readReports } from "../libiscsi/on-a-device.js";
import { suiteOf } from "../libiscsi/outcomes.js";
import type { TestResult, Verdict } from "../qemu/cunit.js";
import { figuresOf } from "../qemu/libiscsi.js";
import type { Guest } from "./guest.js";

/** Seconds that a console may take for a report. */
const PATIENCE = 60;

/** What it has told. */
export interface Report {
  readonly results: readonly TestResult[];
  /** Whether it came to its end. */
  readonly ended: boolean;
  readonly figures: string;
}

/** Runs `tests`, shell text, in the background, which loses the disk's contents: one that hangs is left alone, with what it has told until then. */
export async function runScsiTests(guest: Guest, tests: string, seconds: number): Promise<Report> {
  await guest.run("rm -f /tmp/tests.ended");
  await guest.run(`{ { ${tests}; } > /tmp/tests.report 2>&1; touch /tmp/tests.ended; } > /dev/null 2>&1 < /dev/null &`);
  const wait = `n=0; until [ -e /tmp/tests.ended ] || [ $n -ge ${seconds} ]; do n=$((n+1)); sleep 1; done`;
  const ended =
    (await guest.run(`${wait}; ls /tmp | grep -c 'tests.ended$' || true`, seconds + PATIENCE)).trim() === "1";
  const results = readReports(await guest.run("cat /tmp/tests.report", PATIENCE));
  return { results, ended, figures: figuresOf(results) };
}

/** A suite's tests at two targets. */
export interface Beside {
  readonly suite: string;
  readonly figures: string;
}

/** A line for each suite of tests that one of both has run. */
export function beside(names: readonly [string, string], reports: readonly [Report, Report]): Beside[] {
  const suites = new Set(reports.flatMap(({ results }) => results.map(({ name }) => suiteOf(name))));
  return [...suites].map((suite) => {
    const told = reports.map(({ results }, i) => {
      const own = results.filter(({ name }) => suiteOf(name) === suite);
      return `${names[i]} ${countsOf(own)}`;
    });
    return { suite, figures: told.join("; ") };
  });
}

/** Those of the first that did not pass, and passed at the second. */
export function behind([first, second]: readonly [Report, Report]): TestResult[] {
  const passed = new Set(second.results.filter(({ verdict }) => verdict === "passed").map(({ name }) => name));
  return first.results.filter(({ name, verdict }) => passed.has(name) && verdict !== "passed");
}

function countsOf(results: readonly TestResult[]): string {
  const counts = new Map<Verdict, string[]>();
  for (const { name, verdict } of results) {
    const names = counts.get(verdict) ?? [];
    names.push(name.split(".").slice(1).join("."));
    counts.set(verdict, names);
  }
  const shown = [...counts].map(([verdict, names]) => {
    return `${names.length} ${verdict}${verdict === "failed" ? ` (${names.join(", ")})` : ""}`;
  });
  return shown.join(", ") || "none run";
}
