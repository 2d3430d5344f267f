// Knows how to keep records for reuse, and to notice one that is given back twice or never.

import { assert } from "./errors.js";

/** Records that are taken, used and given back. It grows on demand and never shrinks. */
export class Pool<Item extends { pooled: boolean }> {
  readonly #free: Item[] = [];
  readonly #make: () => Item;
  /** Records taken and not yet given back. */
  taken = 0;

  constructor(make: () => Item) {
    this.#make = make;
  }

  take(): Item {
    const item = this.#free.pop() ?? this.#make();
    item.pooled = false;
    this.taken += 1;
    return item;
  }

  giveBack(item: Item): void {
    assert(!item.pooled, "a record was given back twice");
    item.pooled = true;
    this.taken -= 1;
    this.#free.push(item);
  }
}
