// Knows what a verb is and how its words are read: arguments, options, help, usage errors, exit codes. Knows no verb.

import { ConfigError } from "@pvscsi/config";
import { ToolstackError } from "@pvscsi/toolstack";
import { XenstoreError } from "@pvscsi/xen";
import type { OneProcess } from "./one-process.js";

/** xl's exit codes. */
export const Exit = { done: 0, failed: 1, usage: 2 } as const;

/** What a verb printed, and how it ended. */
export interface Outcome {
  readonly output: string;
  readonly errors: string;
  readonly status: number;
}

/** The words behind a verb's name, sorted. */
export interface VerbWords {
  readonly arguments: readonly string[];
  /** The options given, by their names; the value of one that takes none is "". */
  readonly options: ReadonlyMap<string, string>;
  /** Where relative paths begin: the folder of whoever typed them. */
  readonly directory: string;
}

export interface VerbOption {
  /** With its dashes. */
  readonly name: string;
  /** What its value is called, for one that takes a value. */
  readonly value?: string;
  readonly summary: string;
}

/** Of every verb that prints a table. */
export const JSON_OPTION: VerbOption = { name: "--json", summary: "print JSON" };

export interface Verb {
  readonly name: string;
  /** Its arguments, in the words of --help. */
  readonly parameters: string;
  readonly summary: string;
  readonly example: string;
  /** Fewest and most arguments. */
  readonly least: number;
  readonly most: number;
  readonly options?: readonly VerbOption[];
  /** What stands behind its first argument belongs to somebody else, dashes included. */
  readonly passesOn?: true;
  /** Does it; gives what it prints. */
  readonly run: (system: OneProcess, words: VerbWords) => Promise<string | Outcome>;
}

/** A use of a verb that its usage does not allow. */
export class UsageError extends Error {}

/** Runs a verb with its words; what a person did wrong or what could not be done is told, our own mistakes are thrown. */
export async function run(
  verb: Verb,
  system: OneProcess,
  words: readonly string[],
  directory: string,
): Promise<Outcome> {
  try {
    const sorted = sortWords(verb, words);
    if (sorted === "help") return helpOutcome(verb);
    const result = await verb.run(system, { ...sorted, directory });
    return typeof result === "string" ? { output: result, errors: "", status: Exit.done } : result;
  } catch (error) {
    if (error instanceof UsageError) return usageOutcome(verb, error);
    const message = messageOf(error, `pvscsi ${verb.name}`);
    if (message === null) throw error;
    return failure(Exit.failed, message);
  }
}

/** What can be said of a verb's words without any system: its help, what is wrong with them, or null when they will do. */
export function checkWords(verb: Verb, words: readonly string[]): Outcome | null {
  try {
    return sortWords(verb, words) === "help" ? helpOutcome(verb) : null;
  } catch (error) {
    if (error instanceof UsageError) return usageOutcome(verb, error);
    throw error;
  }
}

function helpOutcome(verb: Verb): Outcome {
  return { output: verbHelp(verb), errors: "", status: Exit.done };
}

function usageOutcome(verb: Verb, error: UsageError): Outcome {
  return failure(Exit.usage, `${error.message}\n\n${verbHelp(verb)}`);
}

/** What is told of an error, in one line: null for one that is our own mistake. A text's own place is enough of a prefix. */
export function messageOf(error: unknown, who: string): string | null {
  if (error instanceof ConfigError) return error.message;
  const foreseen = error instanceof ToolstackError || error instanceof XenstoreError || isSystemError(error);
  return foreseen ? `${who}: ${(error as Error).message}` : null;
}

export function failure(status: number, errors: string): Outcome {
  return { output: "", errors, status };
}

/** Usage, summary, options and a real example. */
export function verbHelp({ name, parameters, summary, example, options = [] }: Verb): string {
  const usage = ["Usage:", name, ...(options.length > 0 ? ["[OPTIONS]"] : []), parameters].join(" ").trimEnd();
  const lines = options.map((option) => `  ${optionText(option).padEnd(20)} ${option.summary}`);
  const list = lines.length > 0 ? `Options:\n${lines.join("\n")}\n\n` : "";
  return `${usage}\n\n${summary}\n\n${list}Example: ${example}`;
}

function optionText({ name, value }: VerbOption): string {
  return value === undefined ? name : `${name} ${value}`;
}

function sortWords(verb: Verb, words: readonly string[]): Omit<VerbWords, "directory"> | "help" {
  const given: string[] = [];
  const options = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === "--" || (verb.passesOn && given.length > 0)) {
      given.push(...words.slice(word === "--" ? i + 1 : i));
      break;
    }
    if (!/^-./.test(word)) {
      given.push(word);
      continue;
    }
    if (word === "-h" || word === "--help") return "help";
    const option = verb.options?.find(({ name }) => name === word);
    if (option === undefined) throw new UsageError(`${verb.name}: unknown option '${word}'`);
    if (option.value !== undefined) i += 1;
    if (i === words.length) throw new UsageError(`${verb.name}: ${word} needs a value`);
    options.set(option.name, option.value === undefined ? "" : words[i]);
  }
  checkCount(verb, given.length);
  return { arguments: given, options };
}

function checkCount({ name, least, most }: Verb, count: number): void {
  const plural = (number: number): string => `${number} argument${number === 1 ? "" : "s"}.`;
  if (count < least) throw new UsageError(`'${name}' requires at least ${plural(least)}`);
  if (count > most) throw new UsageError(`'${name}' takes at most ${plural(most)}`);
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}
