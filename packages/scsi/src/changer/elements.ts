// Knows the elements of a library: of which kind each is, under which address, and which cartridge is in it (SMC-3 4.2). Knows no command.

import type { LibraryDrive } from "./drive.js";

/** The kinds, with the codes that READ ELEMENT STATUS has for them (SMC-3 table 21). */
export const ELEMENT_KINDS = { transport: 1, storage: 2, importExport: 3, drive: 4 } as const;
export type ElementKind = keyof typeof ELEMENT_KINDS;

/** Where the addresses of each kind begin, in ascending order; 0 names the usual transport element in a CDB, and is nobody's address. */
const FIRST_ADDRESS = { transport: 1, importExport: 16, drive: 256, storage: 4096 } as const;

/** A cartridge, wherever it is. */
export interface Cartridge {
  /** Its primary volume identifier: up to 32 characters, none of them blank. */
  readonly barcode: string;
}

/** Whether a cartridge can be called so: one word of what labels have, which is a file's name as well. */
export function isBarcode(text: string): boolean {
  return /^[A-Z0-9][A-Z0-9_-]{0,31}$/.test(text);
}

export interface Element {
  readonly kind: ElementKind;
  readonly address: number;
  /** Of data transfer elements alone. */
  readonly drive: LibraryDrive | null;
  cartridge: Cartridge | null;
  /** The storage or import/export element that the cartridge came from last; null where that is not known. */
  source: number | null;
  /** An operator has put the cartridge there (IMPEXP), and no transport element. */
  imported: boolean;
  /** What is wrong with it: its cartridge cannot be used. */
  failed: boolean;
  /** The operator has it: its door is open. */
  open: boolean;
}

/** How many there are of each kind. */
export interface ElementCounts {
  readonly slots: number;
  readonly importExports: number;
  readonly drives: readonly LibraryDrive[];
}

/** All elements of a library with one transport element, empty, in ascending order of their addresses. */
export function makeElements({ slots, importExports, drives }: ElementCounts): Element[] {
  return [
    ...range("transport", 1),
    ...range("importExport", importExports),
    ...range("drive", drives.length).map((element, index) => ({ ...element, drive: drives[index] })),
    ...range("storage", slots),
  ];
}

function range(kind: ElementKind, count: number): Element[] {
  return Array.from({ length: count }, (_, index) => ({
    kind,
    address: FIRST_ADDRESS[kind] + index,
    drive: null,
    cartridge: null,
    source: null,
    imported: false,
    failed: false,
    open: false,
  }));
}

/** The first address of a kind, and how many elements have it; the address stands where there are none as well. */
export function rangeOf(elements: readonly Element[], wanted: ElementKind): { first: number; count: number } {
  return { first: FIRST_ADDRESS[wanted], count: elements.filter(({ kind }) => kind === wanted).length };
}
