export * from "./adapter.js";
export * from "./logical-unit.js";
export * from "./store.js";
export * from "./task.js";
