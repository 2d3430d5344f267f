export * from "./device-nodes.js";
export * from "./errors.js";
export * from "./inventory.js";
export * from "./plan.js";
export * from "./scsi-list.js";
export * from "./toolstack.js";
export * from "./vscsi-devices.js";
export * from "./wait.js";
