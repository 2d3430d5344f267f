// What this package offers.

export { NativeMissing } from "./koffi.js";
export { MappedMemory } from "./mapped-memory.js";
export { loadNative, type MapAccess, type Native, type Poll, SystemCallError } from "./native.js";
