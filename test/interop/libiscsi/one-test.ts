// Knows how libiscsi's tests are run, each in a process of its own or all in one, with a limit, and what came of them.

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
const OPTIONS = ["--dataloss", "--verbose"] as const;
/** Some tests say in the log of all commands alone that they judge nothing; that of all tests is too long to be kept. */
const LOG = "--Verbose-scsi";
/** Seconds for a test; each is over in a few, on a machine at rest. */
const LIMIT = 60;
/** One sleeps for a minute, twice where it is unlucky. */
const LONG_LIMITS: ReadonlyMap<string, number> = new Map([["Sanitize.Reset", 200]]);
/** Seconds for all of them in one process, without those of SANITIZE. */
const WHOLE_LIMIT = 240;

/** One LUN, by two ways. */
export type Paths = readonly string[];

/** The names of all tests, `Suite.Test`, in the program's order. */
export async function listTests(context: SuiteContext): Promise<string[]> {
  const lines = (await context.succeed(PROGRAM, "--list")).split("\n").map((line) => line.trim().split("."));
  const own = lines.filter((words) => words.length === 3 && words[0] === FAMILY);
  expect(own.length, "tests of iscsi-test-cu 1.19").to.equal(TESTS);
  return own.map((words) => words.slice(1).join("."));
}

/** Runs a test that may write to the LUN; `words` are options besides. */
export async function runTest(
  context: SuiteContext,
  name: string,
  paths: Paths,
  words: readonly string[] = [],
): Promise<TestResult> {
  const limit = LONG_LIMITS.get(name) ?? LIMIT;
  return resultOf(name, await runWithin(context, limit, [LOG, `--test=${FAMILY}.${name}`, ...words, ...paths]));
}

/** Runs all tests in one process, which has to come to its end. */
export async function runAll(context: SuiteContext, paths: Paths): Promise<TestResult[]> {
  const { status, output } = await runWithin(context, WHOLE_LIMIT, [`--test=${FAMILY}`, ...paths]);
  expect(status, `how it ended: ${output.slice(-200)}`).to.be.oneOf([0, 1]);
  expect(output, "its summary").to.match(/^Run Summary:/m);
  return readReport(output);
}

async function runWithin(context: SuiteContext, seconds: number, words: readonly string[]): Promise<Finished> {
  const child = context.start(PROGRAM, ...OPTIONS, ...words);
  const over = new AbortController();
  void wait(seconds * 1000, null, { signal: over.signal }).then(
    () => child.end(),
    () => {},
  );
  const finished = await child.finished;
  over.abort();
  return finished;
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
