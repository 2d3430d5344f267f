// Knows IN_ORDER at the device: chains are given back in the order in which they were taken, several by one entry
// where that says all there is to say of them (virtio 1.3, 2.7.9).

/** One entry of the used ring, which stands for `count` chains of which it names the last. */
export interface UsedBatch {
  readonly head: number;
  readonly written: number;
  readonly count: number;
}

export class UsedOrder {
  readonly #heads: Uint16Array;
  readonly #finished: Uint8Array;
  readonly #written: Float64Array;
  /** Whether the device wrote all of it: that is what a driver takes a chain without an entry for. */
  readonly #whole: Uint8Array;
  #taken = 0;
  #retired = 0;

  /** For a ring of `size` descriptors, a power of two. */
  constructor(size: number) {
    this.#heads = new Uint16Array(size);
    this.#finished = new Uint8Array(size);
    this.#written = new Float64Array(size);
    this.#whole = new Uint8Array(size);
  }

  taken(head: number): void {
    this.#heads[this.#taken % this.#heads.length] = head;
    this.#taken += 1;
  }

  finished(head: number, written: number, whole: boolean): void {
    this.#finished[head] = 1;
    this.#written[head] = written;
    this.#whole[head] = whole ? 1 : 0;
  }

  /** The next entry to write; null while the oldest chain is not finished. */
  next(): UsedBatch | null {
    let count = 0;
    let head = 0;
    for (let at = this.#retired; at < this.#taken; at++) {
      const candidate = this.#heads[at % this.#heads.length];
      if (this.#finished[candidate] === 0) break;
      head = candidate;
      this.#finished[head] = 0;
      count += 1;
      if (this.#whole[head] === 0) break;
    }
    if (count === 0) return null;
    this.#retired += count;
    return { head, written: this.#written[head], count };
  }
}
