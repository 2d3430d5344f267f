// Knows how numbers of each width and byte order lie in bytes, as fields of a struct table.

import type { ScalarField } from "./struct.js";

type Read = ScalarField["read"];
type Write = ScalarField["write"];

function scalar(kind: string, size: number, read: Read, write: Write): (offset: number) => ScalarField {
  return (offset) => ({ kind, offset, size, read, write });
}

/** Names without an ending are little endian, those in `be` big endian; the number is the width in bits. */
export const u8 = scalar(
  "u8",
  1,
  (v, a) => v.getUint8(a),
  (v, a, x) => v.setUint8(a, x),
);
export const u16 = scalar(
  "u16",
  2,
  (v, a) => v.getUint16(a, true),
  (v, a, x) => v.setUint16(a, x, true),
);
export const u32 = scalar(
  "u32",
  4,
  (v, a) => v.getUint32(a, true),
  (v, a, x) => v.setUint32(a, x, true),
);
export const i16 = scalar(
  "i16",
  2,
  (v, a) => v.getInt16(a, true),
  (v, a, x) => v.setInt16(a, x, true),
);
export const i32 = scalar(
  "i32",
  4,
  (v, a) => v.getInt32(a, true),
  (v, a, x) => v.setInt32(a, x, true),
);
export const u64 = scalar(
  "u64",
  8,
  (v, a) => wide(v.getUint32(a + 4, true), v.getUint32(a, true)),
  (v, a, x) => {
    v.setUint32(a + 4, high(x), true);
    v.setUint32(a, x >>> 0, true);
  },
);
export const u16be = scalar(
  "u16be",
  2,
  (v, a) => v.getUint16(a),
  (v, a, x) => v.setUint16(a, x),
);
export const u24be = scalar(
  "u24be",
  3,
  (v, a) => (v.getUint8(a) << 16) | v.getUint16(a + 1),
  (v, a, x) => {
    v.setUint8(a, x >>> 16);
    v.setUint16(a + 1, x & 0xffff);
  },
);
export const u32be = scalar(
  "u32be",
  4,
  (v, a) => v.getUint32(a),
  (v, a, x) => v.setUint32(a, x),
);
export const u64be = scalar(
  "u64be",
  8,
  (v, a) => wide(v.getUint32(a), v.getUint32(a + 4)),
  (v, a, x) => {
    v.setUint32(a, high(x));
    v.setUint32(a + 4, x >>> 0);
  },
);

/** 64-bit values are numbers up to 2^53 - 1; a larger one throws a RangeError. Opaque 64-bit ids are `bytes`. */
function wide(upper: number, lower: number): number {
  if (upper > 0x1f_ffff) throw new RangeError(`0x${upper.toString(16)}_${lower.toString(16)} is above 2^53 - 1`);
  return upper * 0x1_0000_0000 + lower;
}

function high(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no unsigned integer below 2^53`);
  return Math.floor(value / 0x1_0000_0000);
}
