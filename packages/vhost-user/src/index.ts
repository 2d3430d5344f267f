// What this package offers.

export {
  F_PROTOCOL_FEATURES,
  MESSAGES,
  MemoryRegion,
  MemoryTable,
  type MessageKind,
  type MessageName,
  ProtocolFeature,
  VringAddress,
  VringState,
} from "./messages.js";
export { printMessage } from "./print.js";
export type { Message } from "./reader.js";
export { type RegionDescription, RegionMemory } from "./region-memory.js";
export { serveVhostUser, type VhostUserOptions, type VhostUserServer } from "./server.js";
export { type RingNews, VhostSession } from "./session.js";
