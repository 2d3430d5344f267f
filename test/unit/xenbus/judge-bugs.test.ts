// Tests the judge: each bug that a rule of the xenbus stands against, planted from outside, is found.

import { Places, type Runnable, type Scheduler } from "@pvscsi/wire";
import type { InProcessDomain, Port } from "@pvscsi/xen";
import { MessageCursors, MessageType } from "@pvscsi/xenbus";
import { expect } from "chai";
import { type Publish, RingTraffic } from "../../support/ring-traffic.js";
import { messageEnd, type Tamper } from "../../support/xenbus-world.js";
import { type Judge, type Plants, runJudge } from "./judge.js";
import { Stand } from "./stand.js";

const SEEDS = [1, 2, 3];
const STEPS = 20_000;

/** A value that the model does not allow, whatever is wrong with it: which is seen first depends on the seed. */
const WRONG = /sees \d+ in cell|is nobody's/;

/** What the judge says of a world with a bug in it, by seed. */
async function verdicts(plants: Plants): Promise<string[]> {
  const said: string[] = [];
  for (const seed of SEEDS) {
    said.push(
      await runJudge(seed, STEPS, plants).then(
        () => "held",
        (error: Error) => error.message,
      ),
    );
  }
  return said;
}

function expectFound(said: readonly string[], what: RegExp): void {
  for (const words of said) expect(words).to.match(what);
}

/** A publication whose bytes are taken at the end of the turn. */
class LatePublication implements Runnable {
  readonly #ranges = new Places();

  constructor(
    readonly domain: InProcessDomain,
    readonly port: Port,
    ranges: Places,
  ) {
    this.#ranges.select(ranges, 0, ranges.length);
  }

  run(): void {
    if (!this.domain.closed) this.domain.publish(this.port, this.#ranges, true);
  }
}

/** Ranges of one page that follow each other, as the box around them. */
function boxes(ranges: Places): Places {
  const joined = new Places();
  for (let i = 0; i < ranges.count; ) {
    const page = ranges.page(i);
    let [from, to] = [ranges.offset(i), ranges.offset(i) + ranges.size(i)];
    for (i += 1; i < ranges.count && ranges.page(i) === page; i++) {
      from = Math.min(from, ranges.offset(i));
      to = Math.max(to, ranges.offset(i) + ranges.size(i));
    }
    joined.add(page, from, to - from);
  }
  return joined;
}

/** Every range rounded to whole words of 4 bytes. */
function rounded(ranges: Places): Places {
  const whole = new Places();
  for (let i = 0; i < ranges.count; i++) {
    const from = ranges.offset(i) & ~3;
    whole.add(ranges.page(i), from, ((ranges.offset(i) + ranges.size(i) + 3) & ~3) - from);
  }
  return whole;
}

/** A hub for which every generation is the right one. */
function anyGeneration(judge: Judge): Tamper {
  return (frame, id, direction) => {
    const { hub } = judge.world;
    if (direction === "down") return frame;
    for (let at = 0; at < frame.length; at = messageEnd(frame, at)) {
      if (frame[at] !== MessageType.range) continue;
      const { range } = new MessageCursors(frame.subarray(at));
      const owner = hub.hypervisor.find(range.domain);
      const entry = owner && hub.shared.find(owner, range.reference);
      if (entry?.live && entry.to === id && entry.writable) range.generation = entry.generation;
    }
    return frame;
  };
}

/** An event only where the ring's own test, made on a copy, wants one. */
const obeying: Publish = (domain, port, ranges, wanted) => domain.publish(wanted ? port : 0, ranges, wanted);

/** How many of a thousand requests are answered. */
async function answered(seed: number, publish?: Publish): Promise<number> {
  const stand = new Stand(seed);
  const traffic = await RingTraffic.between(await stand.join(1), await stand.join(2), stand, publish);
  traffic.ask(1000);
  await stand.settle();
  return traffic.answered;
}

describe("xenbus: the judge finds", () => {
  it("a ring that obeys what the other end wanted, as far as it knows", async () => {
    for (const seed of SEEDS) expect(await answered(seed, obeying), `seed ${seed}`).to.be.below(1000);
    for (const seed of SEEDS) expect(await answered(seed), `seed ${seed}`).to.equal(1000);
  });

  it("bytes that are gathered at the end of the turn", async () => {
    const publish = (domain: InProcessDomain, port: Port, ranges: Places, _: boolean, scheduler: Scheduler) =>
      scheduler.soon(new LatePublication(domain, port, ranges));
    expectFound(await verdicts({ publish }), /not published|was seen before|was published/);
  }).timeout(20_000);

  it("ranges that are joined over a gap", async () => {
    const said = await verdicts({ publish: (domain, port, ranges) => domain.publish(port, boxes(ranges), true) });
    expectFound(said, WRONG);
  }).timeout(20_000);

  it("ranges that are rounded", async () => {
    const said = await verdicts({ publish: (domain, port, ranges) => domain.publish(port, rounded(ranges), true) });
    expectFound(said, WRONG);
  }).timeout(20_000);

  it("a generation that is not looked at", async () => {
    expectFound(
      await verdicts({ tamper: anyGeneration }),
      /belongs elsewhere|went back|before the grant|as zeros|its writer wrote/,
    );
  }).timeout(20_000);

  it("a mirror that is used again as it was", async () => {
    const mapped = (bytes: Uint8Array) => {
      bytes.fill = () => bytes;
    };
    expectFound(await verdicts({ mapped }), /as zeros|belongs elsewhere|before the grant/);
  }).timeout(20_000);

  it("nothing where there is no bug", async () => {
    expect(await verdicts({})).to.deep.equal(SEEDS.map(() => "held"));
  }).timeout(20_000);
});
