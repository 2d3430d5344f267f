// Knows a tape library for tests: drives that only say what was put into them, and a keeper that can be cut off in the midst of a move.

import {
  createChanger,
  type Keeper,
  Library,
  type LibraryDrive,
  type LibraryOptions,
  StoreError,
  Target,
} from "@pvscsi/scsi";
import { IDENTITY, Initiator } from "./initiator.js";

export const DRIVE = 256;
export const SLOT = 4096;
export const PORT = 16;

/** A drive without a tape in it. */
export class StubDrive implements LibraryDrive {
  readonly designator;
  /** What is in it. */
  barcode: string | null = null;
  holds = false;
  /** Whether it takes its cartridge in so that it must be unloaded. */
  threads = false;
  broken = false;
  readonly seen: string[] = [];

  constructor(serial: string) {
    const bytes = Uint8Array.from(`ACME    DRIVE           ${serial}`, (character) => character.charCodeAt(0));
    this.designator = { codeSet: 2, association: 0, type: 1, bytes };
  }

  async insert(barcode: string): Promise<void> {
    this.seen.push(`insert ${barcode}`);
    this.barcode = barcode;
    if (this.broken) throw new StoreError("medium", "it cannot be read");
    this.holds = this.threads;
  }

  async remove(): Promise<void> {
    this.seen.push(`remove ${this.barcode}`);
    this.barcode = null;
  }
}

/** Remembers; `fails` has it forget everything from then on, as after a loss of power. */
export class MemoryKeeper implements Keeper {
  kept: string | null;
  fails = false;

  constructor(kept: string | null = null) {
    this.kept = kept;
  }

  async keep(text: string | null): Promise<void> {
    if (this.fails) throw new Error("gone");
    this.kept = text;
  }
}

export const BARCODES = ["A00001L8", "A00002L8", "A00003L8"];

/** A changer at LUN 0 with two drives, six slots and two import/export elements, and an initiator whose unit attentions were reported. */
export async function withLibrary(options: Partial<LibraryOptions> = {}) {
  const drives = [new StubDrive("1111"), new StubDrive("2222")];
  const library = new Library({ slots: 6, importExports: 2, drives, cartridges: BARCODES, ...options });
  await library.powerOn();
  const changer = createChanger({ ...IDENTITY, removable: true, library });
  const target = new Target();
  target.add(0, changer);
  return { drives, library, changer, target, initiator: new Initiator(target).settle() };
}

const u16 = (value: number): number[] => [value >>> 8, value & 0xff];

/** MOVE MEDIUM. */
export function moveCdb(from: number, to: number, transport = 0): Uint8Array {
  return Uint8Array.from([0xa5, 0, ...u16(transport), ...u16(from), ...u16(to), 0, 0, 0, 0]);
}

/** EXCHANGE MEDIUM. */
export function exchangeCdb(from: number, first: number, second: number): Uint8Array {
  return Uint8Array.from([0xa6, 0, 0, 0, ...u16(from), ...u16(first), ...u16(second), 0, 0]);
}

/** READ ELEMENT STATUS; flags are those of byte 1 with the type, and DVCID and CURDATA. */
export function statusCdb({ flags = 0, start = 0, count = 0xffff, more = 0, room = 0xffff }): Uint8Array {
  return Uint8Array.from([0xb8, flags, ...u16(start), ...u16(count), more, 0, ...u16(room), 0, 0]);
}
