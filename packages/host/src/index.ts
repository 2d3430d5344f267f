export * from "./config-file.js";
export type { Holes } from "./file-extents.js";
export { type FileStoreOptions, type NativeFiles, openFileStore } from "./file-open.js";
export { FileStore, type ReadCache } from "./file-store.js";
export { type Host, type HostDevice, type HostOptions, openHost } from "./host.js";
export { OpenFiles } from "./open-files.js";
export { type KeyKeeper, XtsCipher } from "./xts-cipher.js";
