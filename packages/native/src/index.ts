// What this package offers.

export { NativeMissing } from "./koffi.js";
export { MappedMemory } from "./mapped-memory.js";
export { loadNative, type Native, type Poll, SystemCallError } from "./native.js";
