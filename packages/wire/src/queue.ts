// Knows a first-in first-out queue that allocates nothing once it has grown.

/** The number of places is a power of two, so that an index wraps by a mask. */
const FIRST_SIZE = 64;

export class Queue<Item> {
  #items: (Item | undefined)[] = new Array(FIRST_SIZE);
  #head = 0;
  length = 0;

  push(item: Item): void {
    if (this.length === this.#items.length) this.#grow();
    this.#items[this.#wrap(this.length)] = item;
    this.length += 1;
  }

  /** The oldest item; the queue must not be empty. */
  first(): Item {
    return this.#items[this.#head] as Item;
  }

  /** Takes the oldest item; the queue must not be empty. */
  shift(): Item {
    const item = this.#items[this.#head] as Item;
    this.#items[this.#head] = undefined;
    this.#head = this.#wrap(1);
    this.length -= 1;
    return item;
  }

  /** Takes `item` out wherever it stands; false when it is not there. */
  remove(item: Item): boolean {
    let found = false;
    for (let left = this.length; left > 0; left--) {
      const next = this.shift();
      if (next === item && !found) found = true;
      else this.push(next);
    }
    return found;
  }

  #wrap(offset: number): number {
    return (this.#head + offset) & (this.#items.length - 1);
  }

  #grow(): void {
    const larger: (Item | undefined)[] = new Array(this.#items.length * 2);
    for (let i = 0; i < this.length; i++) larger[i] = this.#items[this.#wrap(i)];
    this.#items = larger;
    this.#head = 0;
  }
}
