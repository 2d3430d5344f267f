// Knows requests as anybody might send them, likely and odd ones, from a seed; without those of which it is known that 4.17
// answers them otherwise: docs/notes/0019-xenstored-side-by-side.md.

import type { Random } from "@pvscsi/wire";
import { XS } from "@pvscsi/xen";
import type { Request } from "./conversation.js";

/** Domains that have a home. */
export const DOMAINS = [1, 5];
/** Below it everybody writes. */
export const SHARED = "/f";
const NAMES = ["a", "b", "c", "d"];
const ODD_PATHS = [
  "",
  "/",
  "a",
  "/a//b",
  "/a/",
  "@x",
  "\xe9",
  `/${"x".repeat(300)}`,
  "/tool/xenstored",
  "@releaseDomain",
];
const TOKENS = ["t", "u", "v", ""];
const OWNERS = ["0", "1", "5", "9", "", "0x5", "07", "-1", "0x10005", "32752", "-99999999999999999999"];
const LIMITS = [
  ...["nodes\x001000", "nodes\x0020", "watches\x00128", "watches\x003", "transactions\x001", "permissions\x002"],
  ...["node-size\x002048", "node-size\x0070", "nodes\x000", "nodes", "no\x001", "nodes\x001\x001"],
];
const NUMBERS = ["0", "1", "5", "9", "77", "", "x"];

type Payload = (random: Random) => string;

const pick = <Value>(random: Random, values: readonly Value[]): Value => values[random.below(values.length)];
const names = (random: Random, least: number, most: number): string[] =>
  Array.from({ length: least + random.below(most - least + 1) }, () => pick(random, NAMES));

function path(random: Random): string {
  const kind = random.below(20);
  if (kind < 7) return [`/local/domain/${pick(random, DOMAINS)}`, ...names(random, 0, 3)].join("/");
  if (kind < 15) return [SHARED, ...names(random, 0, 4)].join("/");
  if (kind < 18) return names(random, 1, 3).join("/");
  return pick(random, ODD_PATHS);
}

const onePath: Payload = (random) => `${path(random)}\0`;
const watch: Payload = (random) => `${path(random)}\0${random.chance(0.2) ? path(random) : pick(random, TOKENS)}\0`;
const oneNumber: Payload = (random) => `${pick(random, NUMBERS)}\0`;
const permissions: Payload = (random) => {
  const name = path(random);
  const entry = (): string => `${pick(random, [..."nrwbnrwbx"])}${pick(random, OWNERS)}\0`;
  return `${name.startsWith("@") || name === "/" ? SHARED : name}\0${Array.from({ length: random.below(4) }, entry).join("")}`;
};

/** By how often: what is asked, and whether in a transaction now and then. */
const KINDS: readonly (readonly [weight: number, type: number, payload: Payload, inTransactions: boolean])[] = [
  [1, XS.DIRECTORY, onePath, true],
  [2, XS.READ, onePath, true],
  [1, XS.GET_PERMS, onePath, true],
  [3, XS.WATCH, watch, true],
  [1, XS.UNWATCH, watch, true],
  [1, XS.TRANSACTION_START, () => "\0", true],
  [2, XS.TRANSACTION_END, (random) => pick(random, ["T\0", "T\0", "F\0", "X\0", ""]), true],
  [1, XS.INTRODUCE, (random) => `${pick(random, DOMAINS)}\x001\x001\0`, true],
  [1, XS.SET_TARGET, (random) => `${pick(random, DOMAINS)}\0${pick(random, DOMAINS)}\0`, true],
  [1, XS.GET_DOMAIN_PATH, oneNumber, true],
  [5, XS.WRITE, (random) => `${path(random)}\0${pick(random, ["", "v", "x".repeat(random.below(60))])}`, true],
  [1, XS.MKDIR, onePath, true],
  [2, XS.RM, onePath, true],
  [2, XS.SET_PERMS, permissions, true],
  [1, XS.IS_DOMAIN_INTRODUCED, oneNumber, true],
  [1, XS.RESUME, oneNumber, true],
  [1, XS.DIRECTORY_PART, (random) => `${path(random)}\0${pick(random, ["0", "1", "2", "4", "100"])}\0`, true],
  [1, XS.CONTROL, (random) => pick(random, ["check\0", "quota\0", "nonsense\0", "quota\x001\x002\0"]), false],
  [2, XS.CONTROL, (random) => `quota\0${pick(random, ["0", "1", "5", "77"])}\0`, false],
  [1, XS.CONTROL, (random) => `quota\0set\0${pick(random, LIMITS)}\0`, false],
  [1, 20, onePath, true],
  [1, XS.ERROR, onePath, true],
  [1, 23, onePath, true],
];
const ALL = KINDS.flatMap((kind) => Array.from({ length: kind[0] }, () => kind));
const WITHOUT_TARGETS = ALL.filter(([, type]) => type !== XS.SET_TARGET);

/** Without `targets` no domain may act for another. */
export function randomRequest(random: Random, targets: boolean): Request {
  // Now and then a connection begins anew.
  if (random.chance(0.004)) return { type: XS.RESET_WATCHES, payload: "\0", transaction: 0 };
  const [, type, payload, inTransactions] = pick(random, targets ? ALL : WITHOUT_TARGETS);
  const transaction = inTransactions && random.chance(0.5) ? 1 + random.below(3) : 0;
  return { type, payload: payload(random), transaction };
}
