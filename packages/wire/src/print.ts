// Knows how bytes are shown to a person: as a hex dump, and field by field from a struct's own table.

import { type Cursor, type Field, type FieldTable, isArray, isScalar, type StructClass } from "./struct.js";

const WIDTH = 16;

/** Lines of `offset: bytes  text`, 16 bytes a line; runs of equal lines are shown once, then as `*`. */
export function hexDump(bytes: Uint8Array, start = 0): string {
  const lines: string[] = [];
  let previous = "";
  for (let at = 0; at < bytes.length; at += WIDTH) {
    const line = bytes.subarray(at, at + WIDTH);
    const hex = hexBytes(line).padEnd(WIDTH * 3 - 1);
    if (hex === previous) {
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
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

function printable(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
}

/** One line a field: offset, name, value; array elements that are all zero and padding that is zero are left out. */
export function printRecord<Record extends Cursor>(
  struct: StructClass<Record, FieldTable>,
  bytes: Uint8Array,
  base = 0,
  indent = "",
): string[] {
  const lines: string[] = [];
  for (const [name, field] of Object.entries(struct.fields)) {
    const slice = bytes.subarray(base + field.offset, base + field.offset + field.size);
    if (isArray(field)) lines.push(...printArray(name, field, bytes, base, indent));
    else if (field.kind !== "pad" || slice.some((byte) => byte !== 0)) {
      lines.push(`${indent}${offsetText(field)} ${name.padEnd(16)} ${valueText(field, slice)}`);
    }
  }
  return lines;
}

function printArray(name: string, field: Field, bytes: Uint8Array, base: number, indent: string): string[] {
  if (!isArray(field)) return [];
  const lines: string[] = [];
  for (let i = 0; i < field.count; i++) {
    const at = base + field.offset + i * field.element.size;
    const slice = bytes.subarray(at, at + field.element.size);
    if (slice.every((byte) => byte === 0)) continue;
    lines.push(`${indent}${offsetText({ ...field, offset: at - base })} ${name}[${i}]`);
    lines.push(...printRecord(field.element, bytes, at, `${indent}    `));
  }
  return lines;
}

function offsetText(field: Field): string {
  return field.offset.toString().padStart(4);
}

function valueText(field: Field, slice: Uint8Array): string {
  if (!isScalar(field)) return hexBytes(slice);
  const value = field.read(new DataView(slice.buffer, slice.byteOffset, slice.byteLength), 0);
  return value >= 0 && value < 10 ? String(value) : `${value} (0x${(value < 0 ? value >>> 0 : value).toString(16)})`;
}
