// Knows the mode pages of a disk, which of their bits an initiator can change, and what stands before them (SBC-3 6.5).

import { get24, get32, get64, put24, put32, put64 } from "../big-endian.js";
import {
  type BlockDescriptor,
  type ControlSettings,
  type ModeHeader,
  type ModePage,
  PRIMARY_MODE_PAGES,
} from "../device/mode-pages.js";
import type { Disk } from "./disk.js";

/** What MODE SELECT can change. */
export interface ModeSettings extends ControlSettings {
  /** WCE of the caching page. */
  readonly writeCache: boolean;
}

type DiskPage = ModePage<Disk, ModeSettings>;

/** SBC-3 6.5.8: defects are handled by whatever is below. */
const errorRecovery: DiskPage = {
  code: 0x01,
  subpage: 0,
  name: "Read-Write Error Recovery",
  length: 12,
  write: (bytes) => {
    bytes[2] = 0xc0; // AWRE, ARRE
  },
};

const WCE = 0x04;

/** SBC-3 6.5.5. WCE can be switched where the store has a cache to switch. */
const caching: DiskPage = {
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
  select: (bytes) => ({ writeCache: (bytes[2] & WCE) !== 0 }),
};

/** In ascending order of their codes and subpage codes. */
export const MODE_PAGES: readonly DiskPage[] = [
  errorRecovery,
  caching,
  PRIMARY_MODE_PAGES.control,
  PRIMARY_MODE_PAGES.controlExtension,
  PRIMARY_MODE_PAGES.informationalExceptions,
];

const LONG = 16;

/** SBC-3 6.5.2: number of blocks, and their length. Without a medium there are none. Both may only be selected as they are. */
const blockDescriptor: BlockDescriptor<Disk, ModeSettings> = {
  long: true,
  write: (disk, bytes) => {
    const blocks = disk.medium === "ejected" ? 0 : disk.blocks;
    if (bytes.length === LONG) {
      put64(bytes, 0, blocks);
      put32(bytes, 12, disk.blockSize);
    } else {
      put32(bytes, 0, Math.min(blocks, 0xffff_ffff));
      put24(bytes, 5, disk.blockSize);
    }
  },
  select: (disk, bytes) => {
    const long = bytes.length === LONG;
    const blocks = long ? get64(bytes, 0) : get32(bytes, 0);
    const blockSize = long ? get32(bytes, 12) : get24(bytes, 5);
    // Zero, and all ones in the short form, leave the number of blocks as it is.
    const same = blocks === 0 || blocks === disk.blocks || (!long && blocks === 0xffff_ffff);
    if (!same) return { wrong: { byte: 0, bit: null } };
    if (blockSize !== disk.blockSize) return { wrong: { byte: long ? 12 : 5, bit: null } };
    return { changes: {} };
  },
};

const WP = 0x80;
const DPOFUA = 0x10;

export const MODE_HEADER: ModeHeader<Disk, ModeSettings> = {
  parameter: (disk, task) => (disk.writeProtection(task) === null ? 0 : WP) | (disk.fua ? DPOFUA : 0),
  descriptor: blockDescriptor,
};
