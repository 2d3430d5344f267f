// Knows how many timers of a clock are set.

import type { Clock, Timer } from "@pvscsi/wire";

export class CountingClock implements Clock {
  readonly #clock: Clock;
  readonly #set = new Set<Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Timers that are set and have not run. */
  get timers(): number {
    return this.#set.size;
  }

  now(): number {
    return this.#clock.now();
  }

  after(milliseconds: number, runnable: { run(): void }): Timer {
    const timer = this.#clock.after(milliseconds, {
      run: () => {
        this.#set.delete(timer);
        runnable.run();
      },
    });
    this.#set.add(timer);
    return timer;
  }

  cancel(timer: Timer): void {
    this.#set.delete(timer);
    this.#clock.cancel(timer);
  }
}
