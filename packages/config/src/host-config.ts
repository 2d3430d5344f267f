// Knows host.yaml: dom0's SCSI hosts, their LUNs and what backs them. Knows neither Linux's naming nor any file.

import { formatAddress, MAX_HOST, NODE_PREFIXES, parseAddress, type ScsiAddress } from "./device-names.js";
import { ConfigError, formatPosition, type Position, quoted } from "./errors.js";
import type { DeviceNames, HostConfig, HostLun, ScsiHostConfig } from "./host-types.js";
import { parseIscsiUrl } from "./iscsi-url.js";
import {
  BARCODE,
  DEFAULT_CAPACITY,
  ENCLOSURE_LIMITS,
  type EnclosureConfig,
  LIBRARY_KEYS,
  LIBRARY_LIMITS,
  type LibraryConfig,
} from "./library-config.js";
import {
  DEVICE_NODE,
  type FaultWord,
  isPassed,
  isService,
  LUN_DEFAULTS,
  LUN_KEYS,
  LUN_PROPERTIES,
  type LunBacking,
  type LunKey,
  type LunProperties,
  type LunType,
  misfit,
  readProperty,
  unfit,
} from "./lun-keys.js";
import { lunSpec } from "./lun-word.js";
import { parseNbdUri } from "./nbd-uri.js";
import { parseYamlTree, type YamlEntry, type YamlTable, type YamlText, type YamlValue } from "./yaml-tree.js";

/** The keys of each table beside those of `LUN_KEYS`. */
const TOP_KEYS: readonly string[] = ["hosts", "sysfs"];
const HOST_KEYS: readonly string[] = ["host", "driver", "pci", "unique_id", "wwnn", "wwpn", "luns", "libraries"];
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
/** What keeps nothing has no driver that names it. */
const NODE_KEYS = [...new Set(Object.values(NODE_PREFIXES))].filter((prefix) => prefix !== "bsg");
const NAME_KEYS: readonly string[] = [...NODE_KEYS, "sg", "by-id", "by-path"];
const PROPERTY_BY_KEY = new Map(LUN_PROPERTIES.map((name) => [LUN_KEYS[name].key, name]));
const OWN_LUN_KEYS: readonly string[] = ["address", ...BACKINGS, "create", "shareable", "faults", "names"];
const ALL_LUN_KEYS: readonly string[] = [...OWN_LUN_KEYS, ...PROPERTY_BY_KEY.keys()];

/** Names where none is given. */
const DERIVED: DeviceNames = { node: undefined, sg: undefined, byId: undefined, byPath: undefined };

/** Services are what backs them. */
function typed(properties: Partial<LunProperties>, { kind }: LunBacking): Partial<LunProperties> {
  return kind === "enclosure" || kind === "controller" ? { ...properties, type: kind } : properties;
}

/** The LUN of a library at one of its addresses. */
function lunOfLibrary(library: LibraryConfig, address: ScsiAddress): HostLun {
  const { at, shareable, changer } = library;
  const type = address === changer ? "changer" : "tape";
  return { ...lunSpec({ kind: "library", library, at }, { type }, [], at), address, shareable, names: DERIVED };
}

/** Reads a host.yaml; `file` is its name in errors. Throws `ConfigError` at the first fault. */
export function parseHostConfig(text: string, file: string): HostConfig {
  return new HostReader(file).config(parseYamlTree(text, file));
}

class HostReader {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  config(tree: YamlValue): HostConfig {
    const top = this.#table(tree, "dom0's SCSI devices", TOP_KEYS);
    const hosts = this.#list(top, "hosts").map((value) => this.#host(value));
    const seen = new Map<string, Position>();
    for (const { host, pci, uniqueId, wwpn, at } of hosts) {
      this.#once(seen, `host ${host}`, at);
      if (uniqueId !== undefined) this.#once(seen, `unique_id ${uniqueId} of ${pci}`, at);
      if (wwpn !== undefined) this.#once(seen, `wwpn ${wwpn}`, at);
    }
    for (const { luns } of hosts) {
      for (const { address, at } of luns) this.#once(seen, formatAddress(address), at);
    }
    const root = this.#matching(top, "sysfs", /^\/[!-~]*$/, "the folder of sysfs, /sys");
    return { file: this.#file, hosts, ...(root === undefined ? {} : { sysfs: { root, at: top.at } }) };
  }

  #host(value: YamlValue): ScsiHostConfig {
    const table = this.#table(value, "a SCSI host", HOST_KEYS);
    const number = this.#required(table, "host");
    const host = /^\d{1,10}$/.test(number.text) ? Number(number.text) : Number.POSITIVE_INFINITY;
    if (host > MAX_HOST) this.#invalid("host", number, `a number up to ${MAX_HOST}`);
    return {
      host,
      driver: this.#matching(table, "driver", /^[\w-]{1,32}$/, "a driver's name such as mpt3sas"),
      pci: this.#matching(
        table,
        "pci",
        /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/,
        "a PCI function such as 0000:03:00.0",
      ),
      ...this.#identity(table),
      luns: [...this.#list(table, "luns").map((lun) => this.#lun(lun, host)), ...this.#libraries(table, host)],
      at: table.at,
    };
  }

  /** What tells a host from the others, whatever its number is. */
  #identity(table: YamlTable): Pick<ScsiHostConfig, "uniqueId" | "wwnn" | "wwpn"> {
    const uniqueId = this.#matching(table, "unique_id", /^\d{1,9}$/, "a number such as 1");
    if (uniqueId !== undefined && !table.entries.has("pci")) {
      this.#fail(this.#entry(table, "unique_id").at, "unique_id without pci, whose hosts it tells apart");
    }
    const [wwnn, wwpn] = ["wwnn", "wwpn"].map((key) => {
      return this.#matching(table, key, /^[0-9a-f]{16}$/i, "16 hex digits")?.toLowerCase();
    });
    if ((wwnn === undefined) !== (wwpn === undefined)) this.#fail(table.at, "one of wwnn and wwpn, expected both");
    return { uniqueId: uniqueId === undefined ? undefined : Number(uniqueId), wwnn, wwpn };
  }

  /** The LUNs of all libraries. */
  #libraries(table: YamlTable, host: number): HostLun[] {
    if (!table.entries.has("libraries")) return [];
    return this.#list(table, "libraries").flatMap((value) => {
      const library = this.#library(this.#table(value, "a library", LIBRARY_KEYS), host);
      return [library.changer, ...library.drives].map((address) => lunOfLibrary(library, address));
    });
  }

  #library(table: YamlTable, host: number): LibraryConfig {
    const folder = this.#required(table, "folder");
    if (folder.text === "" || folder.text.includes("\0")) this.#invalid("folder", folder, "the path of a folder");
    const slots = this.#count(table, "slots");
    const drives = this.#list(table, "drives");
    const [least, most] = LIBRARY_LIMITS.drives;
    if (drives.length < least || drives.length > most) {
      this.#fail(this.#entry(table, "drives").at, `${drives.length} drives, expected ${least} to ${most}`);
    }
    return {
      folder: folder.text,
      changer: this.#addressOf("changer", this.#required(table, "changer"), host),
      drives: drives.map((drive) => this.#addressOf("drives", this.#text(drive, "drives"), host)),
      slots,
      importExports: this.#count(table, "importExport"),
      cartridges: this.#cartridges(table, slots),
      capacity: this.#capacity(table),
      shareable: this.#flag(table, "shareable"),
      at: table.at,
    };
  }

  #enclosure(table: YamlTable): EnclosureConfig {
    const parts = this.#table(this.#entry(table, "enclosure").value, "an enclosure", Object.keys(ENCLOSURE_LIMITS));
    const count = (key: keyof EnclosureConfig) => (parts.entries.has(key) ? this.#count(parts, key) : 0);
    return {
      bays: count("bays"),
      powerSupplies: count("powerSupplies"),
      fans: count("fans"),
      temperatures: count("temperatures"),
    };
  }

  #notSo(table: YamlTable, key: string): never {
    this.#invalid(key, this.#required(table, key), "true");
  }

  #count(table: YamlTable, key: "slots" | "importExport" | keyof EnclosureConfig): number {
    const text = this.#required(table, key);
    const [least, most] = { ...LIBRARY_LIMITS, ...ENCLOSURE_LIMITS }[key];
    const count = /^\d{1,4}$/.test(text.text) ? Number(text.text) : Number.NaN;
    return count >= least && count <= most ? count : this.#invalid(key, text, `${least} to ${most}`);
  }

  #cartridges(table: YamlTable, slots: number): string[] {
    if (!table.entries.has("cartridges")) return [];
    const seen = new Map<string, Position>();
    const values = this.#list(table, "cartridges");
    if (values.length > slots) this.#fail(values[slots].at, `more cartridges than the ${slots} slots`);
    return values.map((value) => {
      const text = this.#text(value, "cartridges");
      if (!BARCODE.test(text.text)) this.#invalid("cartridges", text, "a barcode such as A00001L8");
      this.#once(seen, `cartridge ${text.text}`, text.at);
      return text.text;
    });
  }

  #capacity(table: YamlTable): number {
    if (!table.entries.has("capacity")) return DEFAULT_CAPACITY;
    const text = this.#required(table, "capacity");
    return LUN_KEYS.size.parse(text.text) ?? this.#invalid("capacity", text, LUN_KEYS.size.expecting);
  }

  #lun(value: YamlValue, host: number): HostLun {
    const table = this.#table(value, "a LUN", ALL_LUN_KEYS);
    const properties: Partial<LunProperties> = {};
    for (const [key, entry] of table.entries) {
      const name = PROPERTY_BY_KEY.get(key);
      if (name === undefined) continue;
      const text = this.#text(entry.value, key);
      const expecting = readProperty(properties, name, text.text);
      if (expecting !== undefined) this.#invalid(key, text, expecting);
    }
    const backing = this.#backing(table, properties);
    this.#checkFit(table, backing, properties.type);
    return {
      ...lunSpec(backing, typed(properties, backing), this.#faults(table), table.at),
      address: this.#addressOf("address", this.#required(table, "address"), host),
      shareable: this.#flag(table, "shareable"),
      names: this.#names(table, properties.type ?? LUN_DEFAULTS.type),
    };
  }

  #checkFit(table: YamlTable, backing: LunBacking, type: LunProperties["type"] | undefined): void {
    for (const [key, { at }] of table.entries) {
      const name = PROPERTY_BY_KEY.get(key);
      const reason = name === undefined ? undefined : unfit(name, backing, type);
      if (reason !== undefined) this.#fail(at, `invalid key ${key}: ${reason}`);
    }
    const faults = table.entries.get("faults");
    if (faults !== undefined && (isPassed(backing) || isService(backing))) {
      this.#fail(faults.at, "invalid key faults: none can be injected into a real device");
    }
  }

  #addressOf(key: string, text: YamlText, host: number): ScsiAddress {
    const address = parseAddress(text.text);
    if (address?.host !== host) this.#invalid(key, text, `hst:chn:tgt:lun with hst ${host}`);
    return address;
  }

  #backing(table: YamlTable, properties: Partial<LunProperties>): LunBacking {
    const given = BACKINGS.filter((key) => table.entries.has(key));
    if (given.length !== 1) {
      const found = given.length === 0 ? "none" : given.join(" and ");
      this.#fail(table.at, `what backs the LUN: ${found}, expected one of ${BACKINGS.join(", ")}`);
    }
    const [key] = given;
    if (key === "enclosure") return { kind: key, enclosure: this.#enclosure(table), at: table.at };
    if (key === "controller") return this.#flag(table, key) ? { kind: key, at: table.at } : this.#notSo(table, key);
    if (key === "empty") return this.#emptyBacking(table, properties);
    const text = this.#required(table, key);
    if (key === "file") return this.#fileBacking(table, text, properties);
    if (key === "device") {
      if (!DEVICE_NODE.test(text.text)) this.#invalid(key, text, "the node of a real device such as /dev/sg0");
      return { kind: "device", path: text.text, at: text.at };
    }
    if (key === "iscsi" || key === "nbd") {
      const { line, column } = text.at;
      const origin = { file: this.#file, at: (index: number) => ({ line, column: column + index }) };
      if (key === "iscsi") return { kind: key, url: parseIscsiUrl(text.text, origin), at: text.at };
      const sync = properties.sync ?? LUN_DEFAULTS.sync;
      return { kind: key, uri: parseNbdUri(text.text, origin), sync, at: text.at };
    }
    for (const other of ["size", "create", "sync"]) {
      const entry = table.entries.get(other);
      if (entry !== undefined) this.#fail(entry.at, `${other} is for a LUN in a file: write ${key}: SIZE`);
    }
    const encrypt = table.entries.get("encrypt");
    if (key === "null" && encrypt !== undefined) this.#fail(encrypt.at, "encrypt is for a LUN that keeps its bytes");
    const size = LUN_KEYS.size.parse(text.text);
    if (size === undefined) this.#invalid(key, text, LUN_KEYS.size.expecting);
    this.#checkBlocks(key, text, size, properties);
    return { kind: key === "memory" ? "memory" : "null", size, at: text.at };
  }

  #emptyBacking(table: YamlTable, { type }: Partial<LunProperties>): LunBacking {
    const { at } = table.entries.get("empty")!;
    if (!this.#flag(table, "empty")) this.#fail(at, "empty is true, or is not said");
    if (type !== "cdrom") this.#fail(at, "empty is a drive without a disc, expected type: cdrom");
    for (const other of ["size", "create", "sync"]) {
      const entry = table.entries.get(other);
      if (entry !== undefined) this.#fail(entry.at, `${other} is for a LUN in a file`);
    }
    return { kind: "empty", at };
  }

  #fileBacking(table: YamlTable, path: YamlText, properties: Partial<LunProperties>): LunBacking {
    if (path.text === "" || path.text.includes("\0")) this.#invalid("file", path, "the path of a file");
    const create = this.#flag(table, "create");
    const size = table.entries.get("size");
    if (create && size === undefined) this.#fail(table.entries.get("create")!.at, "create without size, expected both");
    if (!create && size !== undefined) {
      this.#fail(size.at, "size without create: true; a file that exists keeps the size it has");
    }
    if (size !== undefined && properties.size !== undefined) {
      this.#checkBlocks("size", this.#text(size.value, "size"), properties.size, properties);
    }
    const sync = properties.sync ?? LUN_DEFAULTS.sync;
    return { kind: "file", path: path.text, createSize: properties.size, sync, at: path.at };
  }

  #checkBlocks(key: string, text: YamlText, size: number, properties: Partial<LunProperties>): void {
    const expecting = misfit(size, properties);
    if (expecting !== undefined) this.#invalid(key, text, expecting);
  }

  #faults(table: YamlTable): FaultWord[] {
    if (!table.entries.has("faults")) return [];
    return this.#list(table, "faults").map((value) => {
      const { text, at } = this.#text(value, "faults");
      return { text, at };
    });
  }

  #names(table: YamlTable, type: LunType): DeviceNames {
    const entry = table.entries.get("names");
    if (entry === undefined) return DERIVED;
    const names = this.#table(entry.value, "names", NAME_KEYS);
    const own = NODE_PREFIXES[type];
    for (const key of NODE_KEYS) {
      const entry = names.entries.get(key);
      if (entry !== undefined && key !== own) this.#fail(entry.at, `invalid key ${key}: a ${type} is called ${own}`);
    }
    const [pattern, example] = own === "sd" ? [/^sd[a-z]{1,8}$/, "sda"] : [new RegExp(`^${own}\\d{1,8}$`), `${own}0`];
    return {
      node: this.#matching(names, own, pattern, `a name such as ${example}`),
      sg: this.#matching(names, "sg", /^sg\d{1,8}$/, "a name such as sg0"),
      byId: this.#links(names, "by-id"),
      byPath: this.#links(names, "by-path"),
    };
  }

  #links(table: YamlTable, key: string): string[] | undefined {
    if (!table.entries.has(key)) return undefined;
    return this.#list(table, key).map((value) => {
      const text = this.#text(value, key);
      if (!/^[!-.0-~]{1,255}$/.test(text.text)) this.#invalid(key, text, "the name of a link, without its directory");
      return text.text;
    });
  }

  #table(value: YamlValue, what: string, keys: readonly string[]): YamlTable {
    if (value.kind !== "table") this.#fail(value.at, `expected ${what}: a table with ${keys.join(", ")}`);
    for (const [key, { at }] of value.entries) {
      if (!keys.includes(key)) this.#fail(at, `unknown key ${quoted(key)}, expected one of ${keys.join(", ")}`);
    }
    return value;
  }

  #list(table: YamlTable, key: string): readonly YamlValue[] {
    const { value } = this.#entry(table, key);
    if (value.kind !== "list")
      this.#fail(value.at, `${key} is no list, expected "${key}:" and lines that begin with "- "`);
    return value.values;
  }

  #entry(table: YamlTable, key: string): YamlEntry {
    return table.entries.get(key) ?? this.#fail(table.at, `no ${key}, expected the key ${key}`);
  }

  #required(table: YamlTable, key: string): YamlText {
    return this.#text(this.#entry(table, key).value, key);
  }

  #text(value: YamlValue, key: string): YamlText {
    if (value.kind !== "text") this.#fail(value.at, `${key} is a ${value.kind}, expected a single value`);
    return value;
  }

  #matching(table: YamlTable, key: string, pattern: RegExp, expecting: string): string | undefined {
    if (!table.entries.has(key)) return undefined;
    const text = this.#required(table, key);
    if (!pattern.test(text.text)) this.#invalid(key, text, expecting);
    return text.text;
  }

  #flag(table: YamlTable, key: string): boolean {
    if (!table.entries.has(key)) return false;
    const text = this.#required(table, key);
    const row: LunKey<boolean> = LUN_KEYS.readOnly;
    return row.parse(text.text) ?? this.#invalid(key, text, row.expecting);
  }

  #once(seen: Map<string, Position>, name: string, at: Position): void {
    const first = seen.get(name);
    if (first !== undefined) this.#fail(at, `${name} is given twice, first at ${formatPosition(first)}`);
    seen.set(name, at);
  }

  #invalid(key: string, value: YamlText, expecting: string): never {
    this.#fail(value.at, `invalid ${key} ${quoted(value.text)}, expected ${expecting}`);
  }

  #fail(at: Position, reason: string): never {
    throw new ConfigError(this.#file, at, reason);
  }
}
