// Knows the properties a LUN is described by: one table for `--lun` words and for host.yaml, read and printed by both.

import { parseLunName } from "./device-names.js";
import type { Position } from "./errors.js";
import type { IscsiUrl } from "./iscsi-url.js";
import type { EnclosureConfig, LibraryConfig } from "./library-config.js";
import type { NbdUri } from "./nbd-uri.js";
import { formatSize, parseSize, SIZE_EXPECTED } from "./size.js";

/** Where the bytes of a LUN are. */
export type LunBacking =
  | {
      readonly kind: "file";
      /** As written; relative to the directory of the file it was read from, or to the current one. */
      readonly path: string;
      /** Bytes to make the file with where there is none; undefined: a missing file is an error. */
      readonly createSize: number | undefined;
      readonly sync: Sync;
      readonly at: Position;
    }
  | { readonly kind: "memory" | "null"; readonly size: number; readonly at: Position }
  /** A SCSI device of this machine by its node of Linux' sg driver: it has no bytes of its own here, and is passed through. */
  | { readonly kind: "device"; readonly path: string; readonly size?: number | undefined; readonly at: Position }
  /** A logical unit of an iSCSI target, passed through as well. */
  | { readonly kind: "iscsi"; readonly url: IscsiUrl; readonly at: Position }
  /** Enclosure services, and the controller of a storage array: neither keeps anything. */
  | { readonly kind: "enclosure"; readonly enclosure: EnclosureConfig; readonly at: Position }
  | { readonly kind: "controller"; readonly at: Position }
  /** An export of an NBD server. */
  | { readonly kind: "nbd"; readonly uri: NbdUri; readonly sync: Sync; readonly at: Position }
  /** A library, whose changer or drive the LUN is. */
  | { readonly kind: "library"; readonly library: LibraryConfig; readonly at: Position }
  /** A drive without a disc. */
  | { readonly kind: "empty"; readonly at: Position };

/** The nodes of Linux' sg driver; what else is below /dev is a file to read and write. */
export const DEVICE_NODE = /^\/dev\/sg\d{1,8}$/;

/** `writeback` keeps what was written durable at SYNCHRONIZE CACHE and FUA, `writethrough` at each write. */
export type Sync = "writeback" | "writethrough";

/** The types of LUN there are. */
export type LunType = "disk" | "tape" | "changer" | "cdrom" | "enclosure" | "controller";

/** How the blocks of a LUN are encrypted, by a key that is kept beside its file, or in memory as its bytes are. */
export type Encryption = "aes-256-xts";

/** What of a real device an initiator may use: all, what Linux' SG_IO lets everybody do, or what of that only reads. */
export type SgIo = "unfiltered" | "filtered" | "readonly";

/** Bytes that a disk writes at once. */
const PHYSICAL_BLOCKS = [512, 4096, 8192, 16384, 32768, 65536] as const;
export type PhysicalBlock = (typeof PHYSICAL_BLOCKS)[number];

/** A fault to inject, in the words of the SCSI target; nothing here knows them. */
export interface FaultWord {
  readonly text: string;
  readonly at: Position;
}

/** One LUN: what it is and what backs it. */
export interface LunSpec {
  readonly backing: LunBacking;
  readonly type: LunType;
  readonly blockSize: 512 | 4096;
  /** Bytes of a physical block, at least those of a logical one; undefined: what suits the backing. */
  readonly physical: PhysicalBlock | undefined;
  readonly readOnly: boolean;
  readonly removable: boolean;
  readonly vendor: string | undefined;
  readonly product: string | undefined;
  readonly revision: string | undefined;
  readonly serial: string | undefined;
  /** `naa.` and 16 hex digits in lower case, 32 of an NAA 6 name. */
  readonly wwn: string | undefined;
  /** Space can be given back by UNMAP, where what backs it can. */
  readonly thin: boolean;
  /** DPO and FUA are taken. */
  readonly fua: boolean;
  /** UNMAP is taken, and the UNMAP bit of WRITE SAME, where the LUN is thin. */
  readonly unmap: boolean;
  readonly writeSameUnmap: boolean;
  /** It is promised that what was given back reads as zeros, where the LUN is thin. */
  readonly unmapZeroes: boolean;
  /** COMPARE AND WRITE is taken. */
  readonly compareAndWrite: boolean;
  /** EXTENDED COPY and RECEIVE COPY RESULTS are taken. */
  readonly thirdPartyCopy: boolean;
  /** It can be reserved. */
  readonly reservable: boolean;
  /** Commands that one initiator may have under way; those beyond end with TASK SET FULL. */
  readonly queueDepth: number;
  /** Tasks that another initiator ends are told by TASK ABORTED (TAS of the control page). */
  readonly taskAborted: boolean;
  /** As VPD page B1h has it: 0 not reported, 1 it does not rotate, else revolutions per minute. */
  readonly rotation: number;
  /**
   * The file that reservations are kept in through a loss of power, as the backing's path is written; `none` keeps them
   * nowhere. Undefined: beside the file that backs the LUN, if it is written and no device.
   */
  readonly reservations: string | undefined;
  /** Undefined: blocks are kept as they are. */
  readonly encrypt: Encryption | undefined;
  readonly sgio: SgIo;
  /** Firmware may be loaded into a real device. */
  readonly firmware: boolean;
  /** Our name towards an iSCSI target; undefined: this machine's. */
  readonly initiator: string | undefined;
  /** A tape's cartridge is written once: nothing on it is written over or erased. */
  readonly worm: boolean;
  /** What is on the label of a tape's cartridge. */
  readonly barcode: string | undefined;
  readonly faults: readonly FaultWord[];
  readonly at: Position;
}

/** The properties that have one value each. */
export interface LunProperties {
  type: LunType;
  size: number;
  sync: Sync;
  blockSize: 512 | 4096;
  physical: PhysicalBlock;
  readOnly: boolean;
  removable: boolean;
  vendor: string;
  product: string;
  revision: string;
  serial: string;
  wwn: string;
  thin: boolean;
  fua: boolean;
  unmap: boolean;
  writeSameUnmap: boolean;
  unmapZeroes: boolean;
  compareAndWrite: boolean;
  thirdPartyCopy: boolean;
  reservable: boolean;
  queueDepth: number;
  taskAborted: boolean;
  rotation: number;
  reservations: string;
  encrypt: Encryption;
  sgio: SgIo;
  firmware: boolean;
  initiator: string;
  worm: boolean;
  barcode: string;
}

export interface LunKey<Value> {
  /** In a `--lun` word. */
  readonly word: string;
  /** In host.yaml. */
  readonly key: string;
  /** A word of its own, without a value, means yes. */
  readonly flag?: true;
  /** What `parse` reads, for messages. */
  readonly expecting: string;
  /** Undefined when the text is no such value. */
  parse(text: string): Value | undefined;
  print(value: Value): string;
}

/** A `fault` may be given many times: it is beside the table. */
export const FAULT_WORD = "fault";

export const LUN_KEYS: { readonly [Name in keyof LunProperties]: LunKey<LunProperties[Name]> } = {
  type: choice("type", ["disk", "tape", "cdrom"]),
  size: { word: "size", key: "size", expecting: SIZE_EXPECTED, parse: parseSize, print: formatSize },
  sync: choice("sync", ["writeback", "writethrough"]),
  blockSize: {
    word: "block",
    key: "block",
    expecting: "512 or 4096",
    parse: (text) => (text === "512" ? 512 : text === "4096" ? 4096 : undefined),
    print: String,
  },
  physical: {
    word: "physical",
    key: "physical",
    expecting: PHYSICAL_BLOCKS.join(" or "),
    parse: (text) => PHYSICAL_BLOCKS.find((bytes) => String(bytes) === text),
    print: String,
  },
  readOnly: flag("ro", "readOnly"),
  removable: flag("removable", "removable"),
  vendor: identification("vendor", 8),
  product: identification("product", 16),
  revision: identification("revision", 4),
  serial: identification("serial", 252),
  wwn: {
    word: "wwn",
    key: "wwn",
    expecting: "naa. and 16 hex digits, or 32 that begin with 6",
    parse: parseLunName,
    print: (wwn) => wwn,
  },
  thin: flag("thin", "thin"),
  fua: flag("fua", "fua"),
  unmap: flag("unmap", "unmap"),
  writeSameUnmap: flag("writeSameUnmap", "writeSameUnmap"),
  unmapZeroes: flag("unmapZeroes", "unmapZeroes"),
  compareAndWrite: flag("compareAndWrite", "compareAndWrite"),
  thirdPartyCopy: flag("thirdPartyCopy", "thirdPartyCopy"),
  reservable: flag("reservable", "reservable"),
  queueDepth: {
    word: "queueDepth",
    key: "queueDepth",
    expecting: "1 to 65535",
    parse: (text) => (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= 0xffff ? Number(text) : undefined),
    print: String,
  },
  taskAborted: flag("taskAborted", "taskAborted"),
  rotation: {
    word: "rotation",
    key: "rotation",
    expecting: "0 (not reported), 1 (none) or 1025 to 65534 per minute",
    parse: parseRotation,
    print: String,
  },
  reservations: {
    word: "reservations",
    key: "reservations",
    expecting: "the path of a file, or none",
    parse: (text) => (text === "" || text.includes("\0") ? undefined : text),
    print: (path) => path,
  },
  encrypt: choice("encrypt", ["aes-256-xts"]),
  sgio: choice("sgio", ["unfiltered", "filtered", "readonly"]),
  firmware: flag("firmware", "firmware"),
  initiator: {
    word: "initiator",
    key: "initiator",
    expecting: "a name such as iqn.2026-11.example:host",
    parse: (text) => (/^(iqn|eui|naa)\.[\w.:-]{1,219}$/.test(text) ? text : undefined),
    print: (name) => name,
  },
  worm: flag("worm", "worm"),
  barcode: identification("barcode", 32),
};

/** What can be said of a real device: all else it says of itself. */
const OF_DEVICES: ReadonlySet<keyof LunProperties> = new Set([
  ...(["readOnly", "queueDepth", "sgio", "firmware", "initiator"] as const),
]);
const OF_DEVICES_ONLY: ReadonlySet<keyof LunProperties> = new Set(["sgio", "firmware"]);

/** Whether a LUN is somebody else's, whose commands go there as they are. */
export function isPassed({ kind }: Pick<LunBacking, "kind">): boolean {
  return kind === "device" || kind === "iscsi";
}

/** Whether a LUN is there to be asked, and keeps nothing. */
export function isService({ kind }: Pick<LunBacking, "kind">): boolean {
  return kind === "enclosure" || kind === "controller";
}

const OF_SERVICES: ReadonlySet<keyof LunProperties> = new Set([
  ...(["vendor", "product", "revision", "serial", "wwn", "queueDepth", "taskAborted"] as const),
]);

/** What is kept, made or found beside a file. */
const OF_FILES_ONLY: ReadonlySet<keyof LunProperties> = new Set(["size", "encrypt"]);
const OF_TAPES_ONLY: ReadonlySet<keyof LunProperties> = new Set(["worm", "barcode"]);
const OF_DISKS_ONLY: ReadonlySet<keyof LunProperties> = new Set([
  ...(["blockSize", "physical", "removable", "thin", "fua", "unmap", "writeSameUnmap", "unmapZeroes"] as const),
  ...(["compareAndWrite", "thirdPartyCopy", "reservable", "rotation", "encrypt"] as const),
]);

/** Why a property cannot be said of a LUN of a type that has this behind it; undefined where it can. */
export function unfit(
  name: keyof LunProperties,
  backing: Pick<LunBacking, "kind">,
  type: LunType = "disk",
): string | undefined {
  if (name === "initiator" && backing.kind !== "iscsi") return "it is for iscsi://";
  if (isService(backing)) return OF_SERVICES.has(name) ? undefined : "it keeps nothing";
  if (backing.kind === "nbd" && OF_FILES_ONLY.has(name)) return "it is for files, not for nbd://";
  if (backing.kind === "nbd" && name === "type" && type !== "disk") return "what is at nbd:// is a disk";
  if (isPassed(backing)) return OF_DEVICES.has(name) ? undefined : "a real device says that of itself";
  if (name === "type" && type === "tape" && backing.kind === "null") return "a tape keeps what is written";
  if (type !== "disk" && OF_DISKS_ONLY.has(name)) return "it is for a disk";
  if (type === "cdrom" && name === "size" && backing.kind === "file") return "a disc has the size of its image";
  if (type !== "tape" && OF_TAPES_ONLY.has(name)) return "it is for a tape: type=tape";
  return OF_DEVICES_ONLY.has(name) ? "it is for a real device such as /dev/sg0" : undefined;
}

export const LUN_PROPERTIES = Object.keys(LUN_KEYS) as ReadonlyArray<keyof LunProperties>;

/** Reads one property into `properties`; returns what was expected when the text is no such value. */
export function readProperty<Name extends keyof LunProperties>(
  properties: Partial<LunProperties>,
  name: Name,
  text: string,
): string | undefined {
  const value = LUN_KEYS[name].parse(text);
  if (value === undefined) return LUN_KEYS[name].expecting;
  (properties as Partial<Pick<LunProperties, Name>>)[name] = value;
  return undefined;
}

/** Calls `visit` with every property of a LUN that differs from its default, as text. */
export function eachProperty(lun: LunSpec, visit: (row: LunKey<never>, text: string) => void): void {
  const { backing } = lun;
  const size = sizeOf(backing);
  const properties: Partial<Record<keyof LunProperties, unknown>> = {
    ...lun,
    ...(backing.kind === "file" ? { size, sync: backing.sync } : {}),
    ...(backing.kind === "nbd" ? { sync: backing.sync } : {}),
  };
  for (const name of LUN_PROPERTIES) {
    const value = properties[name];
    if (value === undefined || value === LUN_DEFAULTS[name as keyof typeof LUN_DEFAULTS]) continue;
    const row = LUN_KEYS[name] as LunKey<never>;
    visit(row, row.print(value as never));
  }
}

function sizeOf(backing: LunBacking): number | undefined {
  if (backing.kind === "file") return backing.createSize;
  return backing.kind === "memory" || backing.kind === "null" ? backing.size : undefined;
}

/** What was expected of a size that is not whole blocks of the LUN; undefined when it is. */
export function misfit(
  size: number,
  { blockSize = LUN_DEFAULTS.blockSize }: Partial<LunProperties>,
): string | undefined {
  return size % blockSize === 0 ? undefined : `whole blocks of ${blockSize} bytes`;
}

/** What a property is when it is not given; one that is not here is then undefined. */
export const LUN_DEFAULTS = {
  type: "disk",
  sync: "writeback",
  blockSize: 512,
  readOnly: false,
  removable: false,
  thin: true,
  fua: true,
  unmap: true,
  writeSameUnmap: true,
  unmapZeroes: true,
  compareAndWrite: true,
  thirdPartyCopy: true,
  reservable: true,
  queueDepth: 1024,
  taskAborted: false,
  rotation: 1,
  sgio: "unfiltered",
  firmware: false,
  worm: false,
} as const satisfies Partial<LunProperties>;

function choice<Value extends string>(name: string, values: readonly Value[]): LunKey<Value> {
  return {
    word: name,
    key: name,
    expecting: values.join(" or "),
    parse: (text) => values.find((value) => value === text),
    print: (value) => value,
  };
}

function flag(word: string, key: string): LunKey<boolean> {
  return {
    word,
    key,
    flag: true,
    expecting: "true or false",
    parse: (text) => (text === "true" ? true : text === "false" ? false : undefined),
    print: String,
  };
}

/** MEDIUM ROTATION RATE (SBC-3 6.6.2); what is between is reserved. */
function parseRotation(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const rate = Number(text);
  return rate <= 1 || (rate > 0x400 && rate < 0xffff) ? rate : undefined;
}

/** INQUIRY's identification fields are left-aligned printable ASCII of fixed length (SPC-5 4.3.1). */
function identification(name: string, length: number): LunKey<string> {
  const pattern = new RegExp(`^[!-~](?:[ -~]{0,${length - 2}}[!-~])?$`);
  return {
    word: name,
    key: name,
    expecting: `1 to ${length} printable ASCII characters`,
    parse: (text) => (pattern.test(text) ? text : undefined),
    print: (value) => value,
  };
}
