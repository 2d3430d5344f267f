// Knows a world in which time, order and chance come from one seed: the same seed runs the same history.

import type { Clock, Runnable, Scheduler, Timer } from "./clock.js";
import type { Random } from "./random.js";

interface SimulatedTimer extends Timer {
  readonly sequence: number;
  runnable: Runnable | null;
}

/**
 * A clock and a scheduler over one queue. Work that is ready runs in an order drawn from `random`; time stands still
 * while anything is ready and then jumps to the next timer. A record queued several times keeps its count, and as all
 * order between *different* records is up for grabs, whoever needs order keeps a queue of its own behind one record.
 */
export class Simulation implements Clock, Scheduler {
  #now = 0;
  #sequence = 0;
  readonly #ready: Runnable[] = [];
  readonly #timers: SimulatedTimer[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  now(): number {
    return this.#now;
  }

  soon(runnable: Runnable): void {
    this.#ready.push(runnable);
  }

  after(milliseconds: number, runnable: Runnable): Timer {
    const timer: SimulatedTimer = { due: this.#now + Math.max(0, milliseconds), sequence: this.#sequence++, runnable };
    this.#timers.push(timer);
    siftUp(this.#timers, this.#timers.length - 1);
    return timer;
  }

  cancel(timer: Timer): void {
    (timer as SimulatedTimer).runnable = null;
  }

  /** Runs one ready record, or the next timer when none is ready; false when nothing is left to run. */
  step(): boolean {
    if (this.#ready.length > 0) {
      this.#takeReady().run();
      return true;
    }
    for (;;) {
      const timer = takeFirst(this.#timers);
      if (timer === undefined) return false;
      if (timer.runnable === null) continue;
      this.#now = Math.max(this.#now, timer.due);
      timer.runnable.run();
      return true;
    }
  }

  /** True while anything is ready at the present moment. */
  get busy(): boolean {
    return this.#ready.length > 0;
  }

  #takeReady(): Runnable {
    const index = this.#random.below(this.#ready.length);
    const runnable = this.#ready[index];
    const last = this.#ready.pop() as Runnable;
    if (index < this.#ready.length) this.#ready[index] = last;
    return runnable;
  }
}

function before(a: SimulatedTimer, b: SimulatedTimer): boolean {
  return a.due < b.due || (a.due === b.due && a.sequence < b.sequence);
}

function siftUp(heap: SimulatedTimer[], index: number): void {
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!before(heap[index], heap[parent])) return;
    [heap[index], heap[parent]] = [heap[parent], heap[index]];
    index = parent;
  }
}

function takeFirst(heap: SimulatedTimer[]): SimulatedTimer | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  heap[0] = last;
  for (let index = 0; ; ) {
    const left = 2 * index + 1;
    const right = left + 1;
    let least = index;
    if (left < heap.length && before(heap[left], heap[least])) least = left;
    if (right < heap.length && before(heap[right], heap[least])) least = right;
    if (least === index) return first;
    [heap[index], heap[least]] = [heap[least], heap[index]];
    index = least;
  }
}
