// Knows how bytes are moved to and from a store by somebody who just waits for it.

import { type ByteStore, type StoreError, StoreRequest } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";

/** Reads into or writes from `bytes` at byte `offset`; null when that succeeded. */
export function transfer(
  store: ByteStore,
  operation: "read" | "write",
  offset: number,
  bytes: Uint8Array,
): Promise<StoreError | null> {
  const request = new StoreRequest();
  request.operation = operation;
  request.offset = offset;
  request.length = bytes.length;
  request.places = new Places();
  request.places.add(bytes, 0, bytes.length);
  return new Promise((resolve) => {
    request.completed = ({ error }) => resolve(error);
    store.submit(request);
  });
}
