// Knows the verb that looks into xenstore, in the words of Xen's own clients.

import { ToolstackError } from "@pvscsi/toolstack";
import { dumpStore, type XenstoreClient, type XenstoreSession } from "@pvscsi/xen";
import { hostCalls, openStore } from "@pvscsi/xenbus";
import { pathIn } from "./node-files.js";
import { storePaths } from "./store-paths.js";
import { type Caller, UsageError, type Verb, type VerbWords } from "./verb.js";
import { onXenHost, XEN_OPTION } from "./xen-host.js";
import { watchPaths } from "./xenstore-watch.js";

interface Action {
  readonly parameters: string;
  readonly least: number;
  readonly most: number;
  readonly run: (store: XenstoreClient, words: readonly string[], caller: Caller) => Promise<string>;
}

const SOCKET = "--socket";

const ACTIONS: Readonly<Record<string, Action>> = {
  ls: { parameters: "[-f] [-p] [PATH]", least: 0, most: 3, run: list },
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
  options: [
    {
      name: SOCKET,
      value: "PATH",
      summary: "of the xenstored that listens there, or behind that device; needs no dom0",
    },
    { name: XEN_OPTION, summary: "of this Xen host, found as Xen's own clients do" },
  ],
  passesOn: true,
  run: ({ store }, words) => perform(store, words),
  alone: { options: [SOCKET, XEN_OPTION], run: performThere },
};

/** At another xenstored, whoever's it is. */
async function performThere(words: VerbWords): Promise<string> {
  const lost = new AbortController();
  const { path, store } = await openFirst(pathsOf(words), () => lost.abort());
  try {
    const output = await perform(store, { ...words, signal: AbortSignal.any([words.signal, lost.signal]) });
    if (store.ended !== null) throw new ToolstackError("FAIL", `${path}: ${store.ended.message}`);
    return output;
  } finally {
    store.close();
  }
}

function pathsOf({ options, directory, environment = {} }: VerbWords): readonly string[] {
  const socket = options.get(SOCKET);
  if (socket === undefined) return storePaths(environment);
  if (options.has(XEN_OPTION)) throw new UsageError(`${SOCKET} and ${XEN_OPTION} exclude each other`);
  return [pathIn(directory, socket)];
}

/** Rejects as the last of them does. */
async function openFirst(
  [path, ...others]: readonly string[],
  ended: () => void,
): Promise<{ readonly path: string; readonly store: XenstoreSession }> {
  try {
    return { path, store: await onXenHost(() => openStore(path, hostCalls, ended)) };
  } catch (error) {
    if (others.length === 0) throw error;
    return openFirst(others, ended);
  }
}

async function perform(store: XenstoreClient, { arguments: [name, ...words], ...caller }: VerbWords): Promise<string> {
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) throw new UsageError(`unknown action '${name}'`);
  const { parameters, least, most } = action;
  if (words.length < least || words.length > most) throw new UsageError(`expecting ${name} ${parameters}`);
  return action.run(store, words, caller);
}

/** Permissions are shown with -p and without. */
async function list(store: XenstoreClient, words: readonly string[]): Promise<string> {
  const flags = words.filter((word) => /^-[fp]+$/.test(word)).join("");
  const [path = "/", ...more] = words.filter((word) => !/^-[fp]+$/.test(word));
  if (more.length > 0 || path.startsWith("-")) throw new UsageError(`expecting ls ${ACTIONS.ls.parameters}`);
  await existing(store.list(path), path);
  return dumpStore(store, path, flags.includes("f"));
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
