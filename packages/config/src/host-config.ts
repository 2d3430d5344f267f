// Knows host.yaml: dom0's SCSI hosts, their LUNs and what backs them. Knows neither Linux's naming nor any file.

import { formatAddress, MAX_HOST, NODE_PREFIXES, parseAddress, type ScsiAddress } from "./device-names.js";
import { type Position, quoted } from "./errors.js";
import { FABRIC_NAME, FabricReader } from "./fabric-config.js";
import type { DeviceNames, HostConfig, HostLun, ScsiHostConfig } from "./host-types.js";
import { BARCODE, DEFAULT_CAPACITY, LIBRARY_KEYS, LIBRARY_LIMITS, type LibraryConfig } from "./library-config.js";
import { LUN_KEYS, type LunType } from "./lun-keys.js";
import { LUN_TABLE_KEYS, LunReader } from "./lun-reader.js";
import { lunSpec } from "./lun-word.js";
import { parseYamlTree, type YamlTable, type YamlText, type YamlValue } from "./yaml-tree.js";

/** The keys of each table beside those of `LUN_KEYS`. */
const TOP_KEYS: readonly string[] = ["hosts", "fabrics", "sysfs"];
const HOST_KEYS: readonly string[] = [
  ...["host", "driver", "pci", "unique_id", "wwnn", "wwpn"],
  ...["fabric", "max_vports", "luns", "libraries"],
];
/** What keeps nothing has no driver that names it. */
const NODE_KEYS = [...new Set(Object.values(NODE_PREFIXES))].filter((prefix) => prefix !== "bsg");
const NAME_KEYS: readonly string[] = [...NODE_KEYS, "sg", "by-id", "by-path"];
const ALL_LUN_KEYS: readonly string[] = ["address", "names", ...LUN_TABLE_KEYS];

/** Names where none is given. */
const DERIVED: DeviceNames = { node: undefined, sg: undefined, byId: undefined, byPath: undefined };

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

class HostReader extends LunReader {
  config(tree: YamlValue): HostConfig {
    const top = this.table(tree, "dom0's SCSI devices", TOP_KEYS);
    const hosts = this.list(top, "hosts").map((value) => this.#host(value));
    const seen = new Map<string, Position>();
    for (const { host, pci, uniqueId, wwpn, at } of hosts) {
      this.once(seen, `host ${host}`, at);
      if (uniqueId !== undefined) this.once(seen, `unique_id ${uniqueId} of ${pci}`, at);
      if (wwpn !== undefined) this.once(seen, `wwpn ${wwpn}`, at);
    }
    for (const { luns } of hosts) {
      for (const { address, at } of luns) this.once(seen, formatAddress(address), at);
    }
    const fabrics = this.#fabrics(top, hosts, seen);
    const root = this.matching(top, "sysfs", /^\/[!-~]*$/, "the folder of sysfs, /sys");
    return { file: this.file, hosts, ...fabrics, ...(root === undefined ? {} : { sysfs: { root, at: top.at } }) };
  }

  #fabrics(top: YamlTable, hosts: readonly ScsiHostConfig[], seen: Map<string, Position>): Pick<HostConfig, "fabrics"> {
    const fabrics = top.entries.has("fabrics")
      ? this.list(top, "fabrics").map((value) => new FabricReader(this.file).fabric(value))
      : [];
    for (const { name, targets, at } of fabrics) {
      this.once(seen, `fabric ${name}`, at);
      for (const { wwpn, at } of targets) this.once(seen, `wwpn ${wwpn}`, at);
    }
    for (const { fabric, at } of hosts) {
      if (fabric === undefined || fabrics.some(({ name }) => name === fabric)) continue;
      this.fail(
        at,
        `no fabric ${quoted(fabric)}, expected one of fabrics: ${fabrics.map(({ name }) => name).join(", ") || "there is none"}`,
      );
    }
    return fabrics.length === 0 ? {} : { fabrics };
  }

  #host(value: YamlValue): ScsiHostConfig {
    const table = this.table(value, "a SCSI host", HOST_KEYS);
    const number = this.required(table, "host");
    const host = /^\d{1,10}$/.test(number.text) ? Number(number.text) : Number.POSITIVE_INFINITY;
    if (host > MAX_HOST) this.invalid("host", number, `a number up to ${MAX_HOST}`);
    const identity = this.#identity(table);
    return {
      host,
      driver: this.matching(table, "driver", /^[\w-]{1,32}$/, "a driver's name such as mpt3sas"),
      pci: this.matching(
        table,
        "pci",
        /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/,
        "a PCI function such as 0000:03:00.0",
      ),
      ...identity,
      ...this.#vports(table, identity),
      luns: [...this.#luns(table, host), ...this.#libraries(table, host)],
      at: table.at,
    };
  }

  /** What tells a host from the others, whatever its number is. */
  #identity(table: YamlTable): Pick<ScsiHostConfig, "uniqueId" | "wwnn" | "wwpn"> {
    const uniqueId = this.matching(table, "unique_id", /^\d{1,9}$/, "a number such as 1");
    if (uniqueId !== undefined && !table.entries.has("pci")) {
      this.fail(this.entry(table, "unique_id").at, "unique_id without pci, whose hosts it tells apart");
    }
    const [wwnn, wwpn] = ["wwnn", "wwpn"].map((key) => {
      return this.matching(table, key, /^[0-9a-f]{16}$/i, "16 hex digits")?.toLowerCase();
    });
    if ((wwnn === undefined) !== (wwpn === undefined)) this.fail(table.at, "one of wwnn and wwpn, expected both");
    return { uniqueId: uniqueId === undefined ? undefined : Number(uniqueId), wwnn, wwpn };
  }

  /** The fabric it is in, and how many virtual ports it may have there. */
  #vports(table: YamlTable, { wwpn }: Pick<ScsiHostConfig, "wwpn">): Pick<ScsiHostConfig, "fabric" | "maxVports"> {
    const fabric = this.matching(table, "fabric", FABRIC_NAME, "a fabric's name such as san0");
    const vports = this.matching(table, "max_vports", /^(?:[1-9]\d{0,4}|0)$/, "a number such as 64");
    if (fabric === undefined) {
      if (vports !== undefined) this.fail(this.entry(table, "max_vports").at, "max_vports without fabric");
      return {};
    }
    if (wwpn === undefined) this.fail(this.entry(table, "fabric").at, "fabric without wwnn and wwpn, expected all");
    return { fabric, ...(vports === undefined ? {} : { maxVports: Number(vports) }) };
  }

  /** A host in a fabric has its LUNs from there. */
  #luns(table: YamlTable, host: number): HostLun[] {
    if (table.entries.has("fabric") && !table.entries.has("luns")) return [];
    return this.list(table, "luns").map((lun) => this.#lun(lun, host));
  }

  /** The LUNs of all libraries. */
  #libraries(table: YamlTable, host: number): HostLun[] {
    if (!table.entries.has("libraries")) return [];
    return this.list(table, "libraries").flatMap((value) => {
      const library = this.#library(this.table(value, "a library", LIBRARY_KEYS), host);
      return [library.changer, ...library.drives].map((address) => lunOfLibrary(library, address));
    });
  }

  #library(table: YamlTable, host: number): LibraryConfig {
    const folder = this.required(table, "folder");
    if (folder.text === "" || folder.text.includes("\0")) this.invalid("folder", folder, "the path of a folder");
    const slots = this.count(table, "slots");
    const drives = this.list(table, "drives");
    const [least, most] = LIBRARY_LIMITS.drives;
    if (drives.length < least || drives.length > most) {
      this.fail(this.entry(table, "drives").at, `${drives.length} drives, expected ${least} to ${most}`);
    }
    return {
      folder: folder.text,
      changer: this.#addressOf("changer", this.required(table, "changer"), host),
      drives: drives.map((drive) => this.#addressOf("drives", this.text(drive, "drives"), host)),
      slots,
      importExports: this.count(table, "importExport"),
      cartridges: this.#cartridges(table, slots),
      capacity: this.#capacity(table),
      shareable: this.flag(table, "shareable"),
      at: table.at,
    };
  }

  #cartridges(table: YamlTable, slots: number): string[] {
    if (!table.entries.has("cartridges")) return [];
    const seen = new Map<string, Position>();
    const values = this.list(table, "cartridges");
    if (values.length > slots) this.fail(values[slots].at, `more cartridges than the ${slots} slots`);
    return values.map((value) => {
      const text = this.text(value, "cartridges");
      if (!BARCODE.test(text.text)) this.invalid("cartridges", text, "a barcode such as A00001L8");
      this.once(seen, `cartridge ${text.text}`, text.at);
      return text.text;
    });
  }

  #capacity(table: YamlTable): number {
    if (!table.entries.has("capacity")) return DEFAULT_CAPACITY;
    const text = this.required(table, "capacity");
    return LUN_KEYS.size.parse(text.text) ?? this.invalid("capacity", text, LUN_KEYS.size.expecting);
  }

  #lun(value: YamlValue, host: number): HostLun {
    const table = this.table(value, "a LUN", ALL_LUN_KEYS);
    const { spec, shareable } = this.lun(table);
    return {
      ...spec,
      address: this.#addressOf("address", this.required(table, "address"), host),
      shareable,
      names: this.#names(table, spec.type),
    };
  }

  #addressOf(key: string, text: YamlText, host: number): ScsiAddress {
    const address = parseAddress(text.text);
    if (address?.host !== host) this.invalid(key, text, `hst:chn:tgt:lun with hst ${host}`);
    return address;
  }

  #names(table: YamlTable, type: LunType): DeviceNames {
    const entry = table.entries.get("names");
    if (entry === undefined) return DERIVED;
    const names = this.table(entry.value, "names", NAME_KEYS);
    const own = NODE_PREFIXES[type];
    for (const key of NODE_KEYS) {
      const entry = names.entries.get(key);
      if (entry !== undefined && key !== own) this.fail(entry.at, `invalid key ${key}: a ${type} is called ${own}`);
    }
    const [pattern, example] = own === "sd" ? [/^sd[a-z]{1,8}$/, "sda"] : [new RegExp(`^${own}\\d{1,8}$`), `${own}0`];
    return {
      node: this.matching(names, own, pattern, `a name such as ${example}`),
      sg: this.matching(names, "sg", /^sg\d{1,8}$/, "a name such as sg0"),
      byId: this.#links(names, "by-id"),
      byPath: this.#links(names, "by-path"),
    };
  }

  #links(table: YamlTable, key: string): string[] | undefined {
    if (!table.entries.has(key)) return undefined;
    return this.list(table, key).map((value) => {
      const text = this.text(value, key);
      if (!/^[!-.0-~]{1,255}$/.test(text.text)) this.invalid(key, text, "the name of a link, without its directory");
      return text.text;
    });
  }
}
