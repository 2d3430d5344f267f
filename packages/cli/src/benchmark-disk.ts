// Knows the disk of the benchmark: a memory store of which every page is there, and the SCSI disk over it.

import { createDisk, type LogicalUnit, MemoryStore } from "@pvscsi/scsi";
import { assert } from "@pvscsi/wire";
import { transfer } from "./store-transfer.js";

const MIB = 1024 * 1024;
/** Above what a processor's caches hold, for all contenders alike. */
export const DISK_SIZE = 64 * MIB;
/** The machine that has the disk. */
export const MACHINE = "name='benchmark'\nvscsi=['0:0:0:0,0:0:0:0']\nmemory=128\n";

/** A store to measure with: reading a hole would be cheaper than reading data. */
export async function filledStore(): Promise<MemoryStore> {
  const store = new MemoryStore(DISK_SIZE);
  const piece = new Uint8Array(MIB).fill(0x5a);
  for (let at = 0; at < DISK_SIZE; at += MIB) {
    assert((await transfer(store, "write", at, piece)) === null, "no memory");
  }
  return store;
}

/** The disk over such a store. */
export function diskOver(store: MemoryStore): LogicalUnit {
  const identity = { vendor: "PVSCSI", product: "BENCHMARK", revision: "0001", serial: "1", wwn: "5000000000000001" };
  return createDisk({ ...identity, store, blockSize: 512 });
}
