export * from "./comparison.js";
export * from "./contender.js";
export * from "./plugs.js";
export * from "./report.js";
export * from "./round.js";
export * from "./workload.js";
