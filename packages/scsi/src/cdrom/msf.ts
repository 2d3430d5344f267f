// Knows how a place on a CD is told: as a logical block, or in minutes, seconds and frames (MMC-6, addresses on a CD).

import { put32 } from "../big-endian.js";

const FRAMES = 75;
/** Frames before logical block 0: two seconds. */
export const PREGAP = 2 * FRAMES;

/** Writes minute, second and frame of a block at `at`. */
export function putMsf(bytes: Uint8Array, at: number, lba: number): void {
  const frames = lba + PREGAP;
  bytes[at] = Math.floor(frames / (60 * FRAMES)) & 0xff;
  bytes[at + 1] = Math.floor(frames / FRAMES) % 60;
  bytes[at + 2] = frames % FRAMES;
}

/** The block at `at`; null where there is no such time. Those of the first two seconds are below 0. */
export function getMsf(bytes: Uint8Array, at: number): number | null {
  const [minute, second, frame] = bytes.subarray(at, at + 3);
  if (second >= 60 || frame >= FRAMES) return null;
  return (minute * 60 + second) * FRAMES + frame - PREGAP;
}

/** Writes the four bytes of an address as a command's MSF bit wants it. */
export function putAddress(bytes: Uint8Array, at: number, lba: number, msf: boolean): void {
  put32(bytes, at, msf ? 0 : lba);
  if (msf) putMsf(bytes, at + 1, lba);
}
