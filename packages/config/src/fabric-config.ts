// Knows what host.yaml says of a Fibre Channel fabric: its targets and their LUNs, which ports are in a zone, and which LUNs a port may see.

import type { Position } from "./errors.js";
import type { LunSpec } from "./lun-keys.js";
import { LUN_TABLE_KEYS, LunReader } from "./lun-reader.js";
import type { YamlTable, YamlValue } from "./yaml-tree.js";

export const FABRIC_NAME = /^[\w.-]{1,32}$/;
/** What flat space addressing reaches (SAM-5 4.7.7.3). */
const MOST_LUNS = 16384;
const WWN = /^[0-9a-f]{16}$/i;

/** A LUN of a target. */
export interface FabricLun extends LunSpec {
  readonly lun: number;
  /** More than one guest may have it at a time. */
  readonly shareable: boolean;
  /** The WWPNs that see it; all where it is undefined. */
  readonly initiators: readonly string[] | undefined;
}

export interface FabricTarget {
  /** 16 hex digits in lower case, as all names here. */
  readonly wwnn: string;
  readonly wwpn: string;
  readonly luns: readonly FabricLun[];
  readonly at: Position;
}

/** Ports that see each other. */
export interface FabricZone {
  readonly name: string;
  readonly members: readonly string[];
}

export interface FabricConfig {
  readonly name: string;
  /** fabric_name in sysfs. */
  readonly wwn: string;
  readonly targets: readonly FabricTarget[];
  /** Without any, all ports see all targets. */
  readonly zones: readonly FabricZone[];
  readonly at: Position;
}

/** The LUNs that the port `wwpn` sees, target by target; a target that no zone leads to is left out. */
export function visibleLuns(
  { targets, zones }: FabricConfig,
  wwpn: string,
): ReadonlyArray<{ readonly target: FabricTarget; readonly luns: readonly FabricLun[] }> {
  const zoned = (target: FabricTarget): boolean =>
    zones.length === 0 || zones.some(({ members }) => members.includes(wwpn) && members.includes(target.wwpn));
  return targets.filter(zoned).map((target) => ({
    target,
    luns: target.luns.filter(({ initiators }) => initiators === undefined || initiators.includes(wwpn)),
  }));
}

/** Reads one of `fabrics`; throws `ConfigError`. */
export class FabricReader extends LunReader {
  fabric(value: YamlValue): FabricConfig {
    const table = this.table(value, "a fabric", ["name", "wwn", "targets", "zones"]);
    const zones = table.entries.has("zones") ? this.list(table, "zones").map((zone) => this.#zone(zone)) : [];
    const seen = new Map<string, Position>();
    for (const { name, at } of zones) this.once(seen, `zone ${name}`, at);
    return {
      name: this.#name(table, "name", "a fabric's name such as san0"),
      wwn: this.#wwn(table, "wwn"),
      targets: this.list(table, "targets").map((target) => this.#target(target)),
      zones: zones.map(({ name, members }) => ({ name, members })),
      at: table.at,
    };
  }

  #target(value: YamlValue): FabricTarget {
    const table = this.table(value, "a target", ["wwnn", "wwpn", "luns"]);
    const luns = this.list(table, "luns").map((lun) => this.#lun(lun));
    const seen = new Map<string, Position>();
    for (const { lun, at } of luns) this.once(seen, `lun ${lun}`, at);
    return { wwnn: this.#wwn(table, "wwnn"), wwpn: this.#wwn(table, "wwpn"), luns, at: table.at };
  }

  #lun(value: YamlValue): FabricLun {
    const table = this.table(value, "a LUN", ["lun", "initiators", ...LUN_TABLE_KEYS]);
    const { spec, shareable } = this.lun(table);
    const number = this.required(table, "lun");
    const lun = /^\d{1,5}$/.test(number.text) ? Number(number.text) : MOST_LUNS;
    if (lun >= MOST_LUNS) this.invalid("lun", number, `a number up to ${MOST_LUNS - 1}`);
    return {
      ...spec,
      lun,
      shareable,
      initiators: table.entries.has("initiators") ? this.#wwns(table, "initiators") : undefined,
    };
  }

  #zone(value: YamlValue): FabricZone & { readonly at: Position } {
    const table = this.table(value, "a zone", ["name", "members"]);
    const name = this.#name(table, "name", "a zone's name such as backup");
    return { name, members: this.#wwns(table, "members"), at: table.at };
  }

  #name(table: YamlTable, key: string, expecting: string): string {
    this.required(table, key);
    return this.matching(table, key, FABRIC_NAME, expecting)!;
  }

  #wwn(table: YamlTable, key: string): string {
    this.required(table, key);
    return this.matching(table, key, WWN, "16 hex digits")!.toLowerCase();
  }

  #wwns(table: YamlTable, key: string): string[] {
    return this.list(table, key).map((value) => {
      const text = this.text(value, key);
      return WWN.test(text.text) ? text.text.toLowerCase() : this.invalid(key, text, "16 hex digits");
    });
  }
}
