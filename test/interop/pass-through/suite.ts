// Knows how what stands behind our initiator is judged through it: tgt's disk has libiscsi's whole suite once directly, and once by a portal
// of ours whose LUN is passed through to it.

import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { ServedPortal } from "../iscsi/portal.js";
import { listTests, runTest } from "../libiscsi/one-test.js";
import type { TestResult, Verdict } from "../qemu/cunit.js";
import type { Suite, SuiteContext } from "../suite.js";
import { Tgtd } from "../tgt/daemon.js";

const SIZE = 512 << 20;

export const passThroughSuite: Suite = {
  name: "pass-through",
  judges: "tgt's disk by our initiator behind our portal: all 230 tests of iscsi-test-cu 1.19, beside tgt itself",
  packages: ["tgt", "libiscsi-bin"],
  default: false,
  budgetSeconds: 900,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const tests = await listTests(context);
  const [direct, passed] = await Promise.all([runDirectly(context, tests), runThrough(context, tests)]);
  await context.check("tests that end through us as at tgt itself", async () => {
    const wrong = tests.filter((name) => isWorse(direct, passed, name));
    if (wrong.length > 0) throw new Error(wrong.map((name) => told(direct, passed, name)).join("; "));
    return `direct: ${countsOf(direct)}; through: ${countsOf(passed)}`;
  });
}

type Results = ReadonlyMap<string, TestResult>;

/** A disk of tgt's with bytes in it. */
async function startTgt(context: SuiteContext): Promise<Tgtd> {
  const file = context.freshPath("disk");
  const handle = await open(file, "w");
  await handle.truncate(SIZE);
  await handle.write(randomBytes(1 << 20), 0, 1 << 20, 0);
  await handle.close();
  return await Tgtd.start(context, file, { vendor: "PVSCSI", product: "JUDGED", revision: "1", serial: "1234" });
}

async function runDirectly(context: SuiteContext, tests: readonly string[]): Promise<Results> {
  const tgt = await startTgt(context);
  const url = `iscsi://${tgt.address}/${tgt.target}/1`;
  const results = await runEach(context, tests, [url]);
  await tgt.end();
  return results;
}

async function runThrough(context: SuiteContext, tests: readonly string[]): Promise<Results> {
  const tgt = await startTgt(context);
  const portal = await ServedPortal.start(context, [`iscsi://${tgt.address}/${tgt.target}/1`]);
  const results = await runEach(context, tests, portal.paths(0));
  await portal.end();
  await tgt.end();
  return results;
}

async function runEach(context: SuiteContext, tests: readonly string[], paths: readonly string[]): Promise<Results> {
  const results = new Map<string, TestResult>();
  for (const name of tests) results.set(name, await runTest(context, name, paths));
  return results;
}

const FROM_BEST: readonly Verdict[] = ["passed", "skipped", "failed", "incomplete"];

function isWorse(direct: Results, passed: Results, name: string): boolean {
  const rank = (results: Results) => FROM_BEST.indexOf(verdictOf(results, name));
  return rank(passed) > rank(direct);
}

function verdictOf(results: Results, name: string): Verdict {
  return results.get(name)?.verdict ?? "incomplete";
}

function told(direct: Results, passed: Results, name: string): string {
  return `${name}: ${verdictOf(direct, name)} and then ${verdictOf(passed, name)} (${passed.get(name)?.reason})`;
}

function countsOf(results: Results): string {
  return FROM_BEST.map(
    (verdict) => `${[...results.values()].filter((each) => each.verdict === verdict).length} ${verdict}`,
  ).join(", ");
}
