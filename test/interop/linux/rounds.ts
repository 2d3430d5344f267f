// Knows how fast the disks of one Linux guest are beside each other, by fio: in turns, round by round, so that a machine that
// changes its speed changes all of them. Knows not what serves them. Nothing here passes or fails by time.

import type { SuiteContext } from "../suite.js";

export interface Workload {
  readonly name: string;
  /** Of fio. */
  readonly words: string;
}

/** A disk that takes part, by its path in the guest. */
export interface Contender {
  readonly name: string;
  readonly disk: string;
  /** Which of the contenders its ratio is taken to. */
  readonly beside: number;
}

/** A guest that runs shell text, for so many seconds at most. */
interface Shell {
  run(text: string, seconds: number): Promise<string>;
}

export interface Rounds {
  readonly guest: Shell;
  readonly contenders: readonly Contender[];
  readonly workloads: readonly Workload[];
  readonly rounds: number;
  /** MiB of each disk that are read and written. */
  readonly mebibytes: number;
}

/** Seconds of fio on one disk in a round, and those it may take besides. */
const SECONDS = 2;
const PATIENCE = 60;

/** One run. */
interface Figures {
  readonly perSecond: number;
  readonly medianMicroseconds: number;
  readonly p99Microseconds: number;
}

/** Measures all, a row for each workload and disk: medians of the rounds, ratios within the same round. */
export async function measureRounds(context: SuiteContext, rounds: Rounds): Promise<void> {
  const { contenders, workloads } = rounds;
  for (const workload of workloads) {
    const begin = performance.now();
    const figures = await compare(rounds, workload);
    const seconds = (performance.now() - begin) / 1000 / contenders.length;
    contenders.forEach(({ name, beside }, i) => {
      const figure = shown(figures[i], figures[beside]);
      context.add({ check: `${workload.name}: ${name}`, passed: true, figure, seconds });
    });
  }
}

/** Figures of each contender, round by round; a first round that is not counted fills what is behind them. */
async function compare(options: Rounds, workload: Workload): Promise<Figures[][]> {
  const { guest, contenders, rounds, mebibytes } = options;
  const figures: Figures[][] = contenders.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, { disk }] of contenders.entries()) {
      const words = `--filename=${disk} --size=${mebibytes}m ${workload.words}`;
      const result = await measure(guest, words);
      if (round > 0) figures[i].push(result);
    }
  }
  return figures;
}

async function measure(guest: Shell, words: string): Promise<Figures> {
  const common = `--name=speed --direct=1 --ioengine=libaio --lat_percentiles=1 --time_based --runtime=${SECONDS}`;
  const output = await guest.run(`fio ${common} ${words} --output-format=json`, SECONDS + PATIENCE);
  const { read, write } = JSON.parse(output.slice(output.indexOf("{"))).jobs[0];
  const { iops, lat_ns: latency } = read.total_ios > 0 ? read : write;
  const microseconds = (percentile: string) => latency.percentile[percentile] / 1000;
  return {
    perSecond: iops,
    medianMicroseconds: microseconds("50.000000"),
    p99Microseconds: microseconds("99.000000"),
  };
}

function shown(own: readonly Figures[], baseline: readonly Figures[]): string {
  const middle = (name: keyof Figures) => median(own.map((figures) => figures[name])).toFixed(0);
  const ratios = own.map(({ perSecond }, round) => perSecond / baseline[round].perSecond);
  const spread = `${Math.min(...ratios).toFixed(2)}..${Math.max(...ratios).toFixed(2)}`;
  const latency = `p50 ${middle("medianMicroseconds")} us, p99 ${middle("p99Microseconds")} us`;
  return `${middle("perSecond")} IOPS, ${latency}, ratio ${median(ratios).toFixed(2)} (${spread})`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
