// Knows how two xenstoreds are flooded by a domain at once: how many of its writes each lets through, and what others notice.

import { setTimeout } from "node:timers/promises";
import { XS } from "@pvscsi/xen";
import { expect } from "chai";
import type { Conversation, Request } from "./conversation.js";
import type { RunningXenstored } from "./real-xenstored.js";
import { type Pair, withBoth } from "./side-by-side.js";

/** Of each flood. */
export const SECONDS = 4;
/** Before the second, in which credit is saved up: the writes of as many seconds more are let through at once. */
export const QUIET_SECONDS = 3;
/** Writes a second of all domains together, as 4.17 is built. */
const RATE = 200;
/** How far both may be apart, of the larger number: they count the same milliseconds, but not in the same moments. */
const TOLERANCE = 0.05;
/** Milliseconds in which the tool has to be answered meanwhile: a domain's credit for one write takes 15. */
const AT_ONCE = 500;

interface Flooded {
  readonly writes: number;
  /** Milliseconds the tool has waited at most. */
  readonly slowest: number;
}

/** Says how many writes a second were let through, theirs and ours, or rejects where that is not alike. */
export function flood(real: RunningXenstored): Promise<string> {
  return withBoth(real, async ([tool, , domain]) => {
    const free = await both(tool, domain);
    for (const { writes } of free)
      expect(writes / SECONDS, "writes a second without a transaction").to.be.above(2 * RATE);
    // One that stays open: from now on writes may make it fail.
    await Promise.all([tool.theirs, tool.ours].map((side) => side.ask(request(XS.TRANSACTION_START, "\0"))));
    const first = await both(tool, domain);
    await setTimeout(QUIET_SECONDS * 1000);
    const second = await both(tool, domain);
    for (const [theirs, ours] of [first, second]) {
      const apart = Math.abs(theirs.writes - ours.writes);
      expect(apart, `${theirs.writes} and ${ours.writes}`).to.be.below(
        TOLERANCE * Math.max(theirs.writes, ours.writes),
      );
    }
    const slowest = Math.max(...[...first, ...second].map((side) => side.slowest));
    expect(slowest, "milliseconds until the tool was answered").to.be.below(AT_ONCE);
    const figures = [first, second].map(([theirs, ours]) => `${theirs.writes} and ${ours.writes}`);
    return `theirs and ours: ${figures.join(", ")}; the tool waited ${slowest.toFixed(0)} ms at most`;
  });
}

/** Theirs, then ours; both at once. */
function both(tool: Pair, domain: Pair): Promise<[Flooded, Flooded]> {
  return Promise.all([floodOne(tool.theirs, domain.theirs), floodOne(tool.ours, domain.ours)]);
}

async function floodOne(tool: Conversation, domain: Conversation): Promise<Flooded> {
  const end = performance.now() + SECONDS * 1000;
  const [writes, slowest] = await Promise.all([writeUntil(domain, end), askUntil(tool, end)]);
  return { writes, slowest };
}

async function writeUntil(domain: Conversation, end: number): Promise<number> {
  let count = 0;
  for (; performance.now() < end; count++) {
    // The second write of a node is one change; the first would be two, with its parent's.
    expect((await domain.ask(request(XS.WRITE, `flood\0${count}`))).at(-1)).to.match(/^WRITE .*"OK\|"$/);
  }
  return count;
}

async function askUntil(tool: Conversation, end: number): Promise<number> {
  let slowest = 0;
  while (performance.now() < end) {
    const begin = performance.now();
    await tool.ask(request(XS.WRITE, "/tool/flood\0"));
    slowest = Math.max(slowest, performance.now() - begin);
    await setTimeout(10);
  }
  return slowest;
}

function request(type: number, payload: string): Request {
  return { type, payload, transaction: 0 };
}
