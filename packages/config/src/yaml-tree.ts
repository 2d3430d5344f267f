// Knows how to read YAML that came from anywhere: a small tree in which every value has its position, or a ConfigError.
// Scalars stay text, so that a serial number 0012 or an address 0:0:1:0 is what was written.

import {
  Composer,
  type CST,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  type YAMLMap,
} from "yaml";
import { ConfigError, formatPosition, type Position, quoted } from "./errors.js";

export interface YamlText {
  readonly kind: "text";
  readonly text: string;
  readonly at: Position;
}

export interface YamlList {
  readonly kind: "list";
  readonly values: readonly YamlValue[];
  readonly at: Position;
}

export interface YamlTable {
  readonly kind: "table";
  readonly entries: ReadonlyMap<string, YamlEntry>;
  readonly at: Position;
}

export interface YamlEntry {
  readonly at: Position;
  readonly value: YamlValue;
}

export type YamlValue = YamlText | YamlList | YamlTable;

/** Characters; a host with ten thousand LUNs needs two million. */
const MAX_LENGTH = 4 * 1024 * 1024;
const MAX_DEPTH = 32;

/** Reads one YAML document. Anchors, aliases, tags and keys that are no text are refused. */
export function parseYamlTree(text: string, file: string): YamlValue {
  const source = new YamlSource(file);
  if (text.length > MAX_LENGTH) source.fail(0, `the file has more than ${MAX_LENGTH} characters`);
  // "failsafe" leaves every scalar a string; uniqueness of keys is checked below, where it is not quadratic.
  const composer = new Composer({ schema: "failsafe", stringKeys: true, uniqueKeys: false });
  const [document, second] = composer.compose(source.tokens(text), true, text.length);
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault !== undefined) source.fail(fault.pos[0], fault.message, fault);
  if (second !== undefined) source.fail(second.range[0], "a second document, expected one");
  return source.convert(document.contents, 0);
}

class YamlSource {
  readonly #file: string;
  readonly #lines = new LineCounter();

  constructor(file: string) {
    this.#file = file;
    this.#lines.addNewLine(0);
  }

  /** The parser's tokens, as long as they are not nested too deeply: the composer recurses, and V8 aborts where it cannot. */
  *tokens(text: string): Generator<CST.Token, void> {
    const parser = new Parser(this.#lines.addNewLine);
    for (const lexeme of new Lexer().lex(text)) {
      yield* parser.next(lexeme);
      // A collection and a pair in it take at most two places of the stack each.
      if (parser.stack.length > 4 * MAX_DEPTH) this.fail(parser.offset, `nested more than ${MAX_DEPTH} deep`);
    }
    yield* parser.end();
  }

  fail(offset: number, reason: string, cause?: unknown): never {
    throw new ConfigError(this.#file, this.#at(offset), reason, { cause });
  }

  convert(node: Node | null, offset: number): YamlValue {
    const start = node?.range?.[0] ?? offset;
    if (node === null) return { kind: "text", text: "", at: this.#at(start) };
    if ("anchor" in node && node.anchor !== undefined) this.fail(start, "an anchor, expected plain values");
    if (node.tag !== undefined) this.fail(start, `a tag ${quoted(node.tag)}, expected plain values`);
    if (isMap(node)) return this.#table(node, start);
    if (isSeq(node)) {
      const values = node.items.map((item) => this.convert(isNode(item) ? item : null, start));
      return { kind: "list", values, at: this.#at(start) };
    }
    if (!isScalar(node)) this.fail(start, "an alias, expected plain values");
    return { kind: "text", text: String(node.value ?? ""), at: this.#at(start) };
  }

  #table(map: YAMLMap, offset: number): YamlTable {
    const entries = new Map<string, YamlEntry>();
    for (const { key, value } of map.items) {
      const start = isNode(key) ? (key.range?.[0] ?? offset) : offset;
      const name = isScalar(key) ? String(key.value ?? "") : "";
      const first = entries.get(name);
      if (first !== undefined) this.fail(start, `${quoted(name)} is given twice, first at ${formatPosition(first.at)}`);
      entries.set(name, { at: this.#at(start), value: this.convert(isNode(value) ? value : null, start) });
    }
    return { kind: "table", entries, at: this.#at(offset) };
  }

  #at(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}
