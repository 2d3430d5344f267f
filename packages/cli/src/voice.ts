// Knows how help and wrong usage are worded: in pvscsi's own way, and in xl's (tools/xl/xl.c, xl_utils.c). Knows no verb.

import type { Outcome, UsageError, VerbOption, VerbUsage } from "./verb.js";

/** By which name it was called: the program that the person has in mind. */
export type Program = "pvscsi" | "xl";

export interface Voice {
  help(verb: VerbUsage): string;
  /** What wrong usage of a verb is answered with. */
  usage(verb: VerbUsage, error: UsageError): Outcome;
  /** What stands before the reason of a failure; null: nothing. */
  prefix(verb: VerbUsage): string | null;
}

const WRONG_USAGE = 2;

export const VOICES: { readonly [Name in Program]: Voice } = {
  pvscsi: { help: ownHelp, usage: ownUsage, prefix: ({ name }) => `pvscsi ${name}` },
  xl: { help: xlHelp, usage: xlUsage, prefix: () => null },
};

/** Usage, summary, options and a real example. */
function ownHelp(verb: VerbUsage): string {
  const { name, parameters, summary, example, options = [] } = verb;
  const usage = ["Usage:", name, ...(options.length > 0 ? ["[OPTIONS]"] : []), parameters].join(" ").trimEnd();
  const list = options.length > 0 ? `Options:\n${optionLines(options, "  ", 20)}\n\n` : "";
  return `${usage}\n\n${summary}\n\n${list}Example: ${example}`;
}

function ownUsage(verb: VerbUsage, { kind, message }: UsageError): Outcome {
  const what = kind === "count" ? `'${verb.name}' ${message}` : `${verb.name}: ${message}`;
  return { output: "", errors: `${what}\n\n${ownHelp(verb)}`, status: WRONG_USAGE };
}

/** As xl's help(): its letters say which global options a command heeds. */
function xlHelp(verb: VerbUsage): string {
  const { name, parameters, summary, xl } = verb;
  const options = (verb.options ?? []).filter(({ own }) => own === undefined);
  const usage = `Usage: xl [-vtT${xl === "modifies" ? "f" : ""}] ${name} ${parameters}`.trimEnd();
  const list = options.length > 0 ? `Options:\n\n${optionLines(options, "", 23)}\n` : "";
  return `${usage}\n\n${sentence(summary)}\n\n${list}`;
}

/** As xl's def_getopt(): help goes to standard output, and not at all where an option is unknown. */
function xlUsage(verb: VerbUsage, { kind, message, option }: UsageError): Outcome {
  if (kind === "option") {
    return { output: "", errors: `option \`${option.replace(/^-(?=[^-])/, "")}' not supported.`, status: WRONG_USAGE };
  }
  const what = kind === "count" ? `'xl ${verb.name}' ${message}` : message;
  return { output: xlHelp(verb), errors: `${what}\n\n`, status: WRONG_USAGE };
}

/** The list that xl prints where it is called without a command. */
export function xlCommands(verbs: readonly VerbUsage[]): string {
  const lines = verbs.map(({ name, summary }) => ` ${name.padEnd(19)} ${sentence(summary).slice(0, -1)}`);
  return ["Usage xl [-vfNtT] <subcommand> [args]", "", "xl full list of subcommands:", "", ...lines].join("\n");
}

function optionLines(options: readonly VerbOption[], indent: string, width: number): string {
  const text = ({ name, value }: VerbOption): string => (value === undefined ? name : `${name} ${value}`);
  return options.map((option) => `${indent}${text(option).padEnd(width)} ${option.summary}`).join("\n");
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
