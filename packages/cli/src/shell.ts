// Knows a prompt: reads lines, runs verbs, prints what they print. Knows no verb.

import { createInterface } from "node:readline/promises";
import type { Readable } from "node:stream";
import type { Printer } from "./printer.js";
import type { System } from "./system.js";
import { Exit } from "./verb.js";
import { runVerb, verbsHelp } from "./verbs.js";
import { splitWords } from "./words.js";

export interface ShellOptions {
  readonly input: Readable;
  readonly printer: Printer;
  /** Where a prompt goes, when a person sits at `input`. */
  readonly terminal: NodeJS.WritableStream | null;
}

/** Runs commands until `exit` or the end of input; gives the status of the last one. */
export async function runShell(system: System, { input, printer, terminal }: ShellOptions): Promise<number> {
  const lines = createInterface({ input, prompt: "pvscsi> ", ...(terminal === null ? {} : { output: terminal }) });
  let running: AbortController | null = null;
  // As in a shell: Ctrl-C ends what runs; a verb that does not heed it, with the prompt, at the second one.
  lines.on("SIGINT", () => {
    if (running === null || running.signal.aborted) lines.close();
    else running.abort();
  });
  let status: number = Exit.done;
  if (terminal !== null) lines.prompt();
  for await (const line of lines) {
    const words = splitWords(line);
    if (words?.[0] === "exit") break;
    running = new AbortController();
    status = await runLine(system, words, { printer, before: status, signal: running.signal });
    running = null;
    if (terminal !== null) lines.prompt();
  }
  lines.close();
  return status;
}

/** Gives the status; a line without words leaves it as it was. */
async function runLine(
  system: System,
  words: readonly string[] | null,
  { printer, before, signal }: { readonly printer: Printer; readonly before: number; readonly signal: AbortSignal },
): Promise<number> {
  if (words === null) {
    printer.error("pvscsi: a quote is not closed");
    return Exit.usage;
  }
  if (words.length === 0) return before;
  if (words[0] === "help" && words.length === 1) {
    printer.print(`${verbsHelp()}\nexit\n    leave, and end all guests`);
    return Exit.done;
  }
  const { output, errors, status } = await runVerb(system, words, {
    program: "pvscsi",
    directory: process.cwd(),
    print: (text) => printer.print(text),
    signal,
  });
  printer.print(output);
  printer.error(errors);
  return status;
}
