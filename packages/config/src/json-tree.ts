// Knows how to read JSON that came from anywhere: a small tree in which every value has its position, or a ConfigError.
// Exactly RFC 8259, and names once in each object; nothing here knows what a file says with it.

import { ConfigError, formatPosition, type Position, quoted } from "./errors.js";

/** A string, number, boolean or null. */
export interface JsonAtom {
  readonly kind: "atom";
  /** An integer that a number cannot hold is a bigint. */
  readonly value: string | number | bigint | boolean | null;
  readonly at: Position;
}

export interface JsonArray {
  readonly kind: "array";
  readonly values: readonly JsonValue[];
  readonly at: Position;
}

export interface JsonObject {
  readonly kind: "object";
  readonly entries: ReadonlyMap<string, JsonEntry>;
  readonly at: Position;
}

export interface JsonEntry {
  readonly at: Position;
  readonly value: JsonValue;
}

export type JsonValue = JsonAtom | JsonArray | JsonObject;

/** Characters; sixteen thousand LUNs as targetcli saves them. */
const MAX_LENGTH = 64 * 1024 * 1024;
const MAX_DEPTH = 32;

/** Reads one JSON text; `file` is its name in errors. Throws `ConfigError` at the first fault. */
export function parseJsonTree(text: string, file: string): JsonValue {
  return new JsonReader(text, file).document();
}

class JsonReader {
  readonly #text: string;
  readonly #file: string;
  #offset = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  document(): JsonValue {
    if (this.#text.length > MAX_LENGTH) this.#fail(`the file has more than ${MAX_LENGTH} characters`);
    const value = this.#value(1);
    if (this.#next() !== "") this.#unexpected("the end of the file");
    return value;
  }

  #value(depth: number): JsonValue {
    const first = this.#next();
    const at = this.#at();
    if (first === "{" || first === "[") {
      if (depth > MAX_DEPTH) this.#fail(`nested more than ${MAX_DEPTH} deep`);
      this.#offset += 1;
      return first === "{" ? this.#object(depth, at) : this.#array(depth, at);
    }
    if (first === '"') return { kind: "atom", value: this.#string(), at };
    return { kind: "atom", value: this.#word(), at };
  }

  #array(depth: number, at: Position): JsonArray {
    const values: JsonValue[] = [];
    if (this.#takes("]")) return { kind: "array", values, at };
    do values.push(this.#value(depth + 1));
    while (this.#goesOn("]", at));
    return { kind: "array", values, at };
  }

  #object(depth: number, at: Position): JsonObject {
    const entries = new Map<string, JsonEntry>();
    if (this.#takes("}")) return { kind: "object", entries, at };
    do {
      if (this.#next() !== '"') this.#unexpected("a name in double quotes");
      const place = this.#at();
      const name = this.#string();
      const first = entries.get(name);
      if (first !== undefined) {
        throw new ConfigError(
          this.#file,
          place,
          `${quoted(name)} is given twice, first at ${formatPosition(first.at)}`,
        );
      }
      if (!this.#takes(":")) this.#unexpected(`':' after ${quoted(name)}`);
      entries.set(name, { at: place, value: this.#value(depth + 1) });
    } while (this.#goesOn("}", at));
    return { kind: "object", entries, at };
  }

  /** Whether a comma, and not the end of what begins at `begin`, comes next. */
  #goesOn(end: "]" | "}", begin: Position): boolean {
    if (this.#takes(",")) return true;
    if (this.#takes(end)) return false;
    const what = end === "]" ? "array" : "object";
    return this.#unexpected(`',' or '${end}' in the ${what} that begins at ${formatPosition(begin)}`);
  }

  #takes(character: string): boolean {
    if (this.#next() !== character) return false;
    this.#offset += 1;
    return true;
  }

  /** The next character that is no white space, which is not taken; empty at the end. */
  #next(): string {
    for (;;) {
      const c = this.#text.charAt(this.#offset);
      if (c !== " " && c !== "\n" && c !== "\r" && c !== "\t") return c;
      this.#offset += 1;
      if (c !== "\n") continue;
      this.#line += 1;
      this.#lineStart = this.#offset;
    }
  }

  #string(): string {
    const begin = this.#offset;
    let end = begin + 1;
    for (let c = this.#text.charCodeAt(end); c !== 0x22; c = this.#text.charCodeAt(end)) {
      // NaN behind the last character is not at least a blank either.
      if (!(c >= 0x20)) this.#fail("a string without its closing '\"', or with a control character in it");
      end += c === 0x5c ? 2 : 1;
    }
    this.#offset = end + 1;
    try {
      return JSON.parse(this.#text.slice(begin, end + 1));
    } catch (cause) {
      this.#offset = begin;
      return this.#fail(`a string with a wrong escape, expected ${ESCAPES}`, cause);
    }
  }

  #word(): number | bigint | boolean | null {
    WORD.lastIndex = this.#offset;
    const word = WORD.exec(this.#text)?.[0] ?? "";
    const value = CONSTANTS.has(word) ? CONSTANTS.get(word) : NUMBER.test(word) ? numberOf(word) : undefined;
    if (value === undefined)
      this.#unexpected("a value: an object, an array, a string in double quotes, a number, true, false or null");
    this.#offset += word.length;
    return value;
  }

  #unexpected(expecting: string): never {
    const next = this.#next();
    WORD.lastIndex = this.#offset;
    const found = next === "" ? "the end of the file" : quoted(WORD.exec(this.#text)?.[0] ?? next);
    return this.#fail(`unexpected ${found}, expected ${expecting}`);
  }

  #at(): Position {
    return { line: this.#line, column: 1 + this.#offset - this.#lineStart };
  }

  #fail(reason: string, cause?: unknown): never {
    throw new ConfigError(this.#file, this.#at(), reason, { cause });
  }
}

const ESCAPES = '\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four hex digits';
const WORD = /[-+.\w]{1,400}/y;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[-+]?\d+)?$/i;
const CONSTANTS = new Map<string, boolean | null>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

/** Undefined where it is beyond what a number can be. */
function numberOf(text: string): number | bigint | undefined {
  const value = Number(text);
  if (/^-?\d+$/.test(text) && !Number.isSafeInteger(value) && String(value) !== text) return BigInt(text);
  // Without the sign of -0, which nobody means.
  return Number.isFinite(value) ? value + 0 : undefined;
}
