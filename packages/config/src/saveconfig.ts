// Knows rtslib's saveconfig.json: LIO's storage objects, and the targets that give them away as LUNs. Knows no LUN of ours.

import { parseWorldWideName } from "./device-names.js";
import { ConfigError, formatPosition, type Position, quoted } from "./errors.js";
import { type Json, plainJson } from "./json-print.js";
import { type JsonObject, type JsonValue, parseJsonTree } from "./json-tree.js";
import {
  ALUA_KEYS,
  type AluaFields,
  ATTRIBUTE_KEYS,
  GROUP_KEYS,
  GROUP_LUN_KEYS,
  type GroupFields,
  type GroupLunFields,
  MAX_VHOST_LUN,
  MAX_VHOST_TAG,
  NEEDED,
  type SaveKey,
  type SaveKeys,
  STORAGE_KEYS,
  type StorageAttributes,
  type StorageFields,
  TARGET_KEYS,
  type TargetFields,
} from "./saveconfig-keys.js";

/** Keys that mean nothing here, as they are in the file. */
export type OtherKeys = { readonly [key: string]: Json };

/** A target port group that leads to a storage object. */
export interface AluaGroup extends Readonly<Partial<AluaFields>> {
  readonly name: string;
  readonly others: OtherKeys;
  readonly at: Position;
}

export interface StorageObject extends Readonly<Partial<StorageFields>> {
  readonly name: string;
  readonly plugin: string;
  readonly attributes: Readonly<Partial<StorageAttributes>>;
  readonly otherAttributes: OtherKeys;
  /** Absent where the file has no such list. */
  readonly aluaGroups?: readonly AluaGroup[];
  readonly others: OtherKeys;
  readonly at: Position;
}

/** One LUN of a target portal group. */
export interface GroupLun extends Readonly<Partial<GroupLunFields>> {
  readonly index: number;
  readonly storageObject: string;
  readonly others: OtherKeys;
  readonly at: Position;
}

/** A target portal group; on vhost its tag is the target id the guest sees. */
export interface PortalGroup extends Readonly<Partial<GroupFields>> {
  /** Where the file has none, the lowest from 1 that was free. */
  readonly tag: number;
  readonly luns: readonly GroupLun[];
  readonly others: OtherKeys;
  readonly at: Position;
}

export interface SavedTarget extends Readonly<TargetFields> {
  readonly groups: readonly PortalGroup[];
  readonly others: OtherKeys;
  readonly at: Position;
}

export interface Saveconfig {
  readonly file: string;
  readonly storageObjects: readonly StorageObject[];
  readonly targets: readonly SavedTarget[];
  /** Such as `fabric_modules`. */
  readonly others: OtherKeys;
  readonly at: Position;
}

/** `/backstores/PLUGIN/NAME`, as LUNs refer to a storage object. */
export function backstorePath({ plugin, name }: Pick<StorageObject, "plugin" | "name">): string {
  return `/backstores/${plugin}/${name}`;
}

/** Reads a saveconfig.json; `file` is its name in errors. Throws `ConfigError` at the first fault. */
export function parseSaveconfig(text: string, file: string): Saveconfig {
  return new SaveconfigReader(file).config(parseJsonTree(text, file));
}

/** Keys of objects whose values are lists and objects of their own. */
const LISTS = {
  storageObjects: "storage_objects",
  aluaGroups: "alua_tpgs",
  targets: "targets",
  groups: "tpgs",
  luns: "luns",
} as const;
const ATTRIBUTES = "attributes";
const FABRIC = "vhost";

class SaveconfigReader {
  readonly #file: string;
  readonly #backstores = new Map<string, Position>();

  constructor(file: string) {
    this.#file = file;
  }

  config(tree: JsonValue): Saveconfig {
    const top = this.#object(tree, "the configuration of a target");
    const storageObjects = this.#list(top, LISTS.storageObjects).map((value) => this.#storageObject(value));
    const seen = new Map<string, Position>();
    const targets = this.#list(top, LISTS.targets).map((value) => this.#target(value));
    for (const { fabric, wwn, at } of targets) this.#once(seen, `target ${wwn} of fabric ${fabric}`, at);
    const others = othersOf(top, [LISTS.storageObjects, LISTS.targets]);
    return { file: this.#file, storageObjects, targets, others, at: top.at };
  }

  #storageObject(value: JsonValue): StorageObject {
    const object = this.#object(value, "a storage object");
    const fields = this.#fields(object, STORAGE_KEYS, ["name", "plugin"]);
    const needed = NEEDED[fields.plugin];
    if (needed !== undefined && fields[needed] === undefined) this.#missing(object, STORAGE_KEYS[needed]);
    this.#once(this.#backstores, backstorePath(fields), object.at);
    const entry = object.entries.get(ATTRIBUTES);
    const attributes = entry === undefined ? undefined : this.#object(entry.value, ATTRIBUTES);
    return {
      ...fields,
      attributes: attributes === undefined ? {} : this.#fields(attributes, ATTRIBUTE_KEYS, []),
      otherAttributes: attributes === undefined ? {} : othersOf(attributes, keysOf(ATTRIBUTE_KEYS)),
      ...(object.entries.has(LISTS.aluaGroups) ? { aluaGroups: this.#aluaGroups(object) } : {}),
      others: othersOf(object, [...keysOf(STORAGE_KEYS), ATTRIBUTES, LISTS.aluaGroups]),
      at: object.at,
    };
  }

  #aluaGroups(object: JsonObject): AluaGroup[] {
    const names = new Map<string, Position>();
    const ids = new Map<string, Position>();
    return this.#list(object, LISTS.aluaGroups).map((value) => {
      const group = this.#object(value, "a target port group");
      const fields = this.#fields(group, ALUA_KEYS, ["name"]);
      this.#once(names, `target port group ${fields.name}`, group.at);
      if (fields.id !== undefined) this.#once(ids, `target port group ${fields.id}`, group.at);
      return { ...fields, others: othersOf(group, keysOf(ALUA_KEYS)), at: group.at };
    });
  }

  #target(value: JsonValue): SavedTarget {
    const object = this.#object(value, "a target");
    const { wwn, fabric } = this.#fields(object, TARGET_KEYS, ["wwn", "fabric"]);
    const vhost = fabric === FABRIC;
    const groups: PortalGroup[] = [];
    const seen = new Map<string, Position>();
    for (const entry of this.#list(object, LISTS.groups)) {
      const group = this.#group(entry, vhost, groups);
      this.#once(seen, `tag ${group.tag} of ${wwn}`, group.at);
      groups.push(group);
    }
    const others = othersOf(object, [...keysOf(TARGET_KEYS), LISTS.groups]);
    return { wwn: vhost ? this.#vhostName(object, wwn) : wwn, fabric, groups, others, at: object.at };
  }

  #vhostName(object: JsonObject, wwn: string): string {
    const name = parseWorldWideName(wwn);
    if (name !== undefined && wwn.toLowerCase() === name) return name;
    return this.#invalid(object, TARGET_KEYS.wwn.key, "naa. and 16 hex digits for fabric vhost");
  }

  #group(value: JsonValue, vhost: boolean, before: readonly PortalGroup[]): PortalGroup {
    const object = this.#object(value, "a target portal group");
    const fields = this.#fields(object, GROUP_KEYS, []);
    const tag = fields.tag ?? lowestFree(before);
    if (vhost && tag > MAX_VHOST_TAG) {
      if (fields.tag === undefined) this.#fail(object.at, `no tag up to ${MAX_VHOST_TAG} is left for it`);
      this.#invalid(object, GROUP_KEYS.tag.key, `a number from 0 to ${MAX_VHOST_TAG} for fabric vhost`);
    }
    const seen = new Map<string, Position>();
    const luns = this.#list(object, LISTS.luns).map((lun) => this.#lun(lun, vhost));
    for (const { index, at } of luns) this.#once(seen, `LUN ${index}`, at);
    return { ...fields, tag, luns, others: othersOf(object, [...keysOf(GROUP_KEYS), LISTS.luns]), at: object.at };
  }

  #lun(value: JsonValue, vhost: boolean): GroupLun {
    const object = this.#object(value, "a LUN");
    const fields = this.#fields(object, GROUP_LUN_KEYS, ["index", "storageObject"]);
    if (vhost && fields.index > MAX_VHOST_LUN) {
      this.#invalid(object, GROUP_LUN_KEYS.index.key, `a number from 0 to ${MAX_VHOST_LUN} for fabric vhost`);
    }
    if (!this.#backstores.has(fields.storageObject)) {
      const { at } = object.entries.get(GROUP_LUN_KEYS.storageObject.key)!.value;
      this.#fail(at, `no storage object ${quoted(fields.storageObject)} in this file`);
    }
    return { ...fields, others: othersOf(object, keysOf(GROUP_LUN_KEYS)), at: object.at };
  }

  /** The keys of a table that are in an object; those `required` are. */
  #fields<Fields extends object, Required extends keyof Fields>(
    object: JsonObject,
    keys: SaveKeys<Fields>,
    required: readonly Required[],
  ): Partial<Fields> & Pick<Fields, Required> {
    const fields: Partial<Fields> = {};
    for (const name of Object.keys(keys) as (keyof Fields & string)[]) {
      const row = keys[name];
      const value = object.entries.get(row.key)?.value;
      // Python's None is what rtslib writes for what it does not know.
      if (value === undefined || (value.kind === "atom" && value.value === null)) continue;
      fields[name] =
        (value.kind === "atom" ? row.read(value.value) : undefined) ?? this.#invalid(object, row.key, row.expecting);
    }
    for (const name of required) if (fields[name] === undefined) this.#missing(object, keys[name]);
    return fields as Partial<Fields> & Pick<Fields, Required>;
  }

  #missing(object: JsonObject, { key, expecting }: Pick<SaveKey<never>, "key" | "expecting">): never {
    this.#fail(object.at, `no ${key}, expected ${expecting}`);
  }

  #object(value: JsonValue, what: string): JsonObject {
    return value.kind === "object" ? value : this.#fail(value.at, `${nameOf(value)}, expected ${what}: an object`);
  }

  #list(object: JsonObject, key: string): readonly JsonValue[] {
    const value = object.entries.get(key)?.value;
    if (value === undefined) return [];
    return value.kind === "array"
      ? value.values
      : this.#fail(value.at, `${key} is ${nameOf(value)}, expected an array`);
  }

  #once(seen: Map<string, Position>, name: string, at: Position): void {
    const first = seen.get(name);
    if (first !== undefined) this.#fail(at, `${name} is given twice, first at ${formatPosition(first)}`);
    seen.set(name, at);
  }

  #invalid(object: JsonObject, key: string, expecting: string): never {
    const { value } = object.entries.get(key)!;
    this.#fail(value.at, `invalid ${key} ${nameOf(value)}, expected ${expecting}`);
  }

  #fail(at: Position, reason: string): never {
    throw new ConfigError(this.#file, at, reason);
  }
}

/** Somebody's value as it may stand in a message. */
function nameOf(value: JsonValue): string {
  if (value.kind !== "atom") return value.kind === "array" ? "an array" : "an object";
  return typeof value.value === "string" ? quoted(value.value) : String(value.value);
}

function lowestFree(groups: readonly PortalGroup[]): number {
  let tag = 1;
  while (groups.some((group) => group.tag === tag)) tag += 1;
  return tag;
}

function keysOf(keys: { readonly [name: string]: Pick<SaveKey<never>, "key"> }): string[] {
  return Object.values(keys).map(({ key }) => key);
}

function othersOf(object: JsonObject, known: readonly string[]): OtherKeys {
  const others = [...object.entries].filter(([key]) => !known.includes(key));
  return Object.fromEntries(others.map(([key, entry]) => [key, plainJson(entry.value)]));
}
