// Knows the mode pages of a disk, and which of their bits an initiator can change: one table for sense and select.

import { get16, put16 } from "../big-endian.js";
import { MAX_SENSE } from "../task.js";
import type { TaskSetRules } from "../task-set.js";
import type { Disk } from "./disk.js";

/** What MODE SELECT can change. */
export interface ModeSettings extends TaskSetRules {
  /** WCE of the caching page. */
  readonly writeCache: boolean;
  /** D_SENSE of the control page. */
  readonly descriptorSense: boolean;
  /** SWP of the control page. */
  readonly softwareWriteProtect: boolean;
}

export interface ModePage {
  readonly code: number;
  /** Zero for a page that has none. */
  readonly subpage: number;
  readonly name: string;
  /** Bytes with the header: two, or four of a subpage. */
  readonly length: number;
  /** Sets the bytes for these settings; they are zero, and the header is not theirs to set. */
  write(bytes: Uint8Array, settings: ModeSettings, disk: Disk): void;
  /** Sets the bits that can be changed. */
  writeChangeable(bytes: Uint8Array, disk: Disk): void;
  /** Where bits that can be changed have a value that they cannot have, as byte and bit; absent where all can be had. */
  readonly wrong?: (bytes: Uint8Array) => { readonly byte: number; readonly bit: number } | null;
  /** The settings after these bytes were selected. */
  select(bytes: Uint8Array, settings: ModeSettings): ModeSettings;
}

const unchanged = (_bytes: Uint8Array, settings: ModeSettings): ModeSettings => settings;

/** SBC-3 6.5.8: defects are handled by whatever is below. */
const errorRecovery: ModePage = {
  code: 0x01,
  subpage: 0,
  name: "Read-Write Error Recovery",
  length: 12,
  write: (bytes) => {
    bytes[2] = 0xc0; // AWRE, ARRE
  },
  writeChangeable: () => {},
  select: unchanged,
};

const WCE = 0x04;

/** SBC-3 6.5.5. WCE can be switched where the store has a cache to switch. */
const caching: ModePage = {
  code: 0x08,
  subpage: 0,
  name: "Caching",
  length: 20,
  write: (bytes, { writeCache }) => {
    bytes[2] = writeCache ? WCE : 0;
  },
  writeChangeable: (bytes, { store }) => {
    bytes[2] = store.features.writeBack ? WCE : 0;
  },
  select: (bytes, settings) => ({ ...settings, writeCache: (bytes[2] & WCE) !== 0 }),
};

const D_SENSE = 0x04;
const QERR = 0x06;
const SWP = 0x08;
const TAS = 0x40;
/** QUEUE ALGORITHM MODIFIER: SIMPLE tasks may be executed in any order. */
const UNRESTRICTED_REORDERING = 0x10;

/** By QERR; 10b is reserved. */
const ERROR_ENDS = ["nothing", "everyones", null, "own"] as const;

function queueErrorOf(byte: number): ModeSettings["errorEnds"] | null {
  return ERROR_ENDS[(byte & QERR) >> 1];
}

/** SPC-4 7.5.8: one task set for all (TST 000b), no ACA; a unit attention that was reported is over (UA_INTLCK_CTRL 00b). */
const control: ModePage = {
  code: 0x0a,
  subpage: 0,
  name: "Control",
  length: 12,
  write: (bytes, { descriptorSense, softwareWriteProtect, errorEnds, tellsAborted }) => {
    bytes[2] = descriptorSense ? D_SENSE : 0;
    bytes[3] = UNRESTRICTED_REORDERING | (ERROR_ENDS.indexOf(errorEnds) << 1);
    bytes[4] = softwareWriteProtect ? SWP : 0;
    bytes[5] = tellsAborted ? TAS : 0;
  },
  writeChangeable: (bytes) => {
    bytes[2] = D_SENSE;
    bytes[3] = QERR;
    bytes[4] = SWP;
    bytes[5] = TAS;
  },
  wrong: (bytes) => (queueErrorOf(bytes[3]) === null ? { byte: 3, bit: 2 } : null),
  select: (bytes, settings) => ({
    ...settings,
    descriptorSense: (bytes[2] & D_SENSE) !== 0,
    errorEnds: queueErrorOf(bytes[3]) ?? settings.errorEnds,
    softwareWriteProtect: (bytes[4] & SWP) !== 0,
    tellsAborted: (bytes[5] & TAS) !== 0,
  }),
};

/** SPC-4 7.5.9: the longest sense data, which only a failed copy has. */
const controlExtension: ModePage = {
  code: 0x0a,
  subpage: 0x01,
  name: "Control Extension",
  length: 32,
  write: (bytes) => {
    bytes[6] = MAX_SENSE;
  },
  writeChangeable: () => {},
  select: unchanged,
};

/** SPC-4 7.5.11: no informational exceptions are reported. */
const informationalExceptions: ModePage = {
  code: 0x1c,
  subpage: 0,
  name: "Informational Exceptions Control",
  length: 12,
  write: (bytes) => {
    bytes[2] = 0x08; // DEXCPT
  },
  writeChangeable: () => {},
  select: unchanged,
};

/** In ascending order of their codes and subpage codes. */
export const MODE_PAGES: readonly ModePage[] = [
  errorRecovery,
  caching,
  control,
  controlExtension,
  informationalExceptions,
];

/** Which values of a page are asked for (SPC-4 table 167). */
export type PageControl = "current" | "changeable" | "default" | "saved";

/** Writes a page with its header at `at`. */
export function writePage(page: ModePage, disk: Disk, which: PageControl, bytes: Uint8Array, at: number): void {
  const target = bytes.subarray(at, at + page.length);
  target.fill(0);
  if (which === "changeable") page.writeChangeable(target, disk);
  else page.write(target, which === "default" ? disk.defaults : disk.settings, disk);
  writeHeader(page, target);
}

const SUBPAGE_FORMAT = 0x40;

/** SPC-4 7.5.1: a page with a subpage code has a longer header. */
function writeHeader({ code, subpage, length }: ModePage, bytes: Uint8Array): void {
  bytes[0] = code;
  bytes[1] = length - 2;
  if (subpage === 0) return;
  bytes[0] |= SUBPAGE_FORMAT;
  bytes[1] = subpage;
  put16(bytes, 2, length - 4);
}

/** The page that begins at `at`, and the byte of its header that is wrong, if one is; undefined where there is no such page. */
export function findPage(bytes: Uint8Array, at: number): { page: ModePage; wrong: number | null } | undefined {
  const first = bytes[at];
  const subpage = (first & SUBPAGE_FORMAT) === 0 ? 0 : bytes[at + 1];
  const page = MODE_PAGES.find((row) => row.code === (first & 0x3f) && row.subpage === subpage);
  // PS is reserved here (SPC-4 7.5.1); a page without a subpage is not to be found by the longer header.
  if (page === undefined || (first & 0x80) !== 0 || (subpage === 0 && first !== page.code)) return undefined;
  if (subpage === 0) return { page, wrong: bytes[at + 1] === page.length - 2 ? null : at + 1 };
  return { page, wrong: get16(bytes, at + 2) === page.length - 4 ? null : at + 2 };
}
