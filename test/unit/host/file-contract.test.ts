// The file store keeps the contract of `ByteStore`, in every mode.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NativeFiles, OpenFiles, openFileStore } from "@pvscsi/host";
import { byteStoreContract, type OpenedStore, STORE_SIZE } from "../../contract/byte-store.js";
import { nativeFiles } from "../../support/native-holes.js";

async function fileStore(sync: "writeback" | "writethrough", native: NativeFiles = {}): Promise<OpenedStore> {
  const folder = mkdtempSync(join(tmpdir(), "pvscsi-contract-"));
  const store = await openFileStore(join(folder, "disk.img"), {
    access: "read-write",
    sync,
    createSize: STORE_SIZE,
    openFiles: new OpenFiles(),
    ...native,
  });
  return { store, dispose: () => rmSync(folder, { recursive: true }) };
}

for (const sync of ["writeback", "writethrough"] as const) {
  byteStoreContract(`a sparse file, ${sync}`, () => fileStore(sync));
}

const native = await nativeFiles();
if (native !== null) {
  const { holes, cache } = native;
  for (const sync of ["writeback", "writethrough"] as const) {
    byteStoreContract(`a file that has holes, ${sync}`, () => fileStore(sync, { holes }));
    byteStoreContract(`a file that is read from memory, ${sync}`, () => fileStore(sync, { cache }));
  }
}
