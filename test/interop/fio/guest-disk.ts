// Knows which disk the judges of this suite get to see.

import { type ByteStore, MemoryStore } from "@pvscsi/scsi";

export const DISK_SIZE = 256 * 1024 * 1024;

export interface GuestDisk {
  readonly store: ByteStore;
  close(): Promise<void>;
}

/** Opens a disk of `DISK_SIZE` bytes, all zeros. */
export async function openGuestDisk(): Promise<GuestDisk> {
  const store = new MemoryStore(DISK_SIZE);
  return { store, close: () => store.close() };
}
