// Knows how a verb that is typed in a shell is run by the dom0 it is meant for: one of ours, or the Xen host's. Knows no verb.

import { runAtDom0, stateFolder } from "./control-client.js";
import { type Caller, checkWords, type Outcome, runAlone, UsageError, type Verb } from "./verb.js";
import { VOICES } from "./voice.js";
import type { XenVerb } from "./xen-domain-verbs.js";
import { XEN_OPTION } from "./xen-host.js";
import { runOnXenHost, XEN_VERBS } from "./xen-verbs.js";

/** Who has typed it, and where a dom0 is looked for. */
export interface RemoteCaller extends Omit<Caller, "signal"> {
  readonly environment: NodeJS.ProcessEnv;
  /** Resolves at the next signal that would end this process, with the status that it would have ended with. */
  readonly interrupted: () => Promise<number>;
}

/** Help, wrong usage and what a verb does alone need no dom0. Throws ToolstackError when there is none for the rest. */
export async function runRemotely(verb: Verb, typed: readonly string[], caller: RemoteCaller): Promise<Outcome> {
  const { environment, directory, program, print } = caller;
  const { told, words: rest } = takeState(verb, typed);
  if (told === null) return VOICES[program].usage(verb, new UsageError("--state needs a value"));
  const { xenVerb, words } = takeXen(verb, rest);
  const outcome = checkWords(xenVerb ?? verb, words, program);
  if (outcome !== null) return outcome;
  if (xenVerb !== undefined) return runOnXenHost(xenVerb, words, caller);
  // Nobody aborts it but the person who ends this process.
  const alone = await runAlone(verb, words, { ...caller, signal: new AbortController().signal });
  if (alone !== null) return alone;
  return runAtDom0(stateFolder(told, environment), { words: [verb.name, ...words], directory, program }, print);
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

/** Takes `--xen` out of the words, where there is such a verb on a Xen host. */
function takeXen(
  { name }: Verb,
  words: readonly string[],
): { readonly xenVerb: XenVerb | undefined; readonly words: readonly string[] } {
  const end = words.includes("--") ? words.indexOf("--") : words.length;
  const at = words.slice(0, end).indexOf(XEN_OPTION);
  const xenVerb = at < 0 ? undefined : XEN_VERBS.find((verb) => verb.name === name);
  return { xenVerb, words: xenVerb === undefined ? words : words.filter((_, index) => index !== at) };
}
