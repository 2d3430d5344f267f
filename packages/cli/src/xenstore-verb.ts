// Knows the verb that looks into xenstore, in the words of Xen's own clients.

import { ToolstackError } from "@pvscsi/toolstack";
import { dumpStore, type XenstoreClient } from "@pvscsi/xen";
import { connectStore } from "@pvscsi/xenbus";
import { pathIn } from "./node-files.js";
import { type Caller, UsageError, type Verb, type VerbWords } from "./verb.js";
import { watchPaths } from "./xenstore-watch.js";

interface Action {
  readonly parameters: string;
  readonly least: number;
  readonly most: number;
  readonly run: (store: XenstoreClient, words: readonly string[], caller: Caller) => Promise<string>;
}

const SOCKET = "--socket";

const ACTIONS: Readonly<Record<string, Action>> = {
  ls: { parameters: "[PATH]", least: 0, most: 1, run: list },
  read: { parameters: "PATH...", least: 1, most: Number.POSITIVE_INFINITY, run: read },
  write: { parameters: "PATH VALUE", least: 2, most: 2, run: write },
  watch: { parameters: "[-n COUNT] PATH...", least: 1, most: Number.POSITIVE_INFINITY, run: watch },
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
  options: [{ name: SOCKET, value: "PATH", summary: "of the xenstored that listens there; needs no dom0" }],
  passesOn: true,
  run: ({ store }, words) => perform(store, words),
  alone: { option: SOCKET, run: performThere },
};

/** At the xenstored behind a Unix socket, whoever's it is. */
async function performThere(words: VerbWords): Promise<string> {
  const path = pathIn(words.directory, words.options.get(SOCKET) ?? "");
  const lost = new AbortController();
  const store = await connectStore(path, () => lost.abort());
  try {
    const output = await perform(store, { ...words, signal: AbortSignal.any([words.signal, lost.signal]) });
    if (store.ended !== null) throw new ToolstackError("FAIL", `${path}: ${store.ended.message}`);
    return output;
  } finally {
    store.close();
  }
}

async function perform(store: XenstoreClient, { arguments: [name, ...words], ...caller }: VerbWords): Promise<string> {
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) throw new UsageError(`unknown action '${name}'`);
  const { parameters, least, most } = action;
  if (words.length < least || words.length > most) throw new UsageError(`expecting ${name} ${parameters}`);
  return action.run(store, words, caller);
}

async function list(store: XenstoreClient, [path = "/"]: readonly string[]): Promise<string> {
  await existing(store.list(path), path);
  return dumpStore(store, path);
}

async function read(store: XenstoreClient, paths: readonly string[]): Promise<string> {
  const values = await Promise.all(paths.map((path) => existing(store.read(path), path)));
  return values.join("\n");
}

async function write(store: XenstoreClient, [path, value]: readonly string[]): Promise<string> {
  await store.write(path, value);
  return "";
}

async function remove(store: XenstoreClient, paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    await existing(store.read(path), path);
    await store.remove(path);
  }
  return "";
}

async function watch(store: XenstoreClient, words: readonly string[], { print, signal }: Caller): Promise<string> {
  const { count, paths } = watchWords(words);
  await watchPaths(store, paths, { count, print, signal });
  return "";
}

/** Without -n there is no end to count to. */
function watchWords(words: readonly string[]): { readonly count: number; readonly paths: readonly string[] } {
  const counted = words[0] === "-n" || words[0] === "--number";
  const [first, ...paths] = counted ? words.slice(1) : ["", ...words];
  if (counted && !/^[1-9]\d{0,8}$/.test(first ?? "")) throw new UsageError("watch: -n needs a COUNT above 0");
  const option = paths.find((path) => path.startsWith("-"));
  if (option !== undefined) throw new UsageError(`watch: unknown option '${option}'`);
  if (paths.length === 0) throw new UsageError(`expecting watch ${ACTIONS.watch.parameters}`);
  return { count: counted ? Number(first) : Number.POSITIVE_INFINITY, paths };
}

async function existing<Value>(asked: Promise<Value | null>, path: string): Promise<Value> {
  const value = await asked;
  if (value === null) throw new ToolstackError("NOTFOUND", `there is no ${path}`);
  return value;
}
