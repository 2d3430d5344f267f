// Knows how sg3_utils shows bytes: 16 a line in two halves, with the text beside them or without.

import { hexBytes } from "@pvscsi/wire";

const WIDTH = 16;

/** ` 00     00 00 06 02 ...    ....`: offsets in hex, at least two digits. */
export function sgHexDump(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += WIDTH) {
    const left = hexBytes(bytes.subarray(at, at + 8));
    const right = hexBytes(bytes.subarray(at + 8, at + WIDTH));
    const text = Array.from(bytes.subarray(at, at + WIDTH), (byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
    ).join("");
    const hex = right === "" ? left : `${left}  ${right}`;
    lines.push(` ${at.toString(16).padStart(2, "0").padEnd(7)}${hex.padEnd(52)}${text}`);
  }
  return lines;
}

/** Sixteen bytes a line, in two halves. */
export function hexLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const halves = [bytes.subarray(at, at + 8), bytes.subarray(at + 8, at + 16)].filter((half) => half.length > 0);
    lines.push(halves.map((half) => hexBytes(half)).join("  "));
  }
  return lines;
}

/** ASCII up to the first NUL. */
export function asciiText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...(end === -1 ? bytes : bytes.subarray(0, end)));
}
