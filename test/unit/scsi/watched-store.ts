// Knows a store that sees to it that nobody asks for what it has not, and counts what is under way.

import type { ByteStore, StoreFeatures, StoreRequest } from "@pvscsi/scsi";

export class WatchedStore implements ByteStore {
  readonly #inner: ByteStore;
  readonly #restore = new Map<StoreRequest, (request: StoreRequest) => void>();
  /** What was wrong first, or null. */
  fault: string | null = null;
  /** Requests that changed something. */
  changes = 0;

  constructor(inner: ByteStore) {
    this.#inner = inner;
  }

  get size(): number {
    return this.#inner.size;
  }

  get features(): StoreFeatures {
    return this.#inner.features;
  }

  get resized(): (() => void) | null {
    return this.#inner.resized;
  }

  set resized(value: (() => void) | null) {
    this.#inner.resized = value;
  }

  get underWay(): number {
    return this.#restore.size;
  }

  submit(request: StoreRequest): void {
    const { operation, offset, length, places } = request;
    if (this.#restore.has(request)) this.fault ??= `${operation} came while it was under way`;
    if (operation === "write" || operation === "discard" || operation === "write-zeroes") this.changes += 1;
    if (operation !== "flush" && !(offset >= 0 && length >= 0 && offset + length <= this.size)) {
      this.fault ??= `${operation} of ${offset}+${length} in ${this.size} bytes`;
    }
    if ((operation === "read" || operation === "write") && places.length !== length) {
      this.fault ??= `${operation} of ${length} bytes with places for ${places.length}`;
    }
    const { completed } = request;
    this.#restore.set(request, completed);
    request.completed = (ended) => {
      request.completed = completed;
      if (!this.#restore.delete(request)) this.fault ??= `${operation} ended twice`;
      completed(ended);
    };
    this.#inner.submit(request);
  }

  cancel(request: StoreRequest): void {
    this.#inner.cancel(request);
  }

  /** Lets go of what hangs. */
  cancelAll(): void {
    for (const request of [...this.#restore.keys()]) this.#inner.cancel(request);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
