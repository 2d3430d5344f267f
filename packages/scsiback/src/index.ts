export * from "./controller.js";
export * from "./scsiback.js";
export * from "./translation.js";
export * from "./virtual-device.js";
