// Knows how two threads wake each other, and how each ends the other.

/** What the driver's thread gives the device's. */
export interface Shared {
  readonly buffer: SharedArrayBuffer;
  readonly size: number;
  /** Where the three areas of the ring lie in `buffer`, and their lengths. */
  readonly offsets: readonly (readonly [at: number, length: number])[];
  readonly features: bigint;
  readonly bells: SharedArrayBuffer;
}

const WORDS = { driver: 0, device: 1, closed: 2, slept: 3 } as const;
/** Milliseconds after which nobody will be woken any more. */
const LONG = 3000;

export class Doorbell {
  static readonly BYTES = 16;
  readonly #words: Int32Array;
  readonly #own: number;

  constructor(bells: SharedArrayBuffer, whose: "driver" | "device") {
    this.#words = new Int32Array(bells);
    this.#own = WORDS[whose];
  }

  ring(): void {
    Atomics.store(this.#words, this.#own, 1);
    Atomics.notify(this.#words, this.#own);
  }

  /** Sleeps until it is rung, or was since it woke last; false when it was not for a long time. */
  wait(): boolean {
    const rung = Atomics.wait(this.#words, this.#own, 0, LONG) !== "timed-out";
    Atomics.store(this.#words, this.#own, 0);
    return rung;
  }

  get open(): boolean {
    return Atomics.load(this.#words, WORDS.closed) === 0;
  }

  /** Whether the thread that ended it had slept through something. */
  get failed(): boolean {
    return Atomics.load(this.#words, WORDS.slept) === 1;
  }

  close(failed: boolean): void {
    if (failed) Atomics.store(this.#words, WORDS.slept, 1);
    Atomics.store(this.#words, WORDS.closed, 1);
  }
}
