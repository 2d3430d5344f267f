// Knows the verb that looks into xenstore, in the words of Xen's own clients.

import { ToolstackError } from "@pvscsi/toolstack";
import type { OneProcess } from "./one-process.js";
import { UsageError, type Verb, type VerbWords } from "./verb.js";

interface Action {
  readonly parameters: string;
  readonly least: number;
  readonly most: number;
  readonly run: (system: OneProcess, words: readonly string[]) => Promise<string>;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  ls: { parameters: "[PATH]", least: 0, most: 1, run: list },
  read: { parameters: "PATH...", least: 1, most: Number.POSITIVE_INFINITY, run: read },
  write: { parameters: "PATH VALUE", least: 2, most: 2, run: write },
  rm: { parameters: "PATH...", least: 1, most: Number.POSITIVE_INFINITY, run: remove },
};

export const XENSTORE_VERB: Verb = {
  name: "xenstore",
  parameters: Object.entries(ACTIONS)
    .map(([name, { parameters }]) => `${name} ${parameters}`)
    .join(" | "),
  summary: "look into xenstore",
  example: "xenstore ls /local/domain/0/backend/vscsi",
  least: 1,
  most: Number.POSITIVE_INFINITY,
  passesOn: true,
  run: perform,
};

async function perform(system: OneProcess, { arguments: [name, ...words] }: VerbWords): Promise<string> {
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) throw new UsageError(`xenstore: unknown action '${name}'`);
  const { parameters, least, most } = action;
  if (words.length < least || words.length > most) throw new UsageError(`xenstore: expecting ${name} ${parameters}`);
  return action.run(system, words);
}

async function list({ store, xenstored }: OneProcess, [path = "/"]: readonly string[]): Promise<string> {
  await existing(store.list(path), path);
  return xenstored.dump(path);
}

async function read({ store }: OneProcess, paths: readonly string[]): Promise<string> {
  const values = await Promise.all(paths.map((path) => existing(store.read(path), path)));
  return values.join("\n");
}

async function write({ store }: OneProcess, [path, value]: readonly string[]): Promise<string> {
  await store.write(path, value);
  return "";
}

async function remove({ store }: OneProcess, paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    await existing(store.read(path), path);
    await store.remove(path);
  }
  return "";
}

async function existing<Value>(asked: Promise<Value | null>, path: string): Promise<Value> {
  const value = await asked;
  if (value === null) throw new ToolstackError("NOTFOUND", `there is no ${path}`);
  return value;
}
