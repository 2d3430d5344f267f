// Knows a tape library as host.yaml describes it: a changer, drives, and what is in the slots at first. Knows no file of its cartridges.

import { formatAddress, type ScsiAddress } from "./device-names.js";
import type { Position } from "./errors.js";
import { formatSize } from "./size.js";

export interface LibraryConfig {
  /** Where its cartridges are, as written; relative to the folder of host.yaml. */
  readonly folder: string;
  readonly changer: ScsiAddress;
  readonly drives: readonly ScsiAddress[];
  readonly slots: number;
  readonly importExports: number;
  /** Barcodes of what is in the first slots when it is used for the first time. */
  readonly cartridges: readonly string[];
  /** Bytes that a cartridge takes. */
  readonly capacity: number;
  /** More than one guest may have its changer and drives at a time. */
  readonly shareable: boolean;
  readonly at: Position;
}

export const LIBRARY_KEYS: readonly string[] = [
  ...["folder", "changer", "drives", "slots", "importExport", "cartridges", "capacity", "shareable"],
];

/** What a number of elements may be. */
export const LIBRARY_LIMITS = { slots: [1, 4000], importExport: [0, 240], drives: [1, 64] } as const;

/** What is in an enclosure; its slots follow the disks of its SCSI host, in the order of their addresses. */
export interface EnclosureConfig {
  readonly bays: number;
  readonly powerSupplies: number;
  readonly fans: number;
  readonly temperatures: number;
}

export const ENCLOSURE_LIMITS = {
  bays: [0, 60],
  powerSupplies: [0, 16],
  fans: [0, 16],
  temperatures: [0, 16],
} as const;
export const DEFAULT_CAPACITY = 2 ** 40;
/** What a cartridge is called, and its file. */
export const BARCODE = /^[A-Z0-9][A-Z0-9_-]{0,31}$/;

/** The table of a library, as host.yaml has it. */
export function printLibrary(library: LibraryConfig): Record<string, unknown> {
  return {
    folder: library.folder,
    changer: formatAddress(library.changer),
    drives: library.drives.map(formatAddress),
    slots: String(library.slots),
    importExport: String(library.importExports),
    ...(library.cartridges.length > 0 ? { cartridges: library.cartridges } : {}),
    ...(library.capacity !== DEFAULT_CAPACITY ? { capacity: formatSize(library.capacity) } : {}),
    ...(library.shareable ? { shareable: true } : {}),
  };
}
