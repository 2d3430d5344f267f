// Knows the LUNs that libiscsi's suite is run against, and which of its tests do not have to pass there, with what decides.

import type { TestResult } from "../qemu/cunit.js";

/** What keeps the bytes of a LUN, and how long its blocks are. */
export interface Combination {
  readonly store: "memory" | "file";
  /** Bytes. */
  readonly block: 512 | 4096;
  /** Suites of tests for what such a store cannot have, which judge not all there. */
  readonly lacks: readonly string[];
}

/** A file system promises of no write that a loss of power leaves all or nothing of it; a test of write protection tries such a write. */
const IN_FILES = ["WriteAtomic16", "ReadOnly"];

export const COMBINATIONS: readonly Combination[] = [
  { store: "memory", block: 512, lacks: [] },
  { store: "memory", block: 4096, lacks: [] },
  { store: "file", block: 512, lacks: IN_FILES },
  { store: "file", block: 4096, lacks: IN_FILES },
];

/** A kind of LUN. */
export interface Profile {
  readonly name: string;
  readonly size: (block: number) => string;
  /** Keys of a LUN's word, besides those of the combination; `block` is the combination's. */
  readonly keys: (block: number) => readonly string[];
  /** Options of the program. */
  readonly options: readonly string[];
  /** Whether what writes is refused there. */
  readonly writeProtected?: true;
  /** A suite of tests that takes long, and is run at a portal of its own beside the others. */
  readonly apart?: string;
}

/** Blocks of a small disk, and the one that it is slow to write: no test but those that write all of it comes there. */
const FEW_BLOCKS = 32768;
const SLOW_BLOCK = 24576;

/** Blocks of a physical block where some tests want more than one. */
const SEVERAL = 8;

const LARGE = (): string => "512MiB";

export const PROFILES: readonly Profile[] = [
  // One test is mistaken where a physical block has several logical ones, some need that; UNMAP and WRITE SAME are in either kind.
  { name: "fixed", size: LARGE, keys: (block) => ["thin", `physical=${block}`], options: [] },
  { name: "removable", size: LARGE, keys: (block) => ["thin", `physical=${block}`, "removable"], options: [] },
  { name: "write-protected", size: LARGE, keys: () => ["thin", "ro"], options: [], writeProtected: true },
  {
    // Some ask for CRYPTOGRAPHIC ERASE. One test looks for three seconds, and after a reset and another login, at an overwrite that
    // is still going on. One may pass only where it is not promised that what was given back reads as zeros.
    name: "sanitized",
    size: (block) => `${(FEW_BLOCKS * block) >> 20}MiB`,
    keys: (block) => [
      "thin",
      "unmap=false",
      "unmapZeroes=false",
      `physical=${block * SEVERAL}`,
      "encrypt=aes-256-xts",
      `fault=write@${SLOW_BLOCK}:delay=8s`,
    ],
    options: ["--allow-sanitize"],
    apart: "Sanitize",
  },
];

/** A `--lun` word; `path` is a file that is not there yet. */
export function wordOf({ size, keys }: Profile, { store, block }: Combination, path: string): string {
  const first = store === "memory" ? [`mem:${size(block)}`] : [path, `size=${size(block)}`];
  return [...first, `block=${block}`, ...keys(block)].join(",");
}

/** A test that fails on the LUNs of some profiles because it wants something else than the standards, or is mistaken itself. */
export interface Exemption {
  readonly test: string;
  /** All where it is not said. */
  readonly profiles?: readonly string[];
  readonly decides: string;
}

/** All there are; note 22 has more words about each. */
export const EXEMPTIONS: readonly Exemption[] = [
  {
    test: "iSCSITMF.LUNResetSimpleAsync",
    decides: "looks for the answer to the reset before the reset was sent, and ends in its own malloc",
  },
  {
    test: "WriteSame10.UnmapUntilEnd",
    decides:
      "SBC-3 5.42: with LBPRZ a block that is not zeros is written, also where UNMAP is set; the test wants zeros",
  },
  {
    test: "StartStopUnit.NoLoej",
    profiles: ["removable"],
    decides:
      "SBC-3 5.25: a unit that was stopped is NOT READY, 04h/02h; the test wants TEST UNIT READY to end with GOOD",
  },
];

/** The sense of what is written to a LUN that is write-protected (SBC-3 4.12: DATA PROTECT, 27h/00h), as the program prints it. */
const WRITE_PROTECTED = /\(0x2700\)/;
/** Tests that write and do not print which sense they got, or got that of a copy whose target told it. */
const SILENT_WRITERS: ReadonlySet<string> = new Set([
  "ExtendedCopy.ValidTgtDescr",
  "ReceiveCopyResults.CopyStatus",
  "Write10.Async",
  "iSCSITMF.AbortTaskSimpleAsync",
]);

/** Whether a test failed because it may not write there, which is what the profile is about. */
export function isRefused({ writeProtected }: Profile, { name, verdict, reason }: TestResult): boolean {
  return writeProtected === true && verdict === "failed" && (WRITE_PROTECTED.test(reason) || SILENT_WRITERS.has(name));
}

export function exemptionOf({ name }: Profile, test: string): Exemption | undefined {
  return EXEMPTIONS.find((each) => each.test === test && (each.profiles?.includes(name) ?? true));
}
