// Knows what a command of the guest's shell is: a name, words, text and an exit status. Knows no command.

import type { Guest } from "../guest.js";
import type { Files } from "./files.js";

export interface ToolResult {
  /** What it prints, standard output and errors as a terminal shows them. */
  readonly output: string;
  /** Its exit status. */
  readonly status: number;
}

/** What a command works with. */
export interface ToolContext {
  readonly guest: Guest;
  readonly files: Files;
}

export interface Tool {
  /** Behind the name: `[-g]`. */
  readonly usage: string;
  /** One line, for a list of commands. */
  readonly summary: string;
  run(context: ToolContext, words: readonly string[]): Promise<ToolResult>;
}

/** Lines of text, each ended. */
export function print(lines: readonly string[], status = 0): ToolResult {
  return { output: lines.map((line) => `${line}\n`).join(""), status };
}
