// Knows how contenders are compared: in turns, round by round, so that a machine that changes its speed changes all of
// them. The ratio of a round is taken against the bound of the same round.

import type { Contender } from "./contender.js";
import { type Figures, type Instruments, runRound } from "./round.js";
import type { Workload } from "./workload.js";

export interface ComparisonOptions {
  /** The first contender is the bound. */
  readonly contenders: readonly Contender[];
  readonly workloads: readonly Workload[];
  readonly rounds: number;
  /** Milliseconds a contender runs in a round. */
  readonly milliseconds: number;
  readonly instruments: Instruments;
  /** Hears of each workload that is done. */
  readonly done?: (rows: readonly Row[]) => void;
}

/** One contender under one workload: medians over the rounds. */
export interface Row extends Figures {
  readonly workload: string;
  readonly contender: string;
  /** Operations per second over those of the bound in the same round. */
  readonly ratio: { readonly least: number; readonly median: number; readonly most: number };
}

/** Measures all; a first round that is not counted warms up. */
export async function compare(options: ComparisonOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const workload of options.workloads) {
    const measured = await compareUnder(workload, options);
    options.done?.(measured);
    rows.push(...measured);
  }
  return rows;
}

async function compareUnder(workload: Workload, options: ComparisonOptions): Promise<Row[]> {
  const { contenders, rounds, milliseconds, instruments } = options;
  const slots = contenders.map((contender) =>
    contender.slots({ ...workload, depth: Math.min(workload.depth, contender.depth) }),
  );
  const figures: Figures[][] = contenders.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      const result = await runRound(contender, slots[index], workload, milliseconds, instruments);
      if (round > 0) figures[index].push(result);
    }
  }
  return contenders.map((contender, index) => summarise(workload.name, contender.name, figures[index], figures[0]));
}

function summarise(workload: string, contender: string, own: readonly Figures[], bound: readonly Figures[]): Row {
  const of = (name: keyof Figures): number => median(own.map((figures) => figures[name]));
  const ratios = own.map((figures, round) => figures.perSecond / bound[round].perSecond);
  return {
    workload,
    contender,
    operations: own.reduce((sum, { operations }) => sum + operations, 0),
    perSecond: of("perSecond"),
    megabytesPerSecond: of("megabytesPerSecond"),
    median: of("median"),
    p99: of("p99"),
    processorPerOperation: of("processorPerOperation"),
    ratio: { least: Math.min(...ratios), median: median(ratios), most: Math.max(...ratios) },
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
