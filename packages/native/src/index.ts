// What this package offers.

export { SystemCallError } from "./calls.js";
export type { EventDescriptors } from "./event-descriptors.js";
export type { FileHoles } from "./file-holes.js";
export { NativeMissing } from "./koffi.js";
export { MappedMemory } from "./mapped-memory.js";
export { loadNative, type MapAccess, type Native, type Poll } from "./native.js";
export type { PageCache } from "./page-cache.js";
export type { UnixConnection, UnixListener, UnixSockets } from "./unix-sockets.js";
