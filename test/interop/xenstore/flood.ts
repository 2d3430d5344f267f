// Knows how two xenstoreds are flooded by a domain at once: how many of its writes each lets through, and what others notice.

import { setTimeout } from "node:timers/promises";
import { XS } from "@pvscsi/xen";
import { expect } from "chai";
import type { Conversation, Request } from "./conversation.js";
import { DOMAINS } from "./random-requests.js";
import type { RunningXenstored } from "./real-xenstored.js";
import { BothStores, type Pair } from "./side-by-side.js";

/** Of each flood. */
export const SECONDS = 6;
/** Before the second, in which credit is saved up: the writes of as many seconds more are let through at once. */
export const QUIET_SECONDS = 3;
/** Writes a second of all domains together, as 4.17 is built. */
const RATE = 200;
/** Seconds until 1000 writes are saved up, and the 30 that three new domains have borrowed. */
const FULL = 6;
/** How far both may be apart, of the larger number: they count the same milliseconds, but not in the same moments. */
const TOLERANCE = 0.05;

interface Flooded {
  /** The domain's that were let through. */
  readonly writes: number;
  /** The tool's meanwhile. */
  readonly tool: number;
}

/** Says how many writes a second were let through, theirs and ours, or rejects where that is not alike. */
export function flood(real: RunningXenstored): Promise<string> {
  return BothStores.with(real, async (stores) => {
    const [tool, domain] = [stores.tool, stores.domain(DOMAINS[0])];
    const begin = performance.now();
    const free = await both(tool, domain);
    for (const { writes } of free)
      expect(writes / SECONDS, "writes a second without a transaction").to.be.above(2 * RATE);
    // Whichever began earlier, both have saved up all they may by then.
    await setTimeout(Math.max(0, FULL * 1000 - (performance.now() - begin)));
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
    const least = Math.min(...[...first, ...second].map((side) => side.tool)) / SECONDS;
    expect(least, "the tool's writes a second").to.be.above(RATE);
    const figures = [first, second].map(([theirs, ours]) => `${theirs.writes} and ${ours.writes}`);
    return `theirs and ours: ${figures.join(", ")}; the tool's: ${least.toFixed(0)} a second at least`;
  });
}

/** Theirs, then ours; both at once. */
function both(tool: Pair, domain: Pair): Promise<[Flooded, Flooded]> {
  return Promise.all([floodOne(tool.theirs, domain.theirs), floodOne(tool.ours, domain.ours)]);
}

async function floodOne(tool: Conversation, domain: Conversation): Promise<Flooded> {
  const end = performance.now() + SECONDS * 1000;
  const [writes, others] = await Promise.all([writeUntil(domain, end), writeUntil(tool, end)]);
  return { writes, tool: others };
}

async function writeUntil(who: Conversation, end: number): Promise<number> {
  let count = 0;
  for (; performance.now() < end; count++) {
    // The second write of a node is one change; the first would be two, with its parent's.
    expect((await who.ask(request(XS.WRITE, `flood\0${count}`))).at(-1)).to.match(/^WRITE .*"OK\|"$/);
  }
  return count;
}

function request(type: number, payload: string): Request {
  return { type, payload, transaction: 0 };
}
