// What this package offers.

export { Arena, PAGE_SIZE } from "./arena.js";
export type { DeviceConfig, DeviceRing, VirtioDevice } from "./device.js";
export { type GuestMemory, noMemory, type RingAreas } from "./memory.js";
