// Knows a store that spoils what is written to it, so that a judge can be judged.

import type { ByteStore, StoreRequest } from "@pvscsi/scsi";

/** `store`, but with one bit of every `every`th write turned over. */
export function withBitFlips(store: ByteStore, every: number): ByteStore {
  let writes = 0;
  return {
    get size() {
      return store.size;
    },
    features: store.features,
    resized: null,
    submit(request: StoreRequest) {
      if (request.operation === "write" && ++writes % every === 0) flip(request);
      store.submit(request);
    },
    cancel: (request) => store.cancel(request),
    close: () => store.close(),
  };
}

/** Somewhere in the first piece, another place each time. */
function flip({ places, offset }: StoreRequest): void {
  const at = places.offset(0) + (Math.floor(offset / 512) % places.size(0));
  places.page(0)[at] ^= 1 << (at % 8);
}
