// Knows which verbs there are: the one table for running them, for help, and for what is unknown.

import { DOMAIN_VERBS } from "./domain-verbs.js";
import { LIBRARY_VERB } from "./library-verb.js";
import { OPEN_VERBS } from "./open-verbs.js";
import { SCSI_VERBS } from "./scsi-verbs.js";
import type { System } from "./system.js";
import { type Caller, Exit, failure, type Outcome, run, type Verb } from "./verb.js";
import { XENSTORE_VERB } from "./xenstore-verb.js";

export const VERBS: readonly Verb[] = [...DOMAIN_VERBS, ...SCSI_VERBS, LIBRARY_VERB, XENSTORE_VERB, ...OPEN_VERBS];

export function findVerb(name: string | undefined): Verb | undefined {
  return VERBS.find((verb) => verb.name === name);
}

/** Runs the verb that is the first word; whatever goes wrong is told in `errors` and by the status. */
export async function runVerb(system: System, [name, ...words]: readonly string[], caller: Caller): Promise<Outcome> {
  const verb = findVerb(name);
  if (verb === undefined) return failure(Exit.usage, `pvscsi: unknown command '${name}', see help`);
  return run(verb, system, words, caller);
}

/** The same for who waits for its end: what it prints while it runs comes first in its output. */
export async function runWhole(system: System, words: readonly string[]): Promise<Outcome> {
  const pieces: string[] = [];
  const print = (text: string): void => void pieces.push(text);
  const caller: Caller = { program: "pvscsi", directory: process.cwd(), print, signal: new AbortController().signal };
  const outcome = await runVerb(system, words, caller);
  return { ...outcome, output: [...pieces, ...(outcome.output === "" ? [] : [outcome.output])].join("\n") };
}

/** The list of verbs, two lines each. */
export function verbsHelp(): string {
  const line = ({ name, parameters, summary }: Verb): string => `${name} ${parameters}\n    ${summary}`;
  return VERBS.map(line).join("\n");
}
