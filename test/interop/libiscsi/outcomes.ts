// Knows how the verdicts of libiscsi's tests on several LUNs are weighed, merged and counted.

import type { TestResult, Verdict } from "../qemu/cunit.js";
import { exemptionOf, isRefused, type Profile } from "./profiles.js";

/** `refused`: it writes, and the LUN is write-protected. `exempt`: it failed, and is listed with what decides. */
export type Outcome = Verdict | "refused" | "exempt";

export interface Weighed {
  readonly name: string;
  readonly outcome: Outcome;
  readonly reason: string;
}

/** What a result counts as on a profile's LUNs. */
export function weigh(profile: Profile, result: TestResult): Weighed {
  const { name, verdict, reason } = result;
  const bad = verdict === "failed" || verdict === "incomplete";
  if (!bad) return { name, outcome: verdict, reason };
  if (exemptionOf(profile, name) !== undefined) return { name, outcome: "exempt", reason };
  return { name, outcome: isRefused(profile, result) ? "refused" : verdict, reason };
}

/** Those that should not have ended like that. */
export function unexpected(results: readonly Weighed[]): Weighed[] {
  return results.filter(({ outcome }) => outcome === "failed" || outcome === "incomplete");
}

/** The best of what became of each test on several LUNs. */
const FROM_BEST: readonly Outcome[] = ["passed", "exempt", "skipped", "refused", "failed", "incomplete"];

/** Each test once, with its best outcome, in the order of the first run. */
export function merge(runs: readonly (readonly Weighed[])[]): Weighed[] {
  const best = new Map<string, Weighed>();
  for (const result of runs.flat()) {
    const before = best.get(result.name);
    if (before === undefined || rank(result) < rank(before)) best.set(result.name, result);
  }
  return [...best.values()];
}

function rank({ outcome }: Weighed): number {
  return FROM_BEST.indexOf(outcome);
}

/** `215 passed, 10 skipped`: in the order of outcomes, without those that no test had. */
export function countsOf(results: readonly Weighed[]): string {
  const counts = FROM_BEST.map((outcome) => [results.filter((each) => each.outcome === outcome).length, outcome]);
  return counts.flatMap(([count, outcome]) => (count === 0 ? [] : [`${count} ${outcome}`])).join(", ") || "none";
}

/** The suites of tests, in the order of the results, with the results of each. */
export function bySuite<Result extends { readonly name: string }>(results: readonly Result[]): Map<string, Result[]> {
  const suites = new Map<string, Result[]>();
  for (const result of results) {
    const suite = suiteOf(result.name);
    suites.set(suite, [...(suites.get(suite) ?? []), result]);
  }
  return suites;
}

/** The suite that a test is of. */
export function suiteOf(name: string): string {
  return name.split(".")[0];
}

export function passedOf(results: readonly TestResult[]): number {
  return results.filter(({ verdict }) => verdict === "passed").length;
}
