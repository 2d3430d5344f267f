// Knows how one contender is measured for a while under one workload. Knows no transport and prints nothing.
// An operation may take less than a microsecond: the clock is read for a few of them only, and for all that take longer.

import { createHistogram } from "node:perf_hooks";
import type { Clock, Runnable, Scheduler } from "@pvscsi/wire";
import type { Slot } from "./contender.js";

/** What a round reads besides its contender. */
export interface Instruments {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** Microseconds of processor time used by this process, all threads. */
  readonly processor: () => number;
}

/** What a round does, and for how long. */
export interface RoundPlan {
  /** What the contender is called in errors. */
  readonly name: string;
  /** All of them are kept busy. */
  readonly slots: readonly Slot[];
  /** Where operations begin, in bytes; gone through from the start, again and again. */
  readonly positions: Float64Array;
  /** Bytes an operation. */
  readonly size: number;
  readonly milliseconds: number;
}

export interface Figures {
  readonly operations: number;
  readonly perSecond: number;
  /** 10^6 bytes. */
  readonly megabytesPerSecond: number;
  readonly medianMicroseconds: number;
  readonly p99Microseconds: number;
  /** Processor time of an operation, of both ends. */
  readonly processorMicroseconds: number;
}

/** Operations begun between two chances for the event loop, if they complete at once. */
const BURST = 256;
/** Of operations below `LARGE` bytes one of so many is timed: no divisor of a usual depth, so that all slots have turns. */
const SAMPLED = 17;
const LARGE = 65536;
const NANOSECONDS = 1e6;
const NOT_TIMED = -1;

/** Keeps the plan's slots busy for its time. Rejects when an operation fails, after all others have ended. */
export function runRound(plan: RoundPlan, instruments: Instruments): Promise<Figures> {
  return new Promise((resolve, reject) => new Round(plan, instruments, resolve, reject).start());
}

class Round implements Runnable {
  readonly #plan: RoundPlan;
  readonly #instruments: Instruments;
  readonly #resolve: (figures: Figures) => void;
  readonly #reject: (error: Error) => void;
  readonly #histogram = createHistogram();
  readonly #idle: Slot[] = [];
  /** Operations from one that is timed to the next. */
  readonly #interval: number;
  readonly #began: number;
  readonly #processorAtStart: number;
  #untilTimed = 0;
  #position = 0;
  #operations = 0;
  #starting = false;
  #over = false;
  #failure: string | null = null;

  constructor(
    plan: RoundPlan,
    instruments: Instruments,
    resolve: (figures: Figures) => void,
    reject: (error: Error) => void,
  ) {
    this.#plan = plan;
    this.#instruments = instruments;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#interval = plan.size < LARGE ? SAMPLED : 1;
    this.#processorAtStart = instruments.processor();
    this.#began = instruments.clock.now();
  }

  start(): void {
    const ended = (slot: Slot): void => this.#ended(slot);
    for (const slot of this.#plan.slots) {
      slot.ended = ended;
      this.#idle.push(slot);
    }
    this.run();
  }

  /** Begins what is idle. An operation that completes at once makes its slot idle again inside the loop: no recursion. */
  run(): void {
    if (this.#starting) return;
    this.#starting = true;
    for (let left = BURST; left > 0 && this.#idle.length > 0 && !this.#over; left--) {
      this.#begin(this.#idle.pop() as Slot);
    }
    this.#starting = false;
    if (!this.#over) {
      if (this.#idle.length > 0) this.#instruments.scheduler.soon(this);
    } else if (this.#idle.length === this.#plan.slots.length) {
      this.#finish();
    }
  }

  #begin(slot: Slot): void {
    const { positions } = this.#plan;
    const offset = positions[this.#position];
    this.#position = this.#position + 1 < positions.length ? this.#position + 1 : 0;
    slot.startedAt = this.#isTimed() ? this.#instruments.clock.now() : NOT_TIMED;
    slot.start(offset);
  }

  #isTimed(): boolean {
    this.#untilTimed -= 1;
    if (this.#untilTimed > 0) return false;
    this.#untilTimed = this.#interval;
    return true;
  }

  #ended(slot: Slot): void {
    this.#operations += 1;
    if (slot.startedAt >= 0) this.#time(slot.startedAt);
    if (slot.failure !== null) this.#fail(slot.failure);
    this.#idle.push(slot);
    this.run();
  }

  /** The same look at the clock tells whether the time is over. */
  #time(startedAt: number): void {
    const now = this.#instruments.clock.now();
    this.#histogram.record(Math.max(1, Math.round((now - startedAt) * NANOSECONDS)));
    if (now >= this.#began + this.#plan.milliseconds) this.#over = true;
  }

  #fail(reason: string): void {
    this.#failure ??= reason;
    this.#over = true;
  }

  #finish(): void {
    const operations = this.#operations;
    const seconds = (this.#instruments.clock.now() - this.#began) / 1000;
    const processor = this.#instruments.processor() - this.#processorAtStart;
    if (this.#failure !== null) return this.#reject(new Error(`${this.#plan.name}: ${this.#failure}`));
    this.#resolve({
      operations,
      perSecond: operations / seconds,
      megabytesPerSecond: (operations * this.#plan.size) / seconds / 1e6,
      medianMicroseconds: this.#histogram.percentile(50) / 1000,
      p99Microseconds: this.#histogram.percentile(99) / 1000,
      processorMicroseconds: processor / operations,
    });
  }
}
