// Knows IN_ORDER at the device: chains are given back in the order in which they were taken, several by one entry
// where that says all there is to say of them (virtio 1.3, 2.7.9).

import { ChainState } from "./chain.js";

export class UsedOrder {
  /** The entry of the used ring that `next` found: it names the last of `count` chains, of which `written` bytes. */
  head = 0;
  written = 0;
  count = 0;
  /** By head, a ChainState; the queue's own. */
  readonly #states: Uint8Array;
  readonly #heads: Uint16Array;
  readonly #written: Float64Array;
  /** Whether the device wrote all of it: that is what a driver takes a chain without an entry for. */
  readonly #whole: Uint8Array;
  readonly #mask: number;
  #taken = 0;
  #retired = 0;

  /** Over the states of a ring's chains; their number is a power of two. */
  constructor(states: Uint8Array) {
    const size = states.length;
    this.#states = states;
    this.#heads = new Uint16Array(size);
    this.#written = new Float64Array(size);
    this.#whole = new Uint8Array(size);
    this.#mask = size - 1;
  }

  taken(head: number): void {
    this.#heads[this.#taken & this.#mask] = head;
    this.#taken = (this.#taken + 1) >>> 0;
  }

  finished(head: number, written: number, whole: boolean): void {
    this.#states[head] = ChainState.finished;
    this.#written[head] = written;
    this.#whole[head] = whole ? 1 : 0;
  }

  /** Finds the next entry to write; false while the oldest chain is not finished. */
  next(): boolean {
    this.count = 0;
    while (this.#retired !== this.#taken) {
      const head = this.#heads[this.#retired & this.#mask];
      if (this.#states[head] !== ChainState.finished) break;
      this.#states[head] = ChainState.driver;
      this.#retired = (this.#retired + 1) >>> 0;
      this.head = head;
      this.written = this.#written[head];
      this.count += 1;
      if (this.#whole[head] === 0) break;
    }
    return this.count > 0;
  }
}
