// Knows how a fault in somebody's text is told: where it is and what was expected. Knows no language.

/** A place in a text; both count from 1, the column in characters as an editor shows them. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A configuration is wrong. The message is one line, `file:line:column: reason`, whatever the file contained. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** What is wrong and what was expected, without the place. */
  readonly reason: string;

  constructor(file: string, at: Position, reason: string, options: { cause?: unknown } = {}) {
    super(place(file, at, reason), options.cause === undefined ? undefined : { cause: options.cause });
    this.file = file;
    this.line = at.line;
    this.column = at.column;
    this.reason = oneLine(reason);
  }
}

/** Something a user should hear of, though the configuration is usable. */
export interface ConfigWarning {
  readonly file: string;
  readonly at: Position;
  readonly reason: string;
}

/** `file:line:column: warning: reason`, in one line. */
export function formatWarning(warning: ConfigWarning): string {
  return place(warning.file, warning.at, `warning: ${warning.reason}`);
}

/** Where each character of a text that was taken out of a file, or typed as an argument, came from. */
export interface Origin {
  readonly file: string;
  /** The place of the character at `index`; `index` may be the length of the text. */
  at(index: number): Position;
}

/** The origin of text that was typed on a command line, `before` characters into it. */
export function argumentOrigin(file = "argument", before = 0): Origin {
  return { file, at: (index) => ({ line: 1, column: 1 + before + index }) };
}

/** The longest piece of somebody's text that a message repeats. */
const QUOTED = 80;

/** Somebody's text as it may stand in a message: in single quotes, shortened. */
export function quoted(text: string): string {
  return text.length <= QUOTED ? `'${text}'` : `'${text.slice(0, QUOTED)}...'`;
}

/** `line:column`, for messages that name a second place. */
export function formatPosition(at: Position): string {
  return `${at.line}:${at.column}`;
}

function place(file: string, at: Position, reason: string): string {
  return oneLine(`${file}:${at.line}:${at.column}: ${reason}`);
}

/** Control characters would let a file write to the terminal of whoever reads the message. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
