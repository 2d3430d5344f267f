// Knows which verbs there are: the one table for running them, for help, and for what is unknown.

import { DOMAIN_VERBS } from "./domain-verbs.js";
import type { OneProcess } from "./one-process.js";
import { OPEN_VERBS } from "./open-verbs.js";
import { SCSI_VERBS } from "./scsi-verbs.js";
import { Exit, failure, type Outcome, run, type Verb } from "./verb.js";
import { XENSTORE_VERB } from "./xenstore-verb.js";

export const VERBS: readonly Verb[] = [...DOMAIN_VERBS, ...SCSI_VERBS, XENSTORE_VERB, ...OPEN_VERBS];

export function findVerb(name: string | undefined): Verb | undefined {
  return VERBS.find((verb) => verb.name === name);
}

/**
 * Runs the verb that is the first word; whatever goes wrong is told in `errors` and by the status. Relative paths begin
 * at `directory`.
 */
export async function runVerb(
  system: OneProcess,
  [name, ...words]: readonly string[],
  directory: string = process.cwd(),
): Promise<Outcome> {
  const verb = findVerb(name);
  if (verb === undefined) return failure(Exit.usage, `pvscsi: unknown command '${name}', see help`);
  return run(verb, system, words, directory);
}

/** The list of verbs, two lines each. */
export function verbsHelp(): string {
  const line = ({ name, parameters, summary }: Verb): string => `${name} ${parameters}\n    ${summary}`;
  return VERBS.map(line).join("\n");
}
