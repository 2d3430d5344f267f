// Knows how one contender is measured for a while with one workload. Knows no transport and prints nothing.

import { createHistogram } from "node:perf_hooks";
import type { Clock, Random, Runnable, Scheduler } from "@pvscsi/wire";
import type { Contender, Slot } from "./contender.js";
import type { Workload } from "./workload.js";

/** What a round reads besides its contender. */
export interface Instruments {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Microseconds of processor time used by this process, all threads. */
  readonly processor: () => number;
}

export interface Figures {
  readonly operations: number;
  readonly perSecond: number;
  readonly megabytesPerSecond: number;
  /** Microseconds. */
  readonly median: number;
  readonly p99: number;
  /** Microseconds of processor time, of both ends. */
  readonly processorPerOperation: number;
}

/** Operations begun between two looks at the clock's end and at the event loop. */
const BURST = 256;
const NANOSECONDS = 1e6;

/** Keeps `workload.depth` operations under way for `milliseconds`. */
export function runRound(
  contender: Contender,
  slots: readonly Slot[],
  workload: Workload,
  milliseconds: number,
  instruments: Instruments,
): Promise<Figures> {
  return new Promise((resolve) => new Round(contender, slots, workload, milliseconds, instruments, resolve).start());
}

class Round implements Runnable {
  readonly #slots: readonly Slot[];
  readonly #workload: Workload;
  readonly #instruments: Instruments;
  readonly #resolve: (figures: Figures) => void;
  readonly #histogram = createHistogram();
  readonly #positions: number;
  readonly #end: number;
  readonly #began: number;
  readonly #processorAtStart: number;
  readonly #idle: Slot[] = [];
  #next = 0;
  #operations = 0;
  #running = false;

  constructor(
    contender: Contender,
    slots: readonly Slot[],
    workload: Workload,
    milliseconds: number,
    instruments: Instruments,
    resolve: (figures: Figures) => void,
  ) {
    this.#slots = slots;
    this.#workload = workload;
    this.#instruments = instruments;
    this.#resolve = resolve;
    this.#positions = Math.floor(contender.size / workload.size);
    this.#began = instruments.clock.now();
    this.#end = this.#began + milliseconds;
    this.#processorAtStart = instruments.processor();
  }

  start(): void {
    for (const slot of this.#slots) {
      slot.ended = (ended) => this.#ended(ended);
      this.#idle.push(slot);
    }
    this.run();
  }

  /** Begins what is idle. An operation that completes at once makes its slot idle again inside the loop: no recursion. */
  run(): void {
    if (this.#running) return;
    this.#running = true;
    let now = this.#instruments.clock.now();
    for (let left = BURST; left > 0 && this.#idle.length > 0 && now < this.#end; left--) {
      const slot = this.#idle.pop() as Slot;
      slot.startedAt = now;
      slot.start(this.#position());
      now = this.#instruments.clock.now();
    }
    this.#running = false;
    if (now < this.#end) {
      if (this.#idle.length > 0) this.#instruments.scheduler.soon(this);
    } else if (this.#idle.length === this.#slots.length) {
      this.#finish(now);
    }
  }

  #ended(slot: Slot): void {
    const took = this.#instruments.clock.now() - slot.startedAt;
    this.#histogram.record(Math.max(1, Math.round(took * NANOSECONDS)));
    this.#operations += 1;
    this.#idle.push(slot);
    this.run();
  }

  #position(): number {
    const { pattern, size } = this.#workload;
    if (pattern === "random") return this.#instruments.random.below(this.#positions) * size;
    this.#next = (this.#next + 1) % this.#positions;
    return this.#next * size;
  }

  #finish(now: number): void {
    const operations = this.#operations;
    const seconds = (now - this.#began) / 1000;
    this.#resolve({
      operations,
      perSecond: operations / seconds,
      megabytesPerSecond: (operations * this.#workload.size) / seconds / 1e6,
      median: this.#histogram.percentile(50) / 1000,
      p99: this.#histogram.percentile(99) / 1000,
      processorPerOperation: (this.#instruments.processor() - this.#processorAtStart) / Math.max(1, operations),
    });
  }
}
