// Knows how two servers are compared: in turns, round by round, so that a machine that changes its speed changes both. A ratio is
// that of one round. Nothing here passes or fails by time.

import { loadavg } from "node:os";
import type { SuiteContext } from "../../interop/suite.js";
import { Client } from "./clients.js";
import { type ProcessorTime, processorTime } from "./processor.js";
import type { Server } from "./servers.js";
import type { Workload } from "./workloads.js";

/** What one round has found out of a server. */
export interface Figures {
  readonly perSecond: number;
  /** Microseconds of the server's processor time for one operation. */
  readonly user: number;
  readonly system: number;
}

/** What something was over the rounds. */
export interface Spread {
  readonly least: number;
  readonly median: number;
  readonly most: number;
}

export interface Summary {
  readonly perSecond: Spread;
  /** Microseconds from one operation's start to its end, the mean: by Little's law. */
  readonly microseconds: Spread;
  readonly processor: Spread;
  readonly user: Spread;
  readonly system: Spread;
}

export interface Row {
  readonly workload: string;
  readonly ours: Summary;
  readonly theirs: Summary;
  /** Ours over theirs. */
  readonly perSecondRatio: Spread;
  readonly processorRatio: Spread;
  /** The machine's load average of a minute, beside which it was measured. */
  readonly load: number;
}

export interface ComparisonOptions {
  readonly context: SuiteContext;
  readonly ours: Server;
  readonly theirs: Server;
  readonly rounds: number;
  /** Seconds of a server in a round. */
  readonly seconds: number;
}

/** Measures a row: a first run tells a writer how much it can do, and the round behind it warms up: neither counts. */
export async function compareUnder(workload: Workload, options: ComparisonOptions): Promise<Row> {
  const { context, ours, theirs, rounds, seconds } = options;
  const contenders = [theirs, ours].map((server) => ({
    server,
    client: new Client(context, workload, server.url(workload.store), seconds),
    figures: [] as Figures[],
  }));
  for (const { client } of contenders) if (workload.operation === "write") await client.run();
  for (let round = 0; round <= rounds; round++) {
    for (const { server, client, figures } of contenders) {
      const figure = await measure(server, client);
      if (round > 0) figures.push(figure);
    }
  }
  const [their, our] = contenders.map(({ figures }) => figures);
  return summarise(workload, our, their, loadavg()[0]);
}

async function measure({ pid }: Server, client: Client): Promise<Figures> {
  const before = await processorTime(pid);
  const { operations, perSecond } = await client.run();
  const after = await processorTime(pid);
  const used = (name: keyof ProcessorTime) => (after[name] - before[name]) / operations;
  return { perSecond, user: used("user"), system: used("system") };
}

/** `our` and `their` figures, of the same rounds. */
export function summarise(
  { name, depth }: Pick<Workload, "name" | "depth">,
  our: readonly Figures[],
  their: readonly Figures[],
  load: number,
): Row {
  const ratio = (of: (figures: Figures) => number) => spread(our.map((figures, i) => of(figures) / of(their[i])));
  return {
    workload: name,
    ours: summaryOf(our, depth),
    theirs: summaryOf(their, depth),
    perSecondRatio: ratio(({ perSecond }) => perSecond),
    processorRatio: ratio(processorOf),
    load,
  };
}

function summaryOf(rounds: readonly Figures[], depth: number): Summary {
  const over = (of: (figures: Figures) => number) => spread(rounds.map(of));
  return {
    perSecond: over(({ perSecond }) => perSecond),
    microseconds: over(({ perSecond }) => (depth / perSecond) * 1e6),
    processor: over(processorOf),
    user: over(({ user }) => user),
    system: over(({ system }) => system),
  };
}

function processorOf({ user, system }: Figures): number {
  return user + system;
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { least: sorted[0], median, most: sorted[sorted.length - 1] };
}
