// Knows a prompt: reads lines, runs verbs, prints what they print. Knows no verb.

import { createInterface } from "node:readline/promises";
import type { Readable, Writable } from "node:stream";
import type { OneProcess } from "./one-process.js";
import { runVerb, verbsHelp } from "./verbs.js";

/** Reads commands until `exit` or the end of input; gives the status of the last one. */
export async function runShell(system: OneProcess, input: Readable, output: Writable): Promise<number> {
  const lines = createInterface({
    input,
    output,
    prompt: "pvscsi> ",
    terminal: "isTTY" in input && input.isTTY === true,
  });
  let status = 0;
  lines.prompt();
  for await (const line of lines) {
    const words = splitWords(line);
    if (words[0] === "exit") break;
    if (words[0] === "help" && words.length === 1) output.write(`${verbsHelp()}\n  exit\n`);
    else if (words.length > 0) status = await runLine(system, words, output);
    lines.prompt();
  }
  lines.close();
  return status;
}

async function runLine(system: OneProcess, words: readonly string[], output: Writable): Promise<number> {
  const outcome = await runVerb(system, words);
  for (const text of [outcome.output, outcome.errors]) if (text !== "") output.write(`${text.replace(/\n$/, "")}\n`);
  return outcome.status;
}

/** Words as a shell cuts them: blanks part, both kinds of quotes keep together, # begins a comment. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/#.*|(?:"[^"]*"|'[^']*'|[^\s"'])+/g)) {
    if (word.startsWith("#")) break;
    words.push(word.replace(/"([^"]*)"|'([^']*)'/g, (_, double, single) => double ?? single));
  }
  return words;
}
