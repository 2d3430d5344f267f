// Knows how one test of libiscsi's suite is run in a process of its own, with a limit, and what came of it.

import { setTimeout as wait } from "node:timers/promises";
import { expect } from "chai";
import type { Finished } from "../children.js";
import { readReport, type TestResult } from "../qemu/cunit.js";
import type { SuiteContext } from "../suite.js";

export const PROGRAM = "iscsi-test-cu";
/** The family that has each test once. */
const FAMILY = "ALL";
/** Version 1.19 has as many. */
const TESTS = 230;
/** Seconds for a test; each is over in a few, on a machine at rest. */
const LIMIT = 60;
/** One sleeps for a minute, twice where it is unlucky. */
const LONG_LIMITS: ReadonlyMap<string, number> = new Map([["Sanitize.Reset", 200]]);

/** The names of all tests, `Suite.Test`, in the program's order. */
export async function listTests(context: SuiteContext): Promise<string[]> {
  const lines = (await context.succeed(PROGRAM, "--list")).split("\n").map((line) => line.trim().split("."));
  const names = lines
    .filter((words) => words.length === 3 && words[0] === FAMILY)
    .map((words) => words.slice(1).join("."));
  expect(names.length, "tests of iscsi-test-cu 1.19").to.equal(TESTS);
  return names;
}

/** Runs a test that may write to the LUN, by two sessions where it wants two; `words` are options besides. */
export async function runTest(
  context: SuiteContext,
  name: string,
  urls: readonly [string, string],
  words: readonly string[] = [],
): Promise<TestResult> {
  // In the words of its log, too: some tests say there alone that they judge nothing.
  const options = ["--dataloss", "--verbose", "--Verbose-scsi", `--test=${FAMILY}.${name}`];
  const child = context.start(PROGRAM, ...options, ...words, ...urls);
  const over = new AbortController();
  const seconds = LONG_LIMITS.get(name) ?? LIMIT;
  void wait(seconds * 1000, null, { signal: over.signal }).then(
    () => child.end(),
    () => {},
  );
  const finished = await child.finished;
  over.abort();
  return resultOf(name, finished);
}

/** What a process that ran one test said of it; `incomplete` where that is no verdict, or its status contradicts it. */
export function resultOf(name: string, { status, output, errors }: Finished): TestResult {
  const results = readReport(output).filter((result) => result.name === name);
  const [result] = results;
  if (results.length === 1 && result.verdict === "failed") return result;
  if (results.length === 1 && result.verdict !== "incomplete" && status === 0) return result;
  const last = errors.trimEnd().split("\n").at(-1) || output.trimEnd().split("\n").at(-1);
  return { name, verdict: "incomplete", reason: `ended with ${status}: ${last}` };
}
