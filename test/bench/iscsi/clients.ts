// Knows the two programs over libiscsi that ask servers for blocks: iscsi-perf, which reads for some seconds, and
// qemu-img bench, which writes so many blocks. Both are told the same whichever server they ask.

import type { SuiteContext } from "../../interop/suite.js";
import type { Workload } from "./workloads.js";

/** What a client has done. */
export interface Run {
  readonly operations: number;
  readonly perSecond: number;
}

const BLOCK = 512;
const MEBI = 1024 * 1024;
/** Operations of the first run of a writer, from which the length of the next follows. */
const FIRST = { small: 2000, large: 200 };

/** Asks one LUN under one workload, run after run. */
export class Client {
  readonly #context: SuiteContext;
  readonly #workload: Workload;
  readonly #url: string;
  readonly #seconds: number;
  #perSecond: number | null = null;

  constructor(context: SuiteContext, workload: Workload, url: string, seconds: number) {
    this.#context = context;
    this.#workload = workload;
    this.#url = url;
    this.#seconds = seconds;
  }

  /** Runs for about the time it was given; the first run of a writer may be shorter. */
  async run(): Promise<Run> {
    return this.#workload.operation === "read" ? await this.#read() : await this.#write();
  }

  async #read(): Promise<Run> {
    const { size, depth, pattern } = this.#workload;
    const words = ["-m", `${depth}`, "-b", `${size / BLOCK}`, "-t", `${this.#seconds}`];
    const output = await this.#context.succeed(
      "iscsi-perf",
      ...words,
      ...(pattern === "random" ? ["-r"] : []),
      this.#url,
    );
    const perSecond = readPerf(output);
    return { perSecond, operations: perSecond * this.#seconds };
  }

  async #write(): Promise<Run> {
    const { size, depth, pattern } = this.#workload;
    const small = size < MEBI / 16;
    const first = small ? FIRST.small : FIRST.large;
    const operations = this.#perSecond === null ? first : Math.max(first, Math.round(this.#perSecond * this.#seconds));
    const step = pattern === "random" ? SCATTER * size : size;
    const words = ["-d", `${depth}`, "-s", `${size}`, "-S", `${step}`, "-c", `${operations}`];
    const output = await this.#context.succeed(
      "qemu-img",
      "bench",
      "-f",
      "raw",
      "-t",
      "none",
      "-w",
      ...words,
      this.#url,
    );
    this.#perSecond = operations / readBench(output);
    return { operations, perSecond: this.#perSecond };
  }
}

/**
 * Blocks from one write to the next, at the disk's end from its start on: qemu-img draws no random numbers. Odd, so that all blocks of
 * a disk of 2^n are written before one is written again, and far from any fraction of it, so that no two follow each other.
 */
const SCATTER = 40_503;

/** Operations per second of all of a run of iscsi-perf. */
export function readPerf(output: string): number {
  const found = [...output.matchAll(/iops average (\d+)/g)].at(-1);
  if (found === undefined) throw new Error(`iscsi-perf tells no average: ${output.trim().slice(-200)}`);
  return Number(found[1]);
}

/** Seconds of a run of qemu-img bench. */
export function readBench(output: string): number {
  const found = /^Run completed in ([\d.]+) seconds\.$/m.exec(output);
  if (found === null) throw new Error(`qemu-img tells no time: ${output.trim().slice(-200)}`);
  return Number(found[1]);
}
