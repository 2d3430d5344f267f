// Knows how bytes are shown to a person: as a hex dump, and field by field from a struct's own table.

import { type ArrayField, type Cursor, type Field, isArray, isScalar, type StructClass } from "./struct.js";

const WIDTH = 16;

/**
 * Lines of `offset: bytes  text`, 16 bytes a line, offsets counted from `start`. Of a run of equal lines the first is
 * shown, then `*`; the last line of all is always shown, so that one sees where the bytes end.
 */
export function hexDump(bytes: Uint8Array, start = 0): string {
  const lines: string[] = [];
  let previous = "";
  for (let at = 0; at < bytes.length; at += WIDTH) {
    const line = bytes.subarray(at, at + WIDTH);
    const hex = hexBytes(line).padEnd(WIDTH * 3 - 1);
    if (hex === previous && at + WIDTH < bytes.length) {
      if (lines.at(-1) !== "*") lines.push("*");
      continue;
    }
    previous = hex;
    lines.push(`${(start + at).toString(16).padStart(8, "0")}: ${hex}  ${printable(line)}`);
  }
  return lines.join("\n");
}

/** `28 00 00 00`. */
export function hexBytes(bytes: Uint8Array): string {
  return pairsOf(bytes).join(" ");
}

/** `28000000`. */
export function hexDigits(bytes: Uint8Array): string {
  return pairsOf(bytes).join("");
}

/** The bytes of an even number of hex digits, two for each. */
export function bytesOfHex(digits: string): Uint8Array {
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

function pairsOf(bytes: Uint8Array): string[] {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
}

function printable(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
}

/**
 * The record at `base`, one line a field: offset in the record, name, value. Array elements that are all zero, and
 * padding that is, are left out, and so is what lies past the end of `bytes`. A 64-bit field is shown whole, however
 * large.
 */
export function printRecord(struct: StructClass<Cursor>, bytes: Uint8Array, base = 0, indent = ""): string[] {
  const lines: string[] = [];
  for (const [name, field] of Object.entries(struct.fields)) {
    const slice = bytes.subarray(base + field.offset, base + field.offset + field.size);
    if (isArray(field)) lines.push(...printArray(name, field, bytes, base, indent));
    else if (slice.length === field.size && (field.kind !== "pad" || !isZero(slice))) {
      lines.push(`${head(indent, field.offset)} ${name.padEnd(16)} ${valueText(field, slice)}`);
    }
  }
  return lines;
}

function printArray(
  name: string,
  { offset, count, element }: ArrayField<Cursor>,
  bytes: Uint8Array,
  base: number,
  indent: string,
): string[] {
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const from = offset + i * element.size;
    if (isZero(bytes.subarray(base + from, base + from + element.size))) continue;
    lines.push(`${head(indent, from)} ${name}[${i}]`);
    lines.push(...printRecord(element, bytes, base + from, `${indent}    `));
  }
  return lines;
}

function head(indent: string, offset: number): string {
  return `${indent}${offset.toString().padStart(4)}`;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function valueText(field: Field, slice: Uint8Array): string {
  if (!isScalar(field)) return isZero(slice) ? `${field.size} zero bytes` : hexBytes(slice);
  const ordered = field.kind.endsWith("be") ? slice : slice.toReversed();
  const unsigned = BigInt(`0x${hexBytes(ordered).replaceAll(" ", "")}`);
  const value = field.kind.startsWith("i") ? BigInt.asIntN(field.size * 8, unsigned) : unsigned;
  return value >= 0n && value < 10n ? String(value) : `${value} (0x${unsigned.toString(16)})`;
}
