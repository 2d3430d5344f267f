// Knows a first-in first-out queue that allocates nothing once it has grown.

export class Queue<Item> {
  #items: (Item | undefined)[] = new Array(16);
  #head = 0;
  length = 0;

  push(item: Item): void {
    if (this.length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.length) % this.#items.length] = item;
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
    this.#head = (this.#head + 1) % this.#items.length;
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

  #grow(): void {
    const old = this.#items;
    this.#items = new Array(old.length * 2);
    for (let i = 0; i < this.length; i++) this.#items[i] = old[(this.#head + i) % old.length];
    this.#head = 0;
  }
}
