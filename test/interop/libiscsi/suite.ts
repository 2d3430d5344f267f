// Knows the order in which libiscsi's suite is run against our iSCSI portal: each test by a process and on a LUN of its own.

import { expect } from "chai";
import { ServedPortal } from "../iscsi/portal.js";
import type { Suite, SuiteContext } from "../suite.js";
import { listTests, runTest } from "./one-test.js";
import { bySuite, countsOf, merge, passedOf, unexpected, type Weighed, weigh } from "./outcomes.js";
import { PEERS, peerResults } from "./peers.js";
import { COMBINATIONS, type Combination, PROFILES, type Profile, wordOf } from "./profiles.js";

export const libiscsiSuite: Suite = {
  name: "libiscsi",
  judges:
    "pvscsi iscsi serve: all 230 tests of iscsi-test-cu 1.19 against LUNs of all kinds, beside tgt, QEMU and istgt",
  packages: ["libiscsi-bin"],
  default: false,
  budgetSeconds: 360,
  run: async (context) => {
    const tests = await listTests(context);
    tableBySuite(context, await judgeCombination(context, tests, COMBINATIONS[0]));
  },
};

/** All profiles, each at a portal of its own, at once; resolves to each test's best outcome. */
async function judgeCombination(
  context: SuiteContext,
  tests: readonly string[],
  combination: Combination,
): Promise<Weighed[]> {
  const title = `${combination.store}, blocks of ${combination.block}`;
  const runs = await Promise.all(PROFILES.map((profile) => judgeProfile(context, tests, combination, profile, title)));
  const merged = merge(runs);
  await context.check(`${title}: every test passes on one of them`, async () => {
    const missing = merged.filter(({ outcome }) => outcome !== "passed" && outcome !== "exempt");
    if (missing.length > 0) throw new Error(`${countsOf(merged)}: ${missing.map(told).join("; ")}`);
    return countsOf(merged);
  });
  return merged;
}

async function judgeProfile(
  context: SuiteContext,
  tests: readonly string[],
  combination: Combination,
  profile: Profile,
  title: string,
): Promise<Weighed[]> {
  const results: Weighed[] = [];
  await context.check(`${title}, ${profile.name}: each test on a LUN of its own`, async () => {
    // Nothing that a test leaves - a reservation, a mode page, what it wrote - is there for the next one.
    const words = tests.map(() => wordOf(profile, combination, context.freshPath("disk")));
    const portal = await ServedPortal.start(context, words);
    for (const [lun, name] of tests.entries()) {
      results.push(weigh(profile, await runTest(context, name, [portal.url(lun), portal.url(lun)], profile.options)));
    }
    expect(await portal.end(), "what the portal had to complain of").to.deep.equal([]);
    const bad = unexpected(results);
    if (bad.length > 0) throw new Error(`${countsOf(results)}: ${bad.map(told).join("; ")}`);
    return countsOf(results);
  });
  return results;
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
