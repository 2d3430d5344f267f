// Knows what a verb is and how its words are read: arguments, options, usage errors, exit codes. Knows no verb.

import { ConfigError } from "@pvscsi/config";
import { ToolstackError } from "@pvscsi/toolstack";
import { XenstoreError } from "@pvscsi/xen";
import type { System } from "./system.js";
import { type Program, VOICES } from "./voice.js";

/** xl's exit codes. */
export const Exit = { done: 0, failed: 1, usage: 2 } as const;

/** What a verb printed, and how it ended. */
export interface Outcome {
  readonly output: string;
  readonly errors: string;
  readonly status: number;
}

/** Who runs a verb. */
export interface Caller {
  /** By which name the program was called. */
  readonly program: Program;
  /** Where relative paths begin: the folder of whoever typed them. */
  readonly directory: string;
  /** Takes what a verb prints while it runs, in whole lines. */
  readonly print: (text: string) => void;
  /** The variables of whoever typed them, where they are known. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Aborted when nobody waits for the verb any more. */
  readonly signal: AbortSignal;
}

/** The words behind a verb's name, sorted, and who has typed them. */
export interface VerbWords extends Caller {
  readonly arguments: readonly string[];
  /** The options given, by their names; the value of one that takes none is "". */
  readonly options: ReadonlyMap<string, string>;
}

export interface VerbOption {
  /** With its dashes. */
  readonly name: string;
  /** What its value is called, for one that takes a value. */
  readonly value?: string;
  readonly summary: string;
  /** Not xl's: unknown where the program is called so. */
  readonly own?: true;
}

/** Of every verb that prints a table. */
export const JSON_OPTION: VerbOption = { name: "--json", summary: "print JSON" };

/** What is known of a verb that does not run. */
export interface VerbUsage {
  readonly name: string;
  /** Its arguments, in the words of --help. */
  readonly parameters: string;
  readonly summary: string;
  readonly example: string;
  /** Fewest and most arguments. */
  readonly least: number;
  readonly most: number;
  readonly options?: readonly VerbOption[];
  /** Set where xl has it as well: whether it changes something, or only looks. */
  readonly xl?: "modifies" | "reads";
  /** What stands behind its first argument belongs to somebody else, dashes included. */
  readonly passesOn?: true;
}

export interface Verb extends VerbUsage {
  /** Does it; gives what it prints. */
  readonly run: (system: System, words: VerbWords) => Promise<string | Outcome>;
  /** Does it without any dom0, where one of these options is given. */
  readonly alone?: {
    readonly options: readonly string[];
    readonly run: (words: VerbWords) => Promise<string | Outcome>;
  };
}

/** A use of a verb that its usage does not allow; the message is what stands behind the verb's name. */
export class UsageError extends Error {
  /** `count`: of the arguments. */
  readonly kind: "option" | "count" | "other";
  /** The option that there is none of, with its dashes. */
  readonly option: string;

  constructor(message: string, kind: UsageError["kind"] = "other", option = "") {
    super(message);
    this.kind = kind;
    this.option = option;
  }
}

/** Runs a verb with its words; what a person did wrong or what could not be done is told, our own mistakes are thrown. */
export function run(verb: Verb, system: System, words: readonly string[], caller: Caller): Promise<Outcome> {
  return runBody(verb, words, caller, (sorted) => aloneWith(verb, sorted)?.run(sorted) ?? verb.run(system, sorted));
}

/** Runs a verb whose words, which are right, need no dom0; null where they need one. */
export async function runAlone(verb: Verb, words: readonly string[], caller: Caller): Promise<Outcome | null> {
  const sorted = sortWords(verb, words, caller.program);
  const alone = sorted === "help" ? undefined : aloneWith(verb, sorted);
  return alone === undefined ? null : runBody(verb, words, caller, alone.run);
}

function aloneWith({ alone }: Verb, { options }: Pick<VerbWords, "options">): Verb["alone"] {
  return alone?.options.some((option) => options.has(option)) ? alone : undefined;
}

/** The same where something else than a whole system does what the verb says. */
export function runBody(
  verb: VerbUsage,
  words: readonly string[],
  caller: Caller,
  body: (words: VerbWords) => Promise<string | Outcome>,
): Promise<Outcome> {
  return outcomeOf(verb, caller.program, async () => {
    const sorted = sortWords(verb, words, caller.program);
    return sorted === "help" ? VOICES[caller.program].help(verb) : body({ ...caller, ...sorted });
  });
}

/** The same for what is the body of a verb. */
export async function outcomeOf(
  verb: VerbUsage,
  program: Program,
  body: () => Promise<string | Outcome>,
): Promise<Outcome> {
  const voice = VOICES[program];
  try {
    const result = await body();
    return typeof result === "string" ? success(result) : result;
  } catch (error) {
    if (error instanceof UsageError) return voice.usage(verb, error);
    const message = messageOf(error, voice.prefix(verb));
    if (message === null) throw error;
    return failure(Exit.failed, message);
  }
}

/** What can be said of a verb's words without any system: its help, what is wrong with them, or null when they will do. */
export function checkWords(verb: VerbUsage, words: readonly string[], program: Program): Outcome | null {
  const voice = VOICES[program];
  try {
    return sortWords(verb, words, program) === "help" ? success(voice.help(verb)) : null;
  } catch (error) {
    if (error instanceof UsageError) return voice.usage(verb, error);
    throw error;
  }
}

/** What is told of an error, in one line: null for one that is our own mistake. A text's own place is enough of a prefix. */
export function messageOf(error: unknown, who: string | null): string | null {
  if (error instanceof ConfigError) return error.message;
  const foreseen = error instanceof ToolstackError || error instanceof XenstoreError || isSystemError(error);
  if (!foreseen) return null;
  const { message } = error as Error;
  return who === null ? message : `${who}: ${message}`;
}

export function failure(status: number, errors: string): Outcome {
  return { output: "", errors, status };
}

export function success(output: string): Outcome {
  return { output, errors: "", status: Exit.done };
}

/** The options a verb has when it is called so. */
function optionsOf({ options = [] }: VerbUsage, program: Program): readonly VerbOption[] {
  return program === "xl" ? options.filter(({ own }) => own === undefined) : options;
}

function sortWords(
  verb: VerbUsage,
  words: readonly string[],
  program: Program,
): Pick<VerbWords, "arguments" | "options"> | "help" {
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
    const option = optionsOf(verb, program).find(({ name }) => name === word);
    if (option === undefined) throw new UsageError(`unknown option '${word}'`, "option", word);
    if (option.value !== undefined) i += 1;
    if (i === words.length) throw new UsageError(`${word} needs a value`);
    options.set(option.name, option.value === undefined ? "" : words[i]);
  }
  checkCount(verb, given.length);
  return { arguments: given, options };
}

function checkCount({ least, most }: VerbUsage, count: number): void {
  const plural = (number: number): string => `${number} argument${number === 1 ? "" : "s"}.`;
  if (count < least) throw new UsageError(`requires at least ${plural(least)}`, "count");
  if (count > most) throw new UsageError(`takes at most ${plural(most)}`, "count");
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}
