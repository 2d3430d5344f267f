// The file store keeps the contract of `ByteStore`, in every mode.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Holes, OpenFiles, openFileStore } from "@pvscsi/host";
import { byteStoreContract, type OpenedStore, STORE_SIZE } from "../../contract/byte-store.js";
import { nativeHoles } from "../../support/native-holes.js";

async function fileStore(sync: "writeback" | "writethrough", holes: Holes | null = null): Promise<OpenedStore> {
  const folder = mkdtempSync(join(tmpdir(), "pvscsi-contract-"));
  const store = await openFileStore(join(folder, "disk.img"), {
    access: "read-write",
    sync,
    createSize: STORE_SIZE,
    openFiles: new OpenFiles(),
    holes,
  });
  return { store, dispose: () => rmSync(folder, { recursive: true }) };
}

for (const sync of ["writeback", "writethrough"] as const) {
  byteStoreContract(`a sparse file, ${sync}`, () => fileStore(sync));
}

const holes = await nativeHoles();
if (holes !== null) {
  for (const sync of ["writeback", "writethrough"] as const) {
    byteStoreContract(`a file that has holes, ${sync}`, () => fileStore(sync, holes));
  }
}
