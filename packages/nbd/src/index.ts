export * from "./abi/handshake.js";
export * from "./abi/transmission.js";
export * from "./export.js";
export type { Choice } from "./options.js";
export type { NbdRequest } from "./request.js";
export * from "./server.js";
export * from "./session.js";
