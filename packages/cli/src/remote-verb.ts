// Knows how a verb that is typed in a shell is run by the dom0 it is meant for. Knows no verb.

import { runAtDom0, stateFolder } from "./control-client.js";
import { checkWords, Exit, failure, type Outcome, type Verb } from "./verb.js";

/** Help and wrong usage need no dom0. Throws ToolstackError when there is none for the rest. */
export async function runRemotely(
  verb: Verb,
  typed: readonly string[],
  environment: NodeJS.ProcessEnv,
  directory: string,
): Promise<Outcome> {
  const { told, words } = takeState(verb, typed);
  if (told === null) return failure(Exit.usage, `${verb.name}: --state needs a value`);
  const outcome = checkWords(verb, words);
  if (outcome !== null) return outcome;
  return runAtDom0(stateFolder(told, environment), [verb.name, ...words], directory);
}

/** Takes `--state DIR` out of the words that are the verb's own; null where its value is missing. */
function takeState(
  { passesOn }: Verb,
  typed: readonly string[],
): { readonly told: string | null | undefined; readonly words: readonly string[] } {
  for (const [index, word] of typed.entries()) {
    if (word === "--" || (passesOn && !word.startsWith("-"))) break;
    if (word !== "--state") continue;
    return {
      told: typed[index + 1] ?? null,
      words: typed.filter((_, other) => other !== index && other !== index + 1),
    };
  }
  return { told: undefined, words: typed };
}
