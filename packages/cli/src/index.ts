export * from "./one-process.js";
export * from "./platform.js";
export * from "./running-guest.js";
export { openSession, physicalDevices, type Session } from "./session.js";
export { runShell, type ShellOptions } from "./shell.js";
export * from "./system.js";
export { type Caller, Exit, type Outcome, type Verb } from "./verb.js";
export { runVerb, runWhole, VERBS } from "./verbs.js";
export { splitWords } from "./words.js";
