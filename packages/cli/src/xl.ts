// Knows xl's command line (tools/xl/xl.c): its global options, its help, what it says of a command that it has not.

import { type RemoteCaller, runRemotely } from "./remote-verb.js";
import { Exit, failure, type Outcome, success } from "./verb.js";
import { VERBS } from "./verbs.js";
import { VOICES, xlCommands } from "./voice.js";

/** Those of the verbs that xl has. */
const COMMANDS = VERBS.filter(({ xl }) => xl !== undefined);

/** Runs an xl command line. Throws ToolstackError when there is no dom0. */
export async function runXl(words: readonly string[], caller: RemoteCaller): Promise<Outcome> {
  const { refusal, dryRun, rest } = takeGlobalOptions(words);
  if (refusal !== null) return failure(Exit.failed, refusal);
  const [name, ...own] = rest;
  if (name === undefined) return { ...success(xlCommands(COMMANDS)), status: Exit.failed };
  const verb = COMMANDS.find((command) => command.name === name);
  if (verb !== undefined) {
    // As xl itself answers where a command has no dry run; none has one here.
    if (dryRun) return failure(Exit.failed, "command does not implement -N (dryrun) option");
    return runRemotely(verb, own, caller);
  }
  if (name !== "help") return failure(Exit.failed, "command not implemented");
  return success(help(own[0]));
}

function help(name: string | undefined): string {
  if (name === undefined || name === "help") return xlCommands(COMMANDS);
  const verb = COMMANDS.find((command) => command.name === name);
  return verb === undefined ? `command "${name}" not implemented` : VOICES.xl.help(verb);
}

interface GlobalOptions {
  /** What is wrong with them, or null. */
  readonly refusal: string | null;
  readonly dryRun: boolean;
  readonly rest: readonly string[];
}

/** Letters before the command, as getopt reads them: -v and -f have nothing to change here. */
function takeGlobalOptions(words: readonly string[]): GlobalOptions {
  const end = words.findIndex((word) => !/^-./.test(word) || word === "--");
  const given = end < 0 ? words : words.slice(0, end);
  const rest = words.slice(words[given.length] === "--" ? given.length + 1 : given.length);
  const letters = given.flatMap((word) => [...word.slice(1)]);
  const unknown = letters.find((letter) => !"vfNtT".includes(letter));
  const unsupported = letters.find((letter) => "tT".includes(letter));
  let refusal: string | null = null;
  if (unknown !== undefined) refusal = `xl: invalid option -- '${unknown}'\nunknown global option`;
  else if (unsupported !== undefined) refusal = `global option -${unsupported} is not supported here: leave it out`;
  return { refusal, dryRun: letters.includes("N"), rest };
}
