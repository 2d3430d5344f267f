// Knows a disc that lies in a drive: one data track over a store, a CD or a DVD by its size. Knows no command.

import type { ByteStore } from "../store.js";

/** Bytes of a sector's user data (MMC-6, sectors). */
export const SECTOR = 2048;
/** Sectors of a CD of 80 minutes; what is longer is a DVD, as QEMU has it. */
const CD_SECTORS = 80 * 60 * 75;

/** What a drive can do with a medium, and how it is known (MMC-6, profiles). */
export interface DiscKind {
  readonly name: "cd" | "dvd";
  readonly profile: number;
  /** The fastest it is read, in 1000 bytes a second, as commands say it; nobody is slowed down to it. */
  readonly speed: number;
}

export const CD: DiscKind = { name: "cd", profile: 0x0008, speed: 7056 };
export const DVD: DiscKind = { name: "dvd", profile: 0x0010, speed: 22_160 };

/** A disc; its store is its own. */
export class Disc {
  readonly store: ByteStore;
  /** Sectors; what is left behind the last whole one cannot be read. */
  readonly blocks: number;
  readonly kind: DiscKind;
  /** It was taken out: what is still read of it fails. */
  gone = false;

  constructor(store: ByteStore) {
    this.store = store;
    this.blocks = Math.floor(store.size / SECTOR);
    this.kind = this.blocks > CD_SECTORS ? DVD : CD;
  }
}
