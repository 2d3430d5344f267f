// Knows how to run queued records in order, a bounded batch per turn of the platform's loop.

import type { Runnable, Scheduler } from "./clock.js";

/** Records run per turn before the platform's loop gets its chance to see sockets, files and timers. */
const BATCH = 1024;

/**
 * A first-in first-out scheduler. `nextTurn` is the platform's way to run a callback after pending I/O
 * (`setImmediate` in Node); it is asked for once per batch, never once per record.
 */
export class TurnScheduler implements Scheduler {
  #queue: Runnable[] = new Array(64);
  #head = 0;
  #length = 0;
  #requested = false;
  readonly #nextTurn: (callback: () => void) => void;
  readonly #drain = (): void => this.#run();

  constructor(nextTurn: (callback: () => void) => void) {
    this.#nextTurn = nextTurn;
  }

  soon(runnable: Runnable): void {
    if (this.#length === this.#queue.length) this.#grow();
    this.#queue[(this.#head + this.#length) & (this.#queue.length - 1)] = runnable;
    this.#length += 1;
    this.#request();
  }

  #request(): void {
    if (this.#requested) return;
    this.#requested = true;
    this.#nextTurn(this.#drain);
  }

  #run(): void {
    try {
      for (let budget = BATCH; budget > 0 && this.#length > 0; budget--) this.#take().run();
    } finally {
      this.#requested = false;
      if (this.#length > 0) this.#request();
    }
  }

  #take(): Runnable {
    const runnable = this.#queue[this.#head];
    this.#queue[this.#head] = IDLE;
    this.#head = (this.#head + 1) & (this.#queue.length - 1);
    this.#length -= 1;
    return runnable;
  }

  #grow(): void {
    const size = this.#queue.length;
    const larger: Runnable[] = new Array(size * 2);
    for (let i = 0; i < size; i++) larger[i] = this.#queue[(this.#head + i) & (size - 1)];
    this.#queue = larger;
    this.#head = 0;
  }
}

const IDLE: Runnable = { run() {} };
