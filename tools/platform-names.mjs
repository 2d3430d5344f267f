// Knows the names by which code reaches the platform: its clocks, its chance, its settings, and Node's own objects.

/** Every package that is given its clock, scheduler and random numbers must not reach for the platform's. */
const CLOCKS = [
  ["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate"],
  ["queueMicrotask", "performance", "randomBytes", "randomInt", "randomUUID"],
].flat();

/** What a package that also runs in a browser tab must not name either. */
const OBJECTS = ["Buffer", "process", "console", "globalThis"];

const EXPRESSIONS = [
  [/\bDate\s*\.\s*now\b/g, "Date.now"],
  [/\bnew\s+Date\s*(?:\(\s*\)|(?!\s*\())/g, "new Date()"],
  [/\bMath\s*\.\s*random\b/g, "Math.random"],
  [/\bprocess\s*\.\s*env\b/g, "process.env"],
  [/\bprocess\s*\.\s*hrtime\b/g, "process.hrtime"],
  [/\bprocess\s*\.\s*nextTick\b/g, "process.nextTick"],
];

/**
 * Where `code` (without comments and strings) reaches what a package may not have: `platform` is "none" for a package
 * that runs without Node, "given" for one that may use Node but no clock, chance or settings of its own, else "free".
 */
export function* platformUses(code, platform) {
  if (platform === "free") return;
  const names = platform === "none" ? [...CLOCKS, ...OBJECTS] : CLOCKS;
  for (const name of names) for (const at of usesOf(code, name)) yield { at, name };
  for (const [pattern, name] of EXPRESSIONS) for (const { index } of code.matchAll(pattern)) yield { at: index, name };
}

/** Where `name` stands by itself: not as a member of something, nor as a member's own name in a type or an object. */
function* usesOf(code, name) {
  for (const { index } of code.matchAll(new RegExp(`(?<![\\w$#])${name}(?![\\w$])`, "g"))) {
    const before = code.slice(0, index).trimEnd();
    const member = /(?<!\.\.)\.$/.test(before);
    const key = /(?:[{,;]|\breadonly)$/.test(before) && /^\s*\??:/.test(code.slice(index + name.length));
    if (!member && !key) yield index;
  }
}
