// Knows how mode pages are found and written (SPC-4 7.5), and those that every device has. A device type's own are its own to say: one table
// for sense and select.

import { get16, put16 } from "../big-endian.js";
import { MAX_SENSE, type Task } from "../task.js";
import type { TaskSetRules } from "../task-set.js";
import type { Device } from "./device.js";

/** What MODE SELECT can change of every device, by the control page. */
export interface ControlSettings extends TaskSetRules {
  /** D_SENSE. */
  readonly descriptorSense: boolean;
  /** SWP. */
  readonly softwareWriteProtect: boolean;
}

/** A byte that is to blame, and the highest bit of the field where it is less than the byte. */
export interface WrongField {
  readonly byte: number;
  readonly bit: number | null;
}

export interface ModePage<D extends Device<S>, S extends ControlSettings> {
  readonly code: number;
  /** Zero for a page that has none. */
  readonly subpage: number;
  readonly name: string;
  /** Bytes with the header: two, or four of a subpage. */
  readonly length: number;
  /** Sets the bytes for these settings; they are zero, and the header is not theirs to set. */
  readonly write: (bytes: Uint8Array, settings: S, device: D) => void;
  /** Sets the bits that can be changed; none where it is absent. */
  readonly writeChangeable?: (bytes: Uint8Array, device: D) => void;
  /** Where bits that can be changed have a value that they cannot have; absent where all can be had. */
  readonly wrong?: (bytes: Uint8Array, device: D) => WrongField | null;
  /** What these bytes change in the settings; nothing where it is absent. */
  readonly select?: (bytes: Uint8Array, settings: S) => Partial<S>;
}

/** What stands before the pages (SPC-4 7.5.5). */
export interface ModeHeader<D extends Device<S>, S extends ControlSettings> {
  /** DEVICE-SPECIFIC PARAMETER. MODE SELECT ignores it. */
  readonly parameter: (device: D, task: Task) => number;
  /** Page code 0 asks for what stands before the pages alone, as drivers of tapes do; there is no such page where it is absent. */
  readonly alone?: true;
  /** Null where no block descriptor is used. */
  readonly descriptor: BlockDescriptor<D, S> | null;
}

/** The block descriptor: eight bytes, or sixteen with LONGLBA. */
export interface BlockDescriptor<D extends Device<S>, S extends ControlSettings> {
  /** Whether LLBAA asks for the long form. */
  readonly long: boolean;
  /** Sets the bytes, which are zero. */
  readonly write: (device: D, bytes: Uint8Array) => void;
  /** What these bytes change in the settings, or which of them is wrong, from the beginning of the descriptor. */
  readonly select: (device: D, bytes: Uint8Array) => { readonly changes: Partial<S> } | { readonly wrong: WrongField };
}

const D_SENSE = 0x04;
const QERR = 0x06;
const SWP = 0x08;
const TAS = 0x40;
/** QUEUE ALGORITHM MODIFIER: SIMPLE tasks may be executed in any order. */
const UNRESTRICTED_REORDERING = 0x10;

/** By QERR; 10b is reserved. */
const ERROR_ENDS = ["nothing", "everyones", null, "own"] as const;

function queueErrorOf(byte: number): ControlSettings["errorEnds"] | null {
  return ERROR_ENDS[(byte & QERR) >> 1];
}

/** SPC-4 7.5.8: one task set for all (TST 000b), no ACA; a unit attention that was reported is over (UA_INTLCK_CTRL 00b). */
const control: ModePage<Device, ControlSettings> = {
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
    descriptorSense: (bytes[2] & D_SENSE) !== 0,
    errorEnds: queueErrorOf(bytes[3]) ?? settings.errorEnds,
    softwareWriteProtect: (bytes[4] & SWP) !== 0,
    tellsAborted: (bytes[5] & TAS) !== 0,
  }),
};

/** SPC-4 7.5.9: the longest sense data, which only a failed copy has. */
const controlExtension: ModePage<Device, ControlSettings> = {
  code: 0x0a,
  subpage: 0x01,
  name: "Control Extension",
  length: 32,
  write: (bytes) => {
    bytes[6] = MAX_SENSE;
  },
};

/** SPC-4 7.5.11: no informational exceptions are reported. */
const informationalExceptions: ModePage<Device, ControlSettings> = {
  code: 0x1c,
  subpage: 0,
  name: "Informational Exceptions Control",
  length: 12,
  write: (bytes) => {
    bytes[2] = 0x08; // DEXCPT
  },
};

/** Those of every device, for a type's table, which is in ascending order of codes and subpage codes. */
export const PRIMARY_MODE_PAGES = { control, controlExtension, informationalExceptions } as const;

/** Which values of a page are asked for (SPC-4 table 167). */
export type PageControl = "current" | "changeable" | "default" | "saved";

/** Writes a page with its header at `at`. */
export function writePage<D extends Device<S>, S extends ControlSettings>(
  page: ModePage<D, S>,
  device: D,
  which: PageControl,
  bytes: Uint8Array,
  at: number,
): void {
  const target = bytes.subarray(at, at + page.length);
  target.fill(0);
  if (which === "changeable") page.writeChangeable?.(target, device);
  else page.write(target, which === "default" ? device.defaults : device.settings, device);
  writeHeader(page, target);
}

/** What a page is found by. */
type PageShape = Pick<ModePage<never, never>, "code" | "subpage" | "length">;

const SUBPAGE_FORMAT = 0x40;

/** SPC-4 7.5.1: a page with a subpage code has a longer header. */
function writeHeader({ code, subpage, length }: PageShape, bytes: Uint8Array): void {
  bytes[0] = code;
  bytes[1] = length - 2;
  if (subpage === 0) return;
  bytes[0] |= SUBPAGE_FORMAT;
  bytes[1] = subpage;
  put16(bytes, 2, length - 4);
}

/** The page that begins at `at`, and the byte of its header that is wrong, if one is; undefined where there is no such page. */
export function findPage<Page extends PageShape>(
  pages: readonly Page[],
  bytes: Uint8Array,
  at: number,
): { page: Page; wrong: number | null } | undefined {
  const first = bytes[at];
  const subpage = (first & SUBPAGE_FORMAT) === 0 ? 0 : bytes[at + 1];
  const page = pages.find((row) => row.code === (first & 0x3f) && row.subpage === subpage);
  // PS is reserved here (SPC-4 7.5.1); a page without a subpage is not to be found by the longer header.
  if (page === undefined || (first & 0x80) !== 0 || (subpage === 0 && first !== page.code)) return undefined;
  if (subpage === 0) return { page, wrong: bytes[at + 1] === page.length - 2 ? null : at + 1 };
  return { page, wrong: get16(bytes, at + 2) === page.length - 4 ? null : at + 2 };
}
