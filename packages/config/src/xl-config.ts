// Knows the grammar of an xl.cfg file (Xen's libxlu_cfg_y.y) and how to print it back. Knows no setting's meaning.

import { ConfigError, type Origin, type Position } from "./errors.js";
import { XlLexer, type XlToken, type XlTokenKind } from "./xl-lexer.js";

/** A number or a string; libxlu keeps both as text. */
export interface XlAtom {
  readonly kind: "number" | "string";
  readonly text: string;
  readonly at: Position;
  /** As written, with quotes and escapes. */
  readonly source: string;
}

export interface XlList {
  readonly kind: "list";
  readonly values: readonly XlValue[];
  readonly at: Position;
}

export type XlValue = XlAtom | XlList;

/** `name = value` or `name += value`. */
export interface XlSetting {
  readonly name: string;
  readonly operator: "=" | "+=";
  readonly value: XlValue;
  readonly at: Position;
}

export interface XlConfig {
  readonly file: string;
  /** As written, in order; a later one of the same name replaces or, with `+=`, extends the earlier. */
  readonly settings: readonly XlSetting[];
}

/** Lists in lists; nobody nests more than two. */
const MAX_DEPTH = 64;

/** Reads an xl.cfg text; `file` is its name in errors. Throws `ConfigError` at the first fault. */
export function parseXlConfig(text: string, file: string): XlConfig {
  return new XlParser(new XlLexer(text, file)).config();
}

/** An xl.cfg text with these settings, one a line; lists that hold anything are spread over lines. */
export function printXlConfig(config: Pick<XlConfig, "settings">): string {
  return config.settings.map((s) => `${s.name} ${s.operator} ${printValue(s.value, "")}\n`).join("");
}

/** The value of a name after all its settings, as libxlu finds it: the last `=`, extended by each `+=` after it. */
export function effectiveValue(config: XlConfig, name: string): XlValue | undefined {
  const named = config.settings.filter((setting) => setting.name === name);
  const base = named.findLastIndex((setting) => setting.operator === "=");
  const values = named.slice(Math.max(base, 0)).map((setting) => setting.value);
  const last = values.at(-1);
  if (last === undefined || values.length === 1) return last;
  if (last.kind === "list") return { ...last, values: values.flatMap((v) => (v.kind === "list" ? v.values : [])) };
  return { ...xlString(values.map((v) => (v.kind === "list" ? "" : v.text)).join("")), at: last.at };
}

/** Where the characters of an atom's text stand in its file. */
export function atomOrigin(atom: XlAtom, file: string): Origin {
  return {
    file,
    at: (index) => ({ line: atom.at.line, column: atom.at.column + sourceIndex(atom, index) }),
  };
}

/** A string that was not read from a file. */
export function xlString(text: string): XlAtom {
  return { kind: "string", text, at: { line: 1, column: 1 }, source: printString(text) };
}

/** The index in `source` of the character at `index` of `text`; every escape is two characters there and one here. */
function sourceIndex(atom: XlAtom, index: number): number {
  if (atom.kind === "number") return index;
  let at = 1;
  for (let i = 0; i < index; i++) at += atom.source[at] === "\\" ? 2 : 1;
  return at;
}

function printValue(value: XlValue, indent: string): string {
  if (value.kind !== "list") return value.kind === "number" ? value.text : printString(value.text);
  if (value.values.length === 0) return "[ ]";
  const inner = `${indent}  `;
  return `[\n${value.values.map((v) => `${inner}${printValue(v, inner)},\n`).join("")}${indent}]`;
}

/** In single quotes; only what cannot stand there for itself is escaped. */
function printString(text: string): string {
  return `'${text.replace(/['\\\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`))}'`;
}

class XlParser {
  readonly #lexer: XlLexer;
  #token: XlToken;

  constructor(lexer: XlLexer) {
    this.#lexer = lexer;
    this.#token = lexer.next();
  }

  config(): XlConfig {
    const settings: XlSetting[] = [];
    const kinds = new Map<string, "list" | "atom">();
    while (!this.#is("end")) {
      if (this.#is("newline") || this.#is(";")) {
        this.#take();
        continue;
      }
      const setting = this.#setting();
      this.#checkKind(kinds, setting);
      settings.push(setting);
    }
    return { file: this.#lexer.file, settings };
  }

  #checkKind(kinds: Map<string, "list" | "atom">, setting: XlSetting): void {
    const kind = setting.value.kind === "list" ? "list" : "atom";
    if (setting.operator === "+=" && (kinds.get(setting.name) ?? kind) !== kind) {
      this.#fail(setting.value.at, `cannot add a ${kind === "list" ? "list to a string" : "string to a list"}`);
    }
    kinds.set(setting.name, kind);
  }

  #setting(): XlSetting {
    if (!this.#is("identifier")) this.#unexpected("the name of a setting");
    const { text: name, at } = this.#take();
    if (!this.#is("=") && !this.#is("+=")) this.#unexpected(`= or += after ${name}`);
    const operator = this.#take().kind === "=" ? "=" : "+=";
    const value = this.#value(0);
    if (!this.#is("newline") && !this.#is(";") && !this.#is("end")) {
      this.#unexpected("the end of the line or ';'");
    }
    return { name, operator, value, at };
  }

  #value(depth: number): XlValue {
    const { kind, at } = this.#token;
    if (kind === "[") return this.#list(depth);
    if (kind !== "string" && kind !== "number") this.#unexpected("a number, a string in quotes or a list in [ ]");
    const { text, source } = this.#take();
    return { kind, text, at, source };
  }

  #list(depth: number): XlList {
    const { at } = this.#take();
    if (depth === MAX_DEPTH) this.#fail(at, `lists are nested more than ${MAX_DEPTH} deep`);
    const values: XlValue[] = [];
    for (;;) {
      this.#skipNewlines();
      if (this.#is("]")) break;
      values.push(this.#value(depth + 1));
      this.#skipNewlines();
      if (this.#is("]")) break;
      if (!this.#is(",")) this.#unexpected(`',' or ']' in the list that begins at ${at.line}:${at.column}`);
      this.#take();
    }
    this.#take();
    return { kind: "list", values, at };
  }

  #skipNewlines(): void {
    while (this.#is("newline")) this.#take();
  }

  #is(kind: XlTokenKind): boolean {
    return this.#token.kind === kind;
  }

  #take(): XlToken {
    const token = this.#token;
    this.#token = this.#lexer.next();
    return token;
  }

  #unexpected(expected: string): never {
    const { kind, source, at } = this.#token;
    const found = kind === "end" ? "the end of the file" : kind === "newline" ? "the end of the line" : shown(source);
    this.#fail(at, `unexpected ${found}, expected ${expected}`);
  }

  #fail(at: Position, reason: string): never {
    throw new ConfigError(this.#lexer.file, at, reason);
  }
}

function shown(source: string): string {
  return source.length <= 40 ? source : `${source.slice(0, 40)}...`;
}
