export * from "./one-process.js";
export * from "./platform.js";
