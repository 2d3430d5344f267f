export * from "./one-process.js";
export * from "./platform.js";
export { openSession, physicalDevices, type Session } from "./session.js";
export { Exit, type Outcome, type Verb } from "./verb.js";
export { runVerb, VERBS } from "./verbs.js";
export { splitWords } from "./words.js";
