// Knows the order in which libiscsi's suite is run against our iSCSI portal: each test by a process and on a LUN of its own, and all
// by one process.

import { expect } from "chai";
import { ServedPortal } from "../iscsi/portal.js";
import type { Suite, SuiteContext } from "../suite.js";
import { listTests, runAll, runTest } from "./one-test.js";
import { bySuite, countsOf, merge, passedOf, suiteOf, unexpected, type Weighed, weigh } from "./outcomes.js";
import { PEERS, peerResults } from "./peers.js";
import { COMBINATIONS, type Combination, PROFILES, type Profile, wordOf } from "./profiles.js";

export const libiscsiSuite: Suite = {
  name: "libiscsi",
  judges:
    "pvscsi iscsi serve: all 230 tests of iscsi-test-cu 1.19 against LUNs of four kinds, beside tgt, QEMU and istgt",
  packages: ["libiscsi-bin"],
  default: true,
  budgetSeconds: 180,
  run: async (context) => {
    const tests = await listTests(context);
    tableBySuite(context, await judgeCombination(context, tests, COMBINATIONS[0]));
  },
};

export const libiscsiFullSuite: Suite = {
  name: "libiscsi-full",
  judges: "the same with blocks of 512 and 4096 bytes, in memory and in files",
  packages: ["libiscsi-bin"],
  default: false,
  budgetSeconds: 2700,
  run: async (context) => {
    const tests = await listTests(context);
    const runs: Weighed[][] = [];
    for (const combination of COMBINATIONS) runs.push(await judgeCombination(context, tests, combination));
    tableBySuite(context, merge(runs));
  },
};

/** All profiles, each at portals of its own, at once; resolves to each test's best outcome. */
async function judgeCombination(
  context: SuiteContext,
  tests: readonly string[],
  combination: Combination,
): Promise<Weighed[]> {
  const title = `${combination.store}, blocks of ${combination.block}`;
  const whole = judgeWhole(context, tests, combination, title);
  const runs = await Promise.all(
    PROFILES.map(async (profile) => {
      const results: Weighed[] = [];
      await context.check(`${title}, ${profile.name}: each test on a LUN of its own`, async () => {
        results.push(...(await runProfile(context, tests, combination, profile)));
        return judged(results);
      });
      return results;
    }),
  );
  await whole;
  const merged = merge(runs);
  await context.check(`${title}: every test passes on one of them`, async () => {
    const missing = merged.filter(({ outcome }) => outcome !== "passed" && outcome !== "exempt");
    const others = missing.filter(({ name }) => !combination.lacks.includes(suiteOf(name)));
    if (others.length > 0) throw new Error(`${countsOf(merged)}: ${others.map(told).join("; ")}`);
    return `${countsOf(merged)}${missing.length > 0 ? `, of ${combination.lacks.join(" and ")}` : ""}`;
  });
  return merged;
}

/** The tests of a profile, in their order at one portal; those that are apart at another, beside them. */
async function runProfile(
  context: SuiteContext,
  tests: readonly string[],
  combination: Combination,
  profile: Profile,
): Promise<Weighed[]> {
  const apart = tests.filter((name) => suiteOf(name) === profile.apart);
  const others = tests.filter((name) => suiteOf(name) !== profile.apart);
  const lanes = [others, apart].filter(({ length }) => length > 0);
  const runs = await Promise.all(lanes.map((lane) => runInOrder(context, lane, combination, profile)));
  return runs.flat();
}

/** Two portals of one target, and a LUN for each test: nothing that one leaves behind is there for the next. */
async function runInOrder(
  context: SuiteContext,
  tests: readonly string[],
  combination: Combination,
  profile: Profile,
): Promise<Weighed[]> {
  const words = tests.map(() => wordOf(profile, combination, context.freshPath("disk")));
  const portal = await ServedPortal.start(context, words, { tags: [1, 2] });
  const results: Weighed[] = [];
  for (const [lun, name] of tests.entries()) {
    results.push(weigh(profile, await runTest(context, name, portal.paths(lun), profile.options)));
  }
  expect(await portal.end(), "what the portal had to complain of").to.deep.equal([]);
  return results;
}

/** One process with all tests, on one LUN: what a test leaves behind is there for the next. */
async function judgeWhole(
  context: SuiteContext,
  tests: readonly string[],
  combination: Combination,
  title: string,
): Promise<void> {
  const [profile] = PROFILES;
  await context.check(`${title}, ${profile.name}: all tests by one process`, async () => {
    const word = wordOf(profile, combination, context.freshPath("disk"));
    const portal = await ServedPortal.start(context, [word], { tags: [1, 2] });
    const results = (await runAll(context, portal.paths(0))).map((result) => weigh(profile, result));
    expect(results.map(({ name }) => name)).to.have.members(tests);
    await portal.end();
    return judged(results);
  });
}

/** Figures of results; throws where one should not have ended like that. */
function judged(results: readonly Weighed[]): string {
  const bad = unexpected(results);
  if (bad.length > 0) throw new Error(`${countsOf(results)}: ${bad.map(told).join("; ")}`);
  return countsOf(results);
}

/** A row for each suite of tests, with how many passed elsewhere. */
function tableBySuite(context: SuiteContext, results: readonly Weighed[]): void {
  const peers = PEERS.map((peer) => ({ name: peer.name, suites: bySuite(peerResults(peer)) }));
  for (const [suite, own] of bySuite(results)) {
    const theirs = peers.map(({ name, suites }) => `${name} ${passedOf(suites.get(suite) ?? [])}`);
    const passed = own.filter(({ outcome }) => outcome === "passed").length;
    const figure = `${passed} of ${own.length}; ${theirs.join(", ")}`;
    const held = own.every(({ outcome }) => outcome === "passed" || outcome === "exempt");
    context.add({ check: `tests of ${suite}`, passed: held, figure, seconds: 0 });
  }
}

function told({ name, outcome, reason }: Weighed): string {
  return `${name} ${outcome} (${reason})`;
}
