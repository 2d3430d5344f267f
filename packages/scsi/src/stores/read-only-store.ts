// Knows a store that lets nothing be changed.

import { type ByteStore, StoreError, type StoreFeatures, type StoreRequest } from "../store.js";
import { StoreDecorator } from "./decorator.js";

/** Lets only reads through to `store`. */
export function readOnly(store: ByteStore): ByteStore {
  return new ReadOnlyStore(store);
}

class ReadOnlyStore extends StoreDecorator {
  override get features(): StoreFeatures {
    return { ...this.inner.features, readOnly: true, discard: false };
  }

  submit(request: StoreRequest): void {
    const { operation } = request;
    if (operation === "read" || operation === "extents" || operation === "flush") this.inner.submit(request);
    else request.end(new StoreError("read-only", `${operation} on a read-only store`));
  }
}
