// Knows the mode pages of a disk, and which of their bits an initiator can change: one table for sense and select.

import type { Disk } from "./disk.js";

/** What MODE SELECT can change. */
export interface ModeSettings {
  /** WCE of the caching page. */
  readonly writeCache: boolean;
  /** D_SENSE of the control page. */
  readonly descriptorSense: boolean;
  /** SWP of the control page. */
  readonly softwareWriteProtect: boolean;
}

export interface ModePage {
  readonly code: number;
  /** Bytes with the two of the header. */
  readonly length: number;
  /** Sets the bytes for these settings; they are zero and have their header already. */
  write(bytes: Uint8Array, settings: ModeSettings, disk: Disk): void;
  /** Sets the bits that can be changed. */
  writeChangeable(bytes: Uint8Array, disk: Disk): void;
  /** The settings after these bytes were selected. */
  select(bytes: Uint8Array, settings: ModeSettings): ModeSettings;
}

const unchanged = (_bytes: Uint8Array, settings: ModeSettings): ModeSettings => settings;

/** SBC-3 6.5.8: defects are handled by whatever is below. */
const errorRecovery: ModePage = {
  code: 0x01,
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
const SWP = 0x08;

/** SPC-4 7.5.8: unrestricted reordering, one task set for all. */
const control: ModePage = {
  code: 0x0a,
  length: 12,
  write: (bytes, { descriptorSense, softwareWriteProtect }) => {
    bytes[2] = descriptorSense ? D_SENSE : 0;
    bytes[3] = 0x10;
    bytes[4] = softwareWriteProtect ? SWP : 0;
  },
  writeChangeable: (bytes) => {
    bytes[2] = D_SENSE;
    bytes[4] = SWP;
  },
  select: (bytes, settings) => ({
    ...settings,
    descriptorSense: (bytes[2] & D_SENSE) !== 0,
    softwareWriteProtect: (bytes[4] & SWP) !== 0,
  }),
};

/** SPC-4 7.5.11: no informational exceptions are reported. */
const informationalExceptions: ModePage = {
  code: 0x1c,
  length: 12,
  write: (bytes) => {
    bytes[2] = 0x08; // DEXCPT
  },
  writeChangeable: () => {},
  select: unchanged,
};

/** In ascending order of their codes. */
export const MODE_PAGES: readonly ModePage[] = [errorRecovery, caching, control, informationalExceptions];

/** Which values of a page are asked for (SPC-4 table 167). */
export type PageControl = "current" | "changeable" | "default" | "saved";

/** Writes a page with its header at `at`. */
export function writePage(page: ModePage, disk: Disk, which: PageControl, bytes: Uint8Array, at: number): void {
  const target = bytes.subarray(at, at + page.length);
  target.fill(0);
  if (which === "changeable") page.writeChangeable(target, disk);
  else page.write(target, which === "default" ? disk.defaults : disk.settings, disk);
  target[0] = page.code;
  target[1] = page.length - 2;
}
