export * from "./abi/xenstore.js";
export * from "./domain.js";
