// Knows what was received and not yet taken, however it was cut into fragments. Knows no message.

import { copyBytes } from "./places.js";

const NONE = new Uint8Array(0);

/** Received bytes in order. Fragments are kept as they came; whoever takes bytes copies them out. */
export class Input {
  /** Bytes received and not yet taken. */
  available = 0;
  #first: Uint8Array = NONE;
  /** Bytes of the first fragment that were taken already. */
  #taken = 0;
  /** Fragments behind the first; mostly none, as what comes is taken at once. */
  readonly #rest: Uint8Array[] = [];

  push(fragment: Uint8Array): void {
    if (fragment.length === 0) return;
    if (this.available === 0) this.#first = fragment;
    else this.#rest.push(fragment);
    this.available += fragment.length;
  }

  /** Copies up to `length` bytes to `target` at `at`; returns how many there were. */
  read(target: Uint8Array, at: number, length: number): number {
    let done = 0;
    while (done < length && this.available > 0) {
      const size = this.#next(length - done);
      copyBytes(this.#first, this.#taken, target, at + done, size);
      this.#advance(size);
      done += size;
    }
    return done;
  }

  /** Drops up to `length` bytes; returns how many there were. */
  skip(length: number): number {
    let done = 0;
    while (done < length && this.available > 0) {
      const size = this.#next(length - done);
      this.#advance(size);
      done += size;
    }
    return done;
  }

  clear(): void {
    this.#first = NONE;
    this.#rest.length = 0;
    this.#taken = 0;
    this.available = 0;
  }

  #next(wanted: number): number {
    return Math.min(wanted, this.#first.length - this.#taken);
  }

  #advance(size: number): void {
    this.#taken += size;
    this.available -= size;
    if (this.#taken < this.#first.length) return;
    this.#first = this.#rest.shift() ?? NONE;
    this.#taken = 0;
  }
}

/** A message of fixed size on its way in: call `fill` until it says true, then read it, then `begin` the next. */
export class Assembly {
  readonly bytes: Uint8Array;
  #filled = 0;
  #size = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Begins a message of `size` bytes. */
  begin(size: number): void {
    this.#filled = 0;
    this.#size = size;
  }

  /** Makes the message `size` bytes long; what has come of it stays. */
  extend(size: number): void {
    this.#size = size;
  }

  /** Takes what there is of it; true once it is whole. */
  fill(input: Input): boolean {
    this.#filled += input.read(this.bytes, this.#filled, this.#size - this.#filled);
    return this.#filled === this.#size;
  }
}
