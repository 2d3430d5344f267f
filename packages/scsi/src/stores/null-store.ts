// Knows a store that keeps nothing: reads leave the places as they are, writes vanish. For measuring what lies above.

import { type ByteStore, StoreError, type StoreFeatures, type StoreRequest } from "../store.js";

export class NullStore implements ByteStore {
  readonly size: number;
  readonly features: StoreFeatures = { readOnly: false, writeBack: false, discard: false, optimalIo: 4096 };
  resized: (() => void) | null = null;

  constructor(size: number) {
    this.size = size;
  }

  submit(request: StoreRequest): void {
    const { operation, offset, length } = request;
    if (operation !== "flush" && (offset < 0 || offset + length > this.size)) {
      return request.end(new StoreError("out-of-range", `${operation} of ${offset}+${length} in ${this.size} bytes`));
    }
    if (operation === "extents") request.extents = [{ offset, length, state: "data" }];
    request.end(null);
  }

  cancel(): void {}

  async close(): Promise<void> {}
}
