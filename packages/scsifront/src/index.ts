export * from "./adapter.js";
export * from "./ring-client.js";
export * from "./scsifront.js";
