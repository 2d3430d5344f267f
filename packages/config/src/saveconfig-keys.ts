// Knows the keys of rtslib's saveconfig.json that mean something here: one table for each kind of object, which the
// reader, the printer and the test of docs/CONFIG.md use. All other keys are kept as they are.

import type { Json } from "./json-print.js";
import type { JsonAtom } from "./json-tree.js";
import type { PortGroupState } from "./port-group-config.js";

/** What backs LUNs: a storage object of LIO. */
export interface StorageFields {
  name: string;
  /** `fileio`, `block`, `ramdisk`; others are kept, and cannot be served. */
  plugin: string;
  /** The unit serial number; usually a UUID. */
  wwn: string;
  /** The path of a file or block device. */
  dev: string;
  /** Bytes. */
  size: number;
  writeBack: boolean;
  aio: boolean;
  readOnly: boolean;
  exclusive: boolean;
  nullIo: boolean;
}

/** Attributes of a storage object: 0 and 1 in the file, as in configfs. */
export interface StorageAttributes {
  blockSize: number;
  fuaWrite: boolean;
  modelAlias: boolean;
  unmap: boolean;
  writeSameUnmap: boolean;
  unmapZeroes: boolean;
  compareAndWrite: boolean;
  thirdPartyCopy: boolean;
  reservable: boolean;
  taskAborted: boolean;
  writeCache: boolean;
  nonRotating: boolean;
}

/** A target port group of a storage object (ALUA). */
export interface AluaFields {
  name: string;
  id: number;
  /** ASYMMETRIC ACCESS STATE of SPC-4. */
  state: number;
  /** The sum of 1 where the target changes states, and 2 where initiators may. */
  accessType: number;
  preferred: boolean;
  /** Seconds. */
  transitionTime: number;
  writeMetadata: boolean;
  activeOptimized: boolean;
  activeNonOptimized: boolean;
  standby: boolean;
  unavailable: boolean;
  offline: boolean;
  transitioning: boolean;
}

export interface TargetFields {
  wwn: string;
  fabric: string;
}

export interface GroupFields {
  tag: number;
  enable: boolean;
}

export interface GroupLunFields {
  index: number;
  /** `/backstores/PLUGIN/NAME`. */
  storageObject: string;
  /** The target port group of that object which leads to it by this LUN. */
  aluaGroup: string;
}

export interface SaveKey<Value> {
  /** In the file. */
  readonly key: string;
  /** What `read` takes, for messages and for the documentation. */
  readonly expecting: string;
  /** Undefined when it is no such value. */
  read(value: JsonAtom["value"]): Value | undefined;
  print(value: Value): Json;
}

export type SaveKeys<Fields> = { readonly [Name in keyof Fields]: SaveKey<Fields[Name]> };

export const STORAGE_KEYS: SaveKeys<StorageFields> = {
  name: matching("name", /^[!-.0-~]{1,255}$/, "1 to 255 printable ASCII characters without blanks and '/'"),
  plugin: matching("plugin", /^[a-z][\w-]{0,31}$/, "a plugin such as fileio, block or ramdisk"),
  wwn: matching("wwn", /^[!-~](?:[ -~]{0,250}[!-~])?$/, "a unit serial number of 1 to 252 printable ASCII characters"),
  dev: matching("dev", /^[^\0]+$/, "the path of a file or block device"),
  size: number("size", 1, Number.MAX_SAFE_INTEGER, "a number of bytes"),
  writeBack: boolean("write_back"),
  aio: boolean("aio"),
  readOnly: boolean("readonly"),
  exclusive: boolean("exclusive"),
  nullIo: boolean("nullio"),
};

export const ATTRIBUTE_KEYS: SaveKeys<StorageAttributes> = {
  blockSize: number("block_size", 512, 4096, "512, 1024, 2048 or 4096", (size) => Number.isInteger(Math.log2(size))),
  fuaWrite: bit("emulate_fua_write"),
  modelAlias: bit("emulate_model_alias"),
  unmap: bit("emulate_tpu"),
  writeSameUnmap: bit("emulate_tpws"),
  unmapZeroes: bit("unmap_zeroes_data"),
  compareAndWrite: bit("emulate_caw"),
  thirdPartyCopy: bit("emulate_3pc"),
  reservable: bit("emulate_pr"),
  taskAborted: bit("emulate_tas"),
  writeCache: bit("emulate_write_cache"),
  nonRotating: bit("is_nonrot"),
};

/** Those of SPC-4 that LIO has, by their codes. */
export const ALUA_STATES: ReadonlyMap<number, PortGroupState> = new Map([
  [0, "active-optimized"],
  [1, "active-non-optimized"],
  [2, "standby"],
  [3, "unavailable"],
  [14, "offline"],
  [15, "transitioning"],
]);

export const ALUA_KEYS: SaveKeys<AluaFields> = {
  name: matching("name", /^[!-.0-~]{1,255}$/, "1 to 255 printable ASCII characters without blanks and '/'"),
  id: number("tg_pt_gp_id", 0, 0xffff, "a number from 0 to 65535"),
  state: number("alua_access_state", 0, 15, "0, 1, 2, 3, 14 or 15", (state) => ALUA_STATES.has(state)),
  accessType: number("alua_access_type", 0, 3, "0 to 3"),
  preferred: bit("preferred"),
  transitionTime: number("implicit_trans_secs", 0, 0xff, "a number from 0 to 255"),
  writeMetadata: bit("alua_write_metadata"),
  activeOptimized: bit("alua_support_active_optimized"),
  activeNonOptimized: bit("alua_support_active_nonoptimized"),
  standby: bit("alua_support_standby"),
  unavailable: bit("alua_support_unavailable"),
  offline: bit("alua_support_offline"),
  transitioning: bit("alua_support_transitioning"),
};

export const TARGET_KEYS: SaveKeys<TargetFields> = {
  wwn: matching("wwn", /^[!-~]{1,223}$/, "1 to 223 printable ASCII characters"),
  fabric: matching("fabric", /^[a-z][\w-]{0,31}$/, "a fabric such as vhost or iscsi"),
};

/** The highest target id of virtio-scsi: vhost-scsi took a tag beyond it for an index of 256 places (CVE-2015-4036). */
export const MAX_VHOST_TAG = 255;

export const GROUP_KEYS: SaveKeys<GroupFields> = {
  tag: number("tag", 0, 0xffff, "a number from 0 to 65535"),
  enable: boolean("enable"),
};

/** The highest LUN of flat space addressing; rtslib numbers up to 65535. */
export const MAX_VHOST_LUN = 16383;

export const GROUP_LUN_KEYS: SaveKeys<GroupLunFields> = {
  index: number("index", 0, 0xffff, "a number from 0 to 65535"),
  storageObject: matching("storage_object", /^\/backstores\/[^/]+\/[^/]+$/, "/backstores/PLUGIN/NAME"),
  aluaGroup: matching("alua_tg_pt_gp_name", /^[!-.0-~]{1,255}$/, "the name of a target port group"),
};

/** What a storage object of a plugin cannot be without. */
export const NEEDED: { readonly [plugin: string]: keyof StorageFields | undefined } = {
  fileio: "dev",
  block: "dev",
  ramdisk: "size",
};

function matching(key: string, pattern: RegExp, expecting: string): SaveKey<string> {
  return {
    key,
    expecting,
    read: (value) => (typeof value === "string" && pattern.test(value) ? value : undefined),
    print: (value) => value,
  };
}

function number(
  key: string,
  least: number,
  most: number,
  expecting: string,
  fits: (value: number) => boolean = Number.isInteger,
): SaveKey<number> {
  return {
    key,
    expecting,
    read: (value) => {
      if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) return undefined;
      return fits(value) ? value : undefined;
    },
    print: (value) => value,
  };
}

/** Python's True and False; configfs' 0 and 1 mean the same to it. */
function boolean(key: string): SaveKey<boolean> {
  return { key, expecting: "true or false", read: booleanOf, print: (value) => value };
}

function bit(key: string): SaveKey<boolean> {
  return { key, expecting: "0 or 1", read: booleanOf, print: (value) => (value ? 1 : 0) };
}

function booleanOf(value: JsonAtom["value"]): boolean | undefined {
  if (value === true || value === 1) return true;
  return value === false || value === 0 ? false : undefined;
}
