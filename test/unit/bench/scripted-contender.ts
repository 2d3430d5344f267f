// Knows a contender that does nothing but let time pass, as a test wants it, and counts what it is asked for.

import type { Contender, Instruments, Slot, Workload } from "@pvscsi/bench";
import { Simulation, seededRandom } from "@pvscsi/wire";

/** How long an operation takes: `at-once` completes inside `start`, after the clock has gone on. */
export interface Behaviour {
  readonly microseconds: number;
  readonly completion: "at-once" | "later";
  /** Operations that fail, counted from 1. */
  readonly failing?: readonly number[];
  readonly depth?: number;
  readonly size?: number;
}

/** A clock that contenders can push on, and a count of how often it was read. */
export class BenchWorld {
  readonly simulation = new Simulation(seededRandom(1));
  reads = 0;
  #skipped = 0;

  /** Time passes inside an operation. */
  pass(microseconds: number): void {
    this.#skipped += microseconds / 1000;
  }

  readonly instruments: Instruments = {
    clock: {
      now: () => {
        this.reads += 1;
        return this.simulation.now() + this.#skipped;
      },
      after: (milliseconds, runnable) => this.simulation.after(milliseconds, runnable),
      cancel: (timer) => this.simulation.cancel(timer),
    },
    scheduler: this.simulation,
    // Half of the time is the processor's.
    processor: () => (this.simulation.now() + this.#skipped) * 500,
  };

  /** Runs what is to run until the promise has ended. */
  async done<Value>(promise: Promise<Value>): Promise<Value> {
    let ended = false;
    const settled = promise.finally(() => {
      ended = true;
    });
    settled.catch(() => {});
    for (let turn = 0; !ended && turn < 10_000_000; turn++) {
      if (!this.simulation.step()) await null;
      if (turn % 64 === 0) await null;
    }
    return settled;
  }
}

export class ScriptedContender implements Contender {
  readonly name: string;
  readonly size: number;
  readonly depth: number;
  readonly offsets: number[] = [];
  underWay = 0;
  mostUnderWay = 0;
  closed = false;
  /** The deepest that completions came to lie on the stack. */
  nesting = 0;
  #nested = 0;
  readonly #world: BenchWorld;
  readonly #behaviour: Behaviour;

  constructor(name: string, world: BenchWorld, behaviour: Behaviour) {
    this.name = name;
    this.#world = world;
    this.#behaviour = behaviour;
    this.size = behaviour.size ?? 1024 * 1024;
    this.depth = behaviour.depth ?? Number.POSITIVE_INFINITY;
  }

  slots({ depth }: Workload): Slot[] {
    return Array.from({ length: depth }, () => this.#slot());
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  #slot(): Slot {
    const { microseconds, completion } = this.#behaviour;
    const slot: Slot = {
      ended: () => {},
      failure: null,
      startedAt: -1,
      start: (offset) => {
        this.offsets.push(offset);
        const number = this.offsets.length;
        this.underWay += 1;
        this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
        if (completion === "later") {
          this.#world.simulation.after(microseconds / 1000, { run: () => this.#end(slot, number) });
          return;
        }
        this.#nested += 1;
        this.nesting = Math.max(this.nesting, this.#nested);
        this.#world.pass(microseconds);
        this.#end(slot, number);
        this.#nested -= 1;
      },
    };
    return slot;
  }

  #end(slot: Slot, number: number): void {
    this.underWay -= 1;
    slot.failure = this.#behaviour.failing?.includes(number) ? `operation ${number} has failed` : null;
    slot.ended(slot);
  }
}
