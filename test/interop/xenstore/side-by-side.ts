// Knows how two xenstoreds are asked the same by the same: every reply and every event of one has to be that of the other.

import { nullProbes, type Random, seededRandom } from "@pvscsi/wire";
import { Xenstored, XS } from "@pvscsi/xen";
import { expect } from "chai";
import { realClock, realScheduler } from "../../support/node-platform.js";
import { Conversation, type Request, wordsOf } from "./conversation.js";
import { ownLine, PageLine, socketLine } from "./lines.js";
import { DOMAINS, randomRequest, SHARED } from "./random-requests.js";
import type { RunningXenstored } from "./real-xenstored.js";

/** Of all steps. */
const RELEASES = 0.004;

/** One connection, to both. */
export interface Pair {
  readonly name: string;
  readonly theirs: Conversation;
  readonly ours: Conversation;
}

const QUIET: Request = { type: XS.DIRECTORY, payload: `${SHARED}\0`, transaction: 0 };

/** A xenstored of theirs and a new one of ours, with a tool and, behind it, domains that have homes, each connected to both. */
export class BothStores {
  readonly tool: Pair;
  readonly #domains = new Map<number, Pair>();
  readonly #real: RunningXenstored;
  readonly #own = new Xenstored({ scheduler: realScheduler, clock: realClock, probes: nullProbes });

  private constructor(real: RunningXenstored) {
    this.#real = real;
    this.tool = {
      name: "the tool",
      theirs: new Conversation(socketLine(real.socket)),
      ours: new Conversation(ownLine(this.#own, { domain: 0, privileged: true })),
    };
  }

  /** `body` has them until it ends. */
  static async with<Result>(real: RunningXenstored, body: (both: BothStores) => Promise<Result>): Promise<Result> {
    const both = new BothStores(real);
    try {
      for (const domain of DOMAINS) await both.#introduce(domain, "at first");
      return await body(both);
    } finally {
      for (const pair of both.pairs) close(pair);
    }
  }

  get pairs(): readonly Pair[] {
    return [this.tool, ...this.#domains.values()];
  }

  /** One of DOMAINS. */
  domain(number: number): Pair {
    return this.#domains.get(number) ?? expect.fail(`there is no domain ${number}`);
  }

  /** Ends a domain, and introduces another one with its number. */
  async renew(number: number, when: string): Promise<void> {
    await this.#release(number, when);
    close(this.domain(number));
    this.#domains.delete(number);
    await this.#introduce(number, when);
    await compareQuiet(this.pairs, `${when}, after domain ${number} was released and introduced`);
  }

  /** Where that domain's connection is the next it looks after, 4.17 answers first and tells of its end then. */
  async #release(domain: number, when: string): Promise<void> {
    const { theirs, ours } = this.tool;
    const release = { type: XS.RELEASE, payload: `${domain}\0`, transaction: 0 };
    const ask = async (side: Conversation) => [...(await side.ask(release)), ...(await side.ask(QUIET))];
    const isEvent = (line: string) => line.startsWith("WATCH_EVENT");
    const sorted = (heard: string[]) =>
      [...heard.filter(isEvent), ...heard.filter((line) => !isEvent(line))].join("\n");
    const [golden, heard] = await Promise.all([ask(theirs), ask(ours)]);
    expect(sorted(heard), `${when}: the tool: ${wordsOf(release)}`).to.equal(sorted(golden));
  }

  /** Its home first: see note 19 for what a domain may inherit when nothing is written between two with the same number. */
  async #introduce(domain: number, when: string): Promise<void> {
    const home = `/local/domain/${domain}`;
    await compare(this.tool, { type: XS.WRITE, payload: `${home}\0`, transaction: 0 }, when);
    await compare(this.tool, { type: XS.INTRODUCE, payload: `${domain}\x001\x001\0`, transaction: 0 }, when);
    await compare(this.tool, { type: XS.SET_PERMS, payload: `${home}\0n${domain}\0`, transaction: 0 }, when);
    const theirs = new Conversation(new PageLine(this.#real.folder, domain));
    const ours = new Conversation(ownLine(this.#own, { domain, privileged: false }));
    this.#domains.set(domain, { name: `domain ${domain}`, theirs, ours });
  }
}

/**
 * Asks `count` random requests of a tool and of two domains; rejects with the first that is answered otherwise. The domains come and
 * go with every other seed; with the others one may act for another, which 4.17 then does not release.
 */
export function askBoth(real: RunningXenstored, seed: number, count: number): Promise<void> {
  const release = seed % 2 === 1;
  return BothStores.with(real, async (both) => {
    const random = seededRandom(seed);
    for (let step = 0; step < count; step++) {
      const when = `seed ${seed}, step ${step}`;
      if (release && random.chance(RELEASES)) await both.renew(DOMAINS[random.below(DOMAINS.length)], when);
      else await askOne(both.pairs, randomRequest(random, !release), random, when);
    }
  });
}

/** What each has heard of it comes before the reply to what it asks next: nothing is on its way when the next is asked. */
async function askOne(pairs: readonly Pair[], request: Request, random: Random, when: string): Promise<void> {
  const asker = pairs[random.below(pairs.length)];
  await compare(asker, request, when);
  await compareQuiet(pairs, `${when}, after ${asker.name} asked ${wordsOf(request)}`);
}

async function compareQuiet(pairs: readonly Pair[], when: string): Promise<void> {
  for (const pair of pairs) await compare(pair, QUIET, when);
}

function close({ theirs, ours }: Pair): void {
  theirs.close();
  ours.close();
}

async function compare({ name, theirs, ours }: Pair, request: Request, when: string): Promise<void> {
  const [golden, heard] = await Promise.all([theirs.ask(request), ours.ask(request)]);
  // As text, as the difference is told whole.
  expect(heard.join("\n"), `${when}: ${name}: ${wordsOf(request)}`).to.equal(golden.join("\n"));
}
