// Knows a store that keeps nothing: reads leave the places as they are, writes vanish. For measuring what lies above.

import { type GrowableStore, StoreError, type StoreFeatures, type StoreRequest } from "../store.js";

export class NullStore implements GrowableStore {
  readonly features: StoreFeatures = { readOnly: false, writeBack: false, discard: false, optimalIo: 4096 };
  resized: (() => void) | null = null;

  #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  submit(request: StoreRequest): void {
    const { operation, offset, length } = request;
    if (operation !== "flush" && (offset < 0 || offset + length > this.size)) {
      return request.end(new StoreError("out-of-range", `${operation} of ${offset}+${length} in ${this.size} bytes`));
    }
    if (operation === "extents") request.extents = [{ offset, length, state: "data" }];
    request.end(null);
  }

  async grow(size: number): Promise<void> {
    this.#size = size;
    this.resized?.();
  }

  cancel(): void {}

  async close(): Promise<void> {}
}
