// Knows sizes as targetcli reads and prints them.

import { LioError } from "./node.js";

const UNITS = "kmgt";

/** Bytes of `64M`, `1GiB`, `512`; units are of 1024. Throws `LioError`. */
export function bytesOf(text: string): number {
  const found = /^(\d{1,15})([kmgt]?)b?$/.exec(text.replaceAll("i", "").toLowerCase());
  const bytes = found === null ? Number.NaN : Number(found[1]) * 1024 ** (found[2] ? UNITS.indexOf(found[2]) + 1 : 0);
  if (!Number.isSafeInteger(bytes)) throw new LioError(`Cannot interpret size, wrong format: ${text}`);
  return bytes;
}

/** With one digit behind the point. */
export function humanSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
  let size = bytes / 1024;
  while (size >= 1024 && units.length > 1) {
    size /= 1024;
    units.shift();
  }
  return `${size.toFixed(1)}${units[0]}`;
}
