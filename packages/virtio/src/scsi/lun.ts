// Knows virtio-scsi's eight bytes that name a logical unit (virtio 1.3, 5.6.6.1): a target and a single level LUN in it.

import { lunOfLevel, REPORT_LUNS_UNIT } from "@pvscsi/scsi";

/** The REPORT LUNS well-known logical unit, which belongs to no target: c1h 01h and zeros. */
const WELL_KNOWN = 0xc1;
const REPORT_LUNS = 0x01;
/** Flat space addressing (SAM-5 4.7.7.3); below 256 peripheral device addressing with bus 0 says the same. */
const FLAT = 0x40;
const LUN_LIMIT = 1 << 14;

/** What `target` says where no target is named. */
export const NO_TARGET = -1;

/** Where a request goes; -1 for both where the bytes name nothing. */
export class ScsiAddress {
  target = NO_TARGET;
  /** As a nexus is asked for it. */
  lun = -1;
  /** The REPORT LUNS well-known logical unit, of whichever target. */
  reportLuns = false;

  /** Reads the eight bytes at `offset`. */
  read(bytes: Uint8Array, offset: number): void {
    const [first, second] = [bytes[offset], bytes[offset + 1]];
    this.reportLuns = first === WELL_KNOWN && second === REPORT_LUNS && zeros(bytes, offset + 2, offset + 8);
    const lun = lunOfLevel(bytes, offset + 2);
    const valid = first === 1 && lun >= 0 && zeros(bytes, offset + 4, offset + 8);
    this.target = valid ? second : NO_TARGET;
    this.lun = valid ? lun : this.reportLuns ? REPORT_LUNS_UNIT : -1;
  }
}

/** Writes how a request names a logical unit, as Linux does: in flat space addressing, but for the well-known one. */
export function writeRequestLun(bytes: Uint8Array, offset: number, target: number, lun: number): void {
  if (lun === REPORT_LUNS_UNIT) {
    bytes.fill(0, offset, offset + 8);
    bytes[offset] = WELL_KNOWN;
    bytes[offset + 1] = REPORT_LUNS;
  } else writeLun(bytes, offset, target, (FLAT << 8) | (lun % LUN_LIMIT));
}

/**
 * Writes how an event names a logical unit: peripheral device addressing below 256. Linux' driver takes the two bytes
 * for the number as they are (virtscsi_handle_transport_reset).
 */
export function writeEventLun(bytes: Uint8Array, offset: number, target: number, lun: number): void {
  writeLun(bytes, offset, target, lun < 256 ? lun : (FLAT << 8) | lun);
}

function writeLun(bytes: Uint8Array, offset: number, target: number, level: number): void {
  bytes.fill(0, offset, offset + 8);
  bytes[offset] = 1;
  bytes[offset + 1] = target;
  bytes[offset + 2] = level >>> 8;
  bytes[offset + 3] = level & 0xff;
}

function zeros(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}
