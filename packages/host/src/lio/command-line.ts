// Knows a line that a person types: a path, a command and its words, or fewer of them. Knows no command.

import { type Given, type LioCommand, LioError } from "./node.js";

export interface CommandLine {
  /** "" where the line has none: the current place. */
  readonly path: string;
  /** "" where the line has none. */
  readonly command: string;
  readonly words: readonly string[];
  /** `name=value`; of one that is given twice the last. */
  readonly pairs: ReadonlyMap<string, string>;
}

const PATH = /^(?:[\w:.[\]-]*\/[\w:.[\]/-]*|\.\.?)$/;
const COMMAND = /^\w+$/;
const PAIR = /^([\w-]+)=(.*)$/s;

/** Sorts the words of a line. Throws `LioError` for one that does not begin with a path or a command. */
export function parseLine(line: string): CommandLine {
  const all = line.split(/\s+/).filter((word) => word !== "");
  const path = all.length > 0 && PATH.test(all[0]) ? all.splice(0, 1)[0] : "";
  const command = all.length > 0 && COMMAND.test(all[0]) ? all.splice(0, 1)[0] : "";
  if (command === "" && all.length > 0) throw new LioError(`Command not found ${all[0]}`);
  const pairs = new Map<string, string>();
  const words = all.filter((word) => {
    const [, name, value] = PAIR.exec(word) ?? [];
    if (name !== undefined) pairs.set(name, value);
    return name === undefined;
  });
  return { path, command, words, pairs };
}

/** The words by the names of a command's parameters, and what there is beyond them. Throws `LioError` where they do not fit. */
export function bindWords(
  { parameters, more }: LioCommand,
  { words, pairs }: CommandLine,
): { readonly given: Given; readonly rest: ReadonlyMap<string, string> } {
  const names = parameters.map((name) => name.replace("?", ""));
  const known = new Map([...names.entries()].slice(0, words.length).map(([index, name]) => [name, words[index]]));
  const missing = parameters.filter((name) => !name.endsWith("?") && !known.has(name) && !pairs.has(name));
  if (missing.length === 1) throw new LioError(`Missing required parameter ${missing[0]}`);
  if (missing.length > 1) {
    throw new LioError(`Missing required parameters ${missing.map((name) => `'${name}'`).join(", ")}`);
  }
  const rest = new Map([...pairs].filter(([name]) => !names.includes(name)));
  if (rest.size > 0 && more !== "pairs") throw new LioError(unexpected([...rest.keys()]));
  const twice = [...pairs.keys()].find((name) => known.has(name));
  if (twice !== undefined) throw new LioError(`Duplicate parameter ${twice}.`);
  if (words.length > names.length) {
    if (more !== "words") throw new LioError(tooMany(parameters, words.length + pairs.size - rest.size));
    for (const word of words.slice(names.length)) rest.set(word, "");
  }
  for (const name of names) if (pairs.has(name)) known.set(name, pairs.get(name) ?? "");
  return { given: Object.fromEntries(known), rest };
}

function unexpected(names: readonly string[]): string {
  if (names.length === 1) return `Unexpected keyword parameter '${names[0]}'.`;
  return `Unexpected keyword parameters ${names.map((name) => `'${name}'`).join(", ")}.`;
}

function tooMany(parameters: readonly string[], number: number): string {
  const most = parameters.length;
  const limit = parameters.some((name) => name.endsWith("?")) ? "at most" : "exactly";
  return `Got ${number} positionnal parameters, expected ${limit} ${most}.`;
}
