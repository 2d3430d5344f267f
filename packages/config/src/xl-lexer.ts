// Knows the words of an xl.cfg file, as Xen's libxlu_cfg_l.l has them. Knows no setting.
// What is accepted here means the same to xl; one thing more is accepted: a comment in a last line without its newline.

import { ConfigError, type Position } from "./errors.js";

export type XlTokenKind = "identifier" | "number" | "string" | "newline" | "," | "[" | "]" | "=" | "+=" | ";" | "end";

export interface XlToken {
  readonly kind: XlTokenKind;
  readonly at: Position;
  /** As written. */
  readonly source: string;
  /** What it stands for: of a string the text without quotes and escapes. */
  readonly text: string;
}

/** The escapes of a quoted string. libxlu's numeric ones are missing: it refuses every \x and drops what an octal one says. */
const ESCAPES: Readonly<Record<string, string>> = {
  "'": "'",
  '"': '"',
  "\\": "\\",
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

const IDENTIFIER = /[a-z][._0-9a-z]*/y;
const NUMBER = /[0-9][0-9a-fx]*/y;
const BLANK = /[ \t]+/y;
const COMMENT = /#[^\n]*/y;
const SIGN = /\+=|[,[\]=;]/y;

/** Cuts a text into words, one at a time; throws `ConfigError` at what is no word. */
export class XlLexer {
  readonly file: string;
  readonly #text: string;
  #index = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.file = file;
  }

  next(): XlToken {
    this.#match(BLANK);
    // A comment belongs to the newline that ends it.
    this.#match(COMMENT);
    const at = this.#position();
    const c = this.#text[this.#index];
    if (c === undefined) return { kind: "end", at, source: "", text: "" };
    if (c === "\n") return this.#newline(at);
    if (c === "'" || c === '"') return this.#string(at, c);
    return this.#word("identifier", IDENTIFIER, at) ?? this.#word("number", NUMBER, at) ?? this.#sign(at);
  }

  #position(): Position {
    return { line: this.#line, column: this.#index - this.#lineStart + 1 };
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#index;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#index += found.length;
    return found;
  }

  #word(kind: XlTokenKind, pattern: RegExp, at: Position): XlToken | undefined {
    const source = this.#match(pattern);
    return source === undefined ? undefined : { kind, at, source, text: source };
  }

  #sign(at: Position): XlToken {
    const source = this.#match(SIGN);
    if (source === undefined) throw new ConfigError(this.file, at, noWord(this.#text, this.#index));
    return { kind: source as XlTokenKind, at, source, text: source };
  }

  #newline(at: Position): XlToken {
    this.#index += 1;
    this.#line += 1;
    this.#lineStart = this.#index;
    return { kind: "newline", at, source: "\n", text: "\n" };
  }

  #string(at: Position, quote: string): XlToken {
    const start = this.#index;
    const parts: string[] = [];
    let plain = start + 1;
    for (this.#index = plain; ; this.#index++) {
      const c = this.#text[this.#index];
      if (c === undefined || c === "\n") throw new ConfigError(this.file, at, `a string without its closing ${quote}`);
      if (c === "\0") throw new ConfigError(this.file, this.#position(), "a NUL character in a string");
      if (c === quote) break;
      if (c !== "\\") continue;
      parts.push(this.#text.slice(plain, this.#index), this.#escape(at, quote));
      plain = this.#index + 1;
    }
    parts.push(this.#text.slice(plain, this.#index));
    this.#index += 1;
    return { kind: "string", at, source: this.#text.slice(start, this.#index), text: parts.join("") };
  }

  /** What the escape at the index stands for; leaves the index at its last character. */
  #escape(string: Position, quote: string): string {
    const at = this.#position();
    this.#index += 1;
    const c = this.#text[this.#index];
    if (c === undefined || c === "\n")
      throw new ConfigError(this.file, string, `a string without its closing ${quote}`);
    const meaning = Object.hasOwn(ESCAPES, c) ? ESCAPES[c] : undefined;
    if (meaning !== undefined) return meaning;
    const known = Object.keys(ESCAPES).join(" ");
    throw new ConfigError(this.file, at, `unknown escape \\${c} in a string, expected \\ and one of ${known}`);
  }
}

/** Says why no word can begin at `index`. */
function noWord(text: string, index: number): string {
  const c = String.fromCodePoint(text.codePointAt(index) ?? 0);
  if (c === "\r") return "a carriage return: xl.cfg has Unix line ends";
  if (c === "\ufeff") return "a byte order mark: xl.cfg has none";
  if (c === ":") return `unexpected ':': a setting is NAME = VALUE, and strings stand in quotes`;
  if (/[A-Z]/.test(c)) {
    return `unexpected '${c}': names are made of a-z, 0-9, '_' and '.', numbers have no unit, and strings stand in quotes`;
  }
  return /[!-~]/.test(c) ? `unexpected '${c}': strings stand in quotes` : `unexpected '${c}'`;
}
