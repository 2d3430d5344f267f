// Knows how contenders are compared: in turns, round by round, so that a machine that changes its speed changes all of
// them. The ratio of a round is taken against the bound of the same round.

import type { Random } from "@pvscsi/wire";
import type { Contender, Counts } from "./contender.js";
import { type Figures, type Instruments, type RoundPlan, runRound } from "./round.js";
import { positionsOf, type Workload } from "./workload.js";

export interface ComparisonOptions {
  /** The first contender is the bound. */
  readonly contenders: readonly Contender[];
  readonly workloads: readonly Workload[];
  readonly rounds: number;
  /** Milliseconds a contender runs in a round. */
  readonly milliseconds: number;
  readonly instruments: Instruments;
  /** Where positions come from; all contenders get the same. */
  readonly random: Random;
}

/** What a round has found out of a contender; counts are of one operation. */
interface Measured extends Figures, Counts {}

/** One contender under one workload: medians over the rounds; operations of all of them. */
export interface Row extends Measured {
  readonly workload: string;
  readonly contender: string;
  /** Operations under way at once: the workload's, or fewer where the contender takes no more. */
  readonly depth: number;
  /** Operations per second over those of the bound in the same round. */
  readonly ratio: Ratio;
  /** The same over those of the contender's own bound, where it has one that was measured too. */
  readonly ownBound?: { readonly contender: string; readonly ratio: Ratio };
}

/** What a ratio was over the rounds. */
export interface Ratio {
  readonly least: number;
  readonly median: number;
  readonly most: number;
}

/** Measures all; a first round that is not counted warms up. */
export async function compare(options: ComparisonOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const workload of options.workloads) rows.push(...(await compareUnder(workload, options)));
  return rows;
}

async function compareUnder(workload: Workload, options: ComparisonOptions): Promise<Row[]> {
  const { contenders, rounds, milliseconds, instruments, random } = options;
  const size = Math.min(...contenders.map((contender) => contender.size));
  const positions = positionsOf(workload, size, random);
  const plans = contenders.map((contender) => {
    const slots = contender.slots({ ...workload, depth: Math.min(workload.depth, contender.depth) });
    return { name: contender.name, slots, positions, size: workload.size, milliseconds };
  });
  const figures: Measured[][] = contenders.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, plan] of plans.entries()) {
      const result = await measured(contenders[index], plan, instruments);
      if (round > 0) figures[index].push(result);
    }
  }
  return plans.map(({ name, slots }, index) => {
    const { bound } = contenders[index];
    const nearest = figures[plans.findIndex((plan) => plan.name === bound)];
    return {
      workload: workload.name,
      contender: name,
      depth: slots.length,
      ...summary(figures[index]),
      ratio: ratioOf(figures[index], figures[0]),
      ...(bound !== undefined &&
        nearest && { ownBound: { contender: bound, ratio: ratioOf(figures[index], nearest) } }),
    };
  });
}

/** A round, with the processor time of the contender's other processes in its figures, and what was counted. */
async function measured(contender: Contender, plan: RoundPlan, instruments: Instruments): Promise<Measured> {
  const { elsewhere, ended, counts } = contender;
  const usedBefore = (await elsewhere?.()) ?? 0;
  const before = (await counts?.()) ?? NO_COUNTS;
  const round = runRound(plan, instruments);
  const figures = await (ended === undefined ? round : Promise.race([round, failed(plan, ended)]));
  const used = ((await elsewhere?.()) ?? 0) - usedBefore;
  return {
    ...figures,
    processorMicroseconds: figures.processorMicroseconds + used / figures.operations,
    ...perOperation(before, (await counts?.()) ?? NO_COUNTS, figures.operations),
  };
}

const NO_COUNTS: Counts = { notifications: null, grantOperations: null, copiedBytes: null };

function perOperation(before: Counts, after: Counts, operations: number): Counts {
  const difference = (name: keyof Counts): number | null => {
    const [from, to] = [before[name], after[name]];
    return from === null || to === null ? null : (to - from) / operations;
  };
  return {
    notifications: difference("notifications"),
    grantOperations: difference("grantOperations"),
    copiedBytes: difference("copiedBytes"),
  };
}

async function failed({ name }: RoundPlan, ended: Promise<string>): Promise<never> {
  throw new Error(`${name}: ${await ended}`);
}

function ratioOf(own: readonly Figures[], bound: readonly Figures[]): Ratio {
  const ratios = own.map((figures, round) => figures.perSecond / bound[round].perSecond);
  return { least: Math.min(...ratios), median: median(ratios), most: Math.max(...ratios) };
}

function summary(own: readonly Measured[]): Measured {
  const middle = (name: keyof Figures): number => median(own.map((figures) => figures[name]));
  const counted = (name: keyof Counts): number | null => {
    const values = own.map((figures) => figures[name]).filter((value) => value !== null);
    return values.length === 0 ? null : median(values);
  };
  return {
    operations: own.reduce((sum, { operations }) => sum + operations, 0),
    perSecond: middle("perSecond"),
    megabytesPerSecond: middle("megabytesPerSecond"),
    medianMicroseconds: middle("medianMicroseconds"),
    p99Microseconds: middle("p99Microseconds"),
    processorMicroseconds: middle("processorMicroseconds"),
    notifications: counted("notifications"),
    grantOperations: counted("grantOperations"),
    copiedBytes: counted("copiedBytes"),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
