// Knows how logical unit numbers lie in bytes (SAM-5 4.7): one level of it, and the eight bytes that most transports have.

import { get16, put16 } from "./big-endian.js";

/**
 * The number that a nexus is asked for the REPORT LUNS well-known logical unit by: its two bytes of a LUN, C1h 01h. No flat
 * number is it.
 */
export const REPORT_LUNS_UNIT = 0xc101;

/** Flat space addressing (SAM-5 4.7.7.3), whose numbers have 14 bits. */
const FLAT = 0x40;

/**
 * Eight bytes: peripheral device addressing below 256, flat space addressing from there on (SAM-5 4.7.7). A well-known
 * LUN says its addressing method itself.
 */
export function writeLun(bytes: Uint8Array, at: number, lun: number): void {
  bytes.fill(0, at, at + 8);
  put16(bytes, at, lun < 256 ? lun : 0x4000 | lun);
}

/**
 * The number of the two bytes of one level at `at`: peripheral device addressing on bus 0, or flat space addressing. -1
 * where they are neither.
 */
export function lunOfLevel(bytes: Uint8Array, at: number): number {
  const method = bytes[at];
  if (method !== 0 && (method & 0xc0) !== FLAT) return -1;
  return get16(bytes, at) & 0x3fff;
}

/** The number of the eight bytes at `at`, as a `Nexus` takes it; -1 where they name nothing that it could have. */
export function readLun(bytes: Uint8Array, at: number): number {
  for (let i = at + 2; i < at + 8; i++) if (bytes[i] !== 0) return -1;
  return get16(bytes, at) === REPORT_LUNS_UNIT ? REPORT_LUNS_UNIT : lunOfLevel(bytes, at);
}
