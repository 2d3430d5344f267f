// Knows how to run queued records in order, a bounded batch per turn of the platform's loop.

import type { Runnable, Scheduler } from "./clock.js";
import { Queue } from "./queue.js";

/** Records run per turn before the platform's loop gets its chance to see sockets, files and timers. */
const BATCH = 1024;

/**
 * A first-in first-out scheduler. `nextTurn` is the platform's way to run a callback after pending I/O
 * (`setImmediate` in Node); it is asked for once per batch, never once per record.
 */
export class TurnScheduler implements Scheduler {
  readonly #queue = new Queue<Runnable>();
  #requested = false;
  readonly #nextTurn: (callback: () => void) => void;
  readonly #drain = (): void => this.#run();

  constructor(nextTurn: (callback: () => void) => void) {
    this.#nextTurn = nextTurn;
  }

  soon(runnable: Runnable): void {
    this.#queue.push(runnable);
    this.#request();
  }

  #request(): void {
    if (this.#requested) return;
    this.#requested = true;
    this.#nextTurn(this.#drain);
  }

  #run(): void {
    try {
      for (let budget = BATCH; budget > 0 && this.#queue.length > 0; budget--) this.#queue.shift().run();
    } finally {
      this.#requested = false;
      if (this.#queue.length > 0) this.#request();
    }
  }
}
