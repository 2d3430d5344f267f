// Knows how two xenstoreds are asked the same by the same: every reply and every event of one has to be that of the other.

import { nullProbes, type Random, seededRandom } from "@pvscsi/wire";
import { Xenstored, XS } from "@pvscsi/xen";
import { expect } from "chai";
import { realClock, realScheduler } from "../../support/node-platform.js";
import { Conversation, type Request, wordsOf } from "./conversation.js";
import { ownLine, PageLine, socketLine } from "./lines.js";
import { DOMAINS, randomRequest, SHARED } from "./random-requests.js";
import type { RunningXenstored } from "./real-xenstored.js";

/** One connection, to both. */
export interface Pair {
  readonly name: string;
  readonly theirs: Conversation;
  readonly ours: Conversation;
}

const QUIET: Request = { type: XS.DIRECTORY, payload: `${SHARED}\0`, transaction: 0 };

/** Asks `count` random requests of a tool and of two domains; rejects with the first that is answered otherwise. */
export function askBoth(real: RunningXenstored, seed: number, count: number): Promise<void> {
  return withBoth(real, async (pairs) => {
    const random = seededRandom(seed);
    for (let step = 0; step < count; step++) await askOne(pairs, random, `seed ${seed}, step ${step}`);
  });
}

/** Connects a tool and, behind it, two domains that have homes, to that xenstored and to a new one of ours; `body` has them until it ends. */
export async function withBoth<Result>(
  real: RunningXenstored,
  body: (pairs: readonly Pair[]) => Promise<Result>,
): Promise<Result> {
  const xenstored = new Xenstored({ scheduler: realScheduler, clock: realClock, probes: nullProbes });
  const tool: Pair = {
    name: "the tool",
    theirs: new Conversation(socketLine(real.socket)),
    ours: new Conversation(ownLine(xenstored, { domain: 0, privileged: true })),
  };
  const pairs = [tool];
  try {
    for (const domain of DOMAINS) {
      await introduce(tool, domain);
      const theirs = new Conversation(new PageLine(real.folder, domain));
      const ours = new Conversation(ownLine(xenstored, { domain, privileged: false }));
      pairs.push({ name: `domain ${domain}`, theirs, ours });
    }
    return await body(pairs);
  } finally {
    for (const { theirs, ours } of pairs) {
      theirs.close();
      ours.close();
    }
  }
}

async function introduce(tool: Pair, domain: number): Promise<void> {
  const home = `/local/domain/${domain}`;
  await compare(tool, { type: XS.INTRODUCE, payload: `${domain}\x001\x001\0`, transaction: 0 }, "at first");
  await compare(tool, { type: XS.MKDIR, payload: `${home}\0`, transaction: 0 }, "at first");
  await compare(tool, { type: XS.SET_PERMS, payload: `${home}\0n${domain}\0`, transaction: 0 }, "at first");
}

/** What the others have heard of it comes before the reply to what they ask next. */
async function askOne(pairs: readonly Pair[], random: Random, when: string): Promise<void> {
  const asker = pairs[random.below(pairs.length)];
  const request = randomRequest(random);
  await compare(asker, request, when);
  const after = `${when}, after ${asker.name} asked ${wordsOf(request)}`;
  for (const pair of pairs) if (pair !== asker) await compare(pair, QUIET, after);
}

async function compare({ name, theirs, ours }: Pair, request: Request, when: string): Promise<void> {
  const [golden, heard] = await Promise.all([theirs.ask(request), ours.ask(request)]);
  expect(heard, `${when}: ${name}: ${wordsOf(request)}`).to.deep.equal(golden);
}
