// Knows what an object of the tree is to the shell: its name, its line in `ls`, what hangs under it and which commands it takes.

import { type LioObject, type LioValue, objectIn } from "./dump.js";

/** What the shell says of a command that is not done, in targetcli's words. */
export class LioError extends Error {
  override readonly name = "LioError";
}

/** What stands in brackets behind a name; `OK` or `ERROR` where only the health is known. */
export interface Summary {
  readonly text: string;
  readonly healthy: boolean | null;
}

/** A file or device as it is just now. */
export interface FoundFile {
  readonly kind: "file" | "block" | "other";
  /** Bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  /** The same for two names of one file. */
  readonly identity: string;
  /** Linux' name and numbers of a block device. */
  readonly device?: { readonly name: string; readonly major: number; readonly minor: number };
}

/** What is made under a folder: a folder, a file or a link at a path in it. */
export type TreeEntry =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "file"; readonly path: string; readonly text: string }
  | { readonly kind: "link"; readonly path: string; readonly to: string };

/** The files that storage objects are made of. */
export interface LioFiles {
  /** Null where there is nothing. */
  find(path: string): Promise<FoundFile | null>;
  /** Makes a file of `size` bytes; throws `LioError` when it cannot. */
  create(path: string, size: number, sparse: boolean): Promise<void>;
  /** Makes everything in a folder, which is made where it is not there; throws `LioError` when something of it is there already, or cannot be made. */
  plant(folder: string, entries: readonly TreeEntry[]): Promise<void>;
  /** From where it was typed to an absolute path. */
  resolve(path: string): string;
}

/** Names that nobody else has. */
export interface LioNames {
  /** Of a target or initiator. */
  wwn(kind: string): string;
  unitSerial(): string;
  /** Of a LUN's link, 10 hex digits. */
  alias(): string;
}

/** Those of targetcli's global preferences that mean something here. */
export interface Preferences {
  export_backstore_name_as_model: boolean;
  auto_enable_tpgt: boolean;
  auto_add_mapped_luns: boolean;
  auto_cd_after_create: boolean;
  auto_add_default_portal: boolean;
}

/** Where a command is run: a node, its path and those above. */
export interface Place {
  readonly node: LioNode;
  readonly path: string;
  readonly parent: Place | null;
}

/** What commands have to work with. */
export interface LioWork {
  dump: LioObject;
  readonly files: LioFiles;
  readonly names: LioNames;
  readonly preferences: Preferences;
  say(line: string): void;
  /** The place of a path, relative to another; throws `LioError` where there is none. */
  find(path: string, from: Place): Place;
  /** The new object, which becomes the current one where people want that. */
  made(path: string): void;
}

/** The words behind a command, by the names of its parameters. */
export type Given = { readonly [parameter: string]: string | undefined };

export interface LioCommand {
  readonly name: string;
  /** In order; an optional one has a `?` at its end. */
  readonly parameters: readonly string[];
  /** What may follow in any number: words, or `name=value`. */
  readonly more?: "words" | "pairs";
  readonly summary: string;
  run(work: LioWork, given: Given, here: Place, more: ReadonlyMap<string, string>): Promise<void> | void;
}

/** Values that `get` and `set` reach. */
export interface LioGroup {
  readonly name: string;
  readonly type: "number" | "string" | "bool";
  /** The names of its values, in order. */
  names(): readonly string[];
  get(name: string): LioValue;
  /** Absent where they are read only. */
  set?(name: string, value: LioValue): void;
}

export interface LioNode {
  readonly name: string;
  readonly commands: readonly LioCommand[];
  readonly groups: readonly LioGroup[];
  /** What `info` tells of. */
  readonly object?: LioObject;
  summary(): Summary | Promise<Summary>;
  children(): readonly LioNode[];
}

/** `true` or `false` as a person typed it; throws `LioError` for anything else. */
export function booleanWord(word: string | undefined, otherwise: boolean): boolean {
  if (word === undefined) return otherwise;
  const lower = word.toLowerCase();
  if (lower === "true" || lower === "false") return lower === "true";
  throw new LioError(`Syntax error, '${word}' is not true|false.`);
}

/** A whole number as a person typed it; throws `LioError` with `complaint` for anything else. */
export function numberWord(word: string, complaint: string): number {
  if (!/^\d{1,9}$/.test(word)) throw new LioError(complaint);
  return Number(word);
}

export function count(text: string, number: number): Summary {
  return { text: `${text}: ${number}`, healthy: null };
}

/** Values of an object: its own, each behind a prefix perhaps, or those of the object `within` it. */
export function groupOf(
  name: string,
  owner: LioObject,
  how: { type: LioGroup["type"]; within?: string; names?: readonly string[]; prefix?: string },
): LioGroup {
  const { type, within, names, prefix = "" } = how;
  const values = () => (within === undefined ? owner : objectIn(owner, within));
  return {
    name,
    type,
    names: () => names ?? Object.keys(values()).sort(),
    get: (key) => values()[prefix + key] ?? "",
    set: (key, value) => {
      const object = values();
      object[prefix + key] = value;
      if (within !== undefined) owner[within] = object;
    },
  };
}
