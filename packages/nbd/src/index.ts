export * from "./abi/handshake.js";
export * from "./abi/transmission.js";
export { dialNbd, NBD_PORT, type NbdAddress, type NbdDial, type NbdDialled } from "./client/dial.js";
export { NbdStore, type NbdStoreOptions, openNbdStore } from "./client/nbd-store.js";
export * from "./export.js";
export type { Choice } from "./options.js";
export type { NbdRequest } from "./request.js";
export * from "./server.js";
export * from "./session.js";
