export * from "./one-process.js";
export * from "./platform.js";
export { openSession, physicalDevices, type Session } from "./session.js";
