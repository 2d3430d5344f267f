// Knows what a LUN's table in a YAML file says: what backs it and what it is. Knows neither where it is nor what it is called.

import { parseIscsiUrl } from "./iscsi-url.js";
import { ENCLOSURE_LIMITS, type EnclosureConfig, LIBRARY_LIMITS } from "./library-config.js";
import {
  DEVICE_NODE,
  type FaultWord,
  isPassed,
  isService,
  LUN_DEFAULTS,
  LUN_KEYS,
  LUN_PROPERTIES,
  type LunBacking,
  type LunProperties,
  type LunSpec,
  misfit,
  readProperty,
  unfit,
} from "./lun-keys.js";
import { lunSpec } from "./lun-word.js";
import { parseNbdUri } from "./nbd-uri.js";
import { YamlReader } from "./yaml-reader.js";
import type { YamlTable, YamlText } from "./yaml-tree.js";

const BACKINGS: readonly string[] = [
  "file",
  "memory",
  "null",
  "device",
  "iscsi",
  "nbd",
  "empty",
  "enclosure",
  "controller",
];
const PROPERTY_BY_KEY = new Map(LUN_PROPERTIES.map((name) => [LUN_KEYS[name].key, name]));
/** The keys of a LUN, wherever it is. */
export const LUN_TABLE_KEYS: readonly string[] = [
  ...[...BACKINGS, "create", "shareable", "faults"],
  ...PROPERTY_BY_KEY.keys(),
];

/** Services are what backs them. */
function typed(properties: Partial<LunProperties>, { kind }: LunBacking): Partial<LunProperties> {
  return kind === "enclosure" || kind === "controller" ? { ...properties, type: kind } : properties;
}

/** Reads the table of one LUN; throws `ConfigError`. */
export class LunReader extends YamlReader {
  lun(table: YamlTable): { readonly spec: LunSpec; readonly shareable: boolean } {
    const properties: Partial<LunProperties> = {};
    for (const [key, entry] of table.entries) {
      const name = PROPERTY_BY_KEY.get(key);
      if (name === undefined) continue;
      const text = this.text(entry.value, key);
      const expecting = readProperty(properties, name, text.text);
      if (expecting !== undefined) this.invalid(key, text, expecting);
    }
    const backing = this.#backing(table, properties);
    this.#checkFit(table, backing, properties.type);
    const spec = lunSpec(backing, typed(properties, backing), this.#faults(table), table.at);
    return { spec, shareable: this.flag(table, "shareable") };
  }

  #enclosure(table: YamlTable): EnclosureConfig {
    const parts = this.table(this.entry(table, "enclosure").value, "an enclosure", Object.keys(ENCLOSURE_LIMITS));
    const count = (key: keyof EnclosureConfig) => (parts.entries.has(key) ? this.count(parts, key) : 0);
    return {
      bays: count("bays"),
      powerSupplies: count("powerSupplies"),
      fans: count("fans"),
      temperatures: count("temperatures"),
    };
  }

  #notSo(table: YamlTable, key: string): never {
    this.invalid(key, this.required(table, key), "true");
  }

  count(table: YamlTable, key: "slots" | "importExport" | keyof EnclosureConfig): number {
    const text = this.required(table, key);
    const [least, most] = { ...LIBRARY_LIMITS, ...ENCLOSURE_LIMITS }[key];
    const count = /^\d{1,4}$/.test(text.text) ? Number(text.text) : Number.NaN;
    return count >= least && count <= most ? count : this.invalid(key, text, `${least} to ${most}`);
  }

  #checkFit(table: YamlTable, backing: LunBacking, type: LunProperties["type"] | undefined): void {
    for (const [key, { at }] of table.entries) {
      const name = PROPERTY_BY_KEY.get(key);
      const reason = name === undefined ? undefined : unfit(name, backing, type);
      if (reason !== undefined) this.fail(at, `invalid key ${key}: ${reason}`);
    }
    const faults = table.entries.get("faults");
    if (faults !== undefined && (isPassed(backing) || isService(backing))) {
      this.fail(faults.at, "invalid key faults: none can be injected into a real device");
    }
  }

  #backing(table: YamlTable, properties: Partial<LunProperties>): LunBacking {
    const given = BACKINGS.filter((key) => table.entries.has(key));
    if (given.length !== 1) {
      const found = given.length === 0 ? "none" : given.join(" and ");
      this.fail(table.at, `what backs the LUN: ${found}, expected one of ${BACKINGS.join(", ")}`);
    }
    const [key] = given;
    if (key === "enclosure") return { kind: key, enclosure: this.#enclosure(table), at: table.at };
    if (key === "controller") return this.flag(table, key) ? { kind: key, at: table.at } : this.#notSo(table, key);
    if (key === "empty") return this.#emptyBacking(table, properties);
    const text = this.required(table, key);
    if (key === "file") return this.#fileBacking(table, text, properties);
    if (key === "device") {
      if (!DEVICE_NODE.test(text.text)) this.invalid(key, text, "the node of a real device such as /dev/sg0");
      return { kind: "device", path: text.text, at: text.at };
    }
    if (key === "iscsi" || key === "nbd") {
      const { line, column } = text.at;
      const origin = { file: this.file, at: (index: number) => ({ line, column: column + index }) };
      if (key === "iscsi") return { kind: key, url: parseIscsiUrl(text.text, origin), at: text.at };
      const sync = properties.sync ?? LUN_DEFAULTS.sync;
      return { kind: key, uri: parseNbdUri(text.text, origin), sync, at: text.at };
    }
    for (const other of ["size", "create", "sync"]) {
      const entry = table.entries.get(other);
      if (entry !== undefined) this.fail(entry.at, `${other} is for a LUN in a file: write ${key}: SIZE`);
    }
    const encrypt = table.entries.get("encrypt");
    if (key === "null" && encrypt !== undefined) this.fail(encrypt.at, "encrypt is for a LUN that keeps its bytes");
    const size = LUN_KEYS.size.parse(text.text);
    if (size === undefined) this.invalid(key, text, LUN_KEYS.size.expecting);
    this.#checkBlocks(key, text, size, properties);
    return { kind: key === "memory" ? "memory" : "null", size, at: text.at };
  }

  #emptyBacking(table: YamlTable, { type }: Partial<LunProperties>): LunBacking {
    const { at } = table.entries.get("empty")!;
    if (!this.flag(table, "empty")) this.fail(at, "empty is true, or is not said");
    if (type !== "cdrom") this.fail(at, "empty is a drive without a disc, expected type: cdrom");
    for (const other of ["size", "create", "sync"]) {
      const entry = table.entries.get(other);
      if (entry !== undefined) this.fail(entry.at, `${other} is for a LUN in a file`);
    }
    return { kind: "empty", at };
  }

  #fileBacking(table: YamlTable, path: YamlText, properties: Partial<LunProperties>): LunBacking {
    if (path.text === "" || path.text.includes("\0")) this.invalid("file", path, "the path of a file");
    const create = this.flag(table, "create");
    const size = table.entries.get("size");
    if (create && size === undefined) this.fail(table.entries.get("create")!.at, "create without size, expected both");
    if (!create && size !== undefined) {
      this.fail(size.at, "size without create: true; a file that exists keeps the size it has");
    }
    if (size !== undefined && properties.size !== undefined) {
      this.#checkBlocks("size", this.text(size.value, "size"), properties.size, properties);
    }
    const sync = properties.sync ?? LUN_DEFAULTS.sync;
    return { kind: "file", path: path.text, createSize: properties.size, sync, at: path.at };
  }

  #checkBlocks(key: string, text: YamlText, size: number, properties: Partial<LunProperties>): void {
    const expecting = misfit(size, properties);
    if (expecting !== undefined) this.invalid(key, text, expecting);
  }

  #faults(table: YamlTable): FaultWord[] {
    if (!table.entries.has("faults")) return [];
    return this.list(table, "faults").map((value) => {
      const { text, at } = this.text(value, "faults");
      return { text, at };
    });
  }
}
