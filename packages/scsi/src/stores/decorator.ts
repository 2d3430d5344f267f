// Knows what every store around another store passes on unchanged.

import type { ByteStore, StoreFeatures, StoreRequest } from "../store.js";

export abstract class StoreDecorator implements ByteStore {
  protected readonly inner: ByteStore;

  constructor(inner: ByteStore) {
    this.inner = inner;
  }

  get size(): number {
    return this.inner.size;
  }

  get features(): StoreFeatures {
    return this.inner.features;
  }

  get resized(): (() => void) | null {
    return this.inner.resized;
  }

  set resized(listener: (() => void) | null) {
    this.inner.resized = listener;
  }

  abstract submit(request: StoreRequest): void;

  cancel(request: StoreRequest): void {
    this.inner.cancel(request);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
