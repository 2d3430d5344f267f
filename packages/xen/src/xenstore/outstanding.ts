// Knows which requests are outstanding: answered, but not all that they have caused has left xenstored. Knows no bytes.

/** How many requests of a domain, or of one privileged connection, are outstanding. */
export class Outstanding {
  count = 0;
  readonly #freed = new Set<() => void>();

  /** Calls `freed` whenever a request is outstanding no more, until the returned function is called. */
  onFreed(freed: () => void): () => void {
    this.#freed.add(freed);
    return () => this.#freed.delete(freed);
  }

  /** One is not outstanding any more. */
  free(): void {
    this.count -= 1;
    for (const freed of this.#freed) freed();
  }
}

/**
 * One request: outstanding as long as its reply waits to be sent, or an event of what it did, to whomever. So a guest that
 * does not read, or that writes what others are slow to hear of, is not read from any more (XSA-326).
 */
export class Cause {
  #waiting = 0;

  constructor(readonly outstanding: Outstanding) {}

  /** A message of it waits. */
  wait(): void {
    this.#waiting += 1;
    if (this.#waiting === 1) this.outstanding.count += 1;
  }

  /** A message that waited has left, or never will. */
  leave(): void {
    this.#waiting -= 1;
    if (this.#waiting === 0) this.outstanding.free();
  }
}
