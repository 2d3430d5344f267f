// Knows the 2352 bytes of a mode 1 sector around its user data: sync, header, error detection and correction (ECMA-130, sectors and annex A).

import { putMsf } from "./msf.js";

export const RAW_SECTOR = 2352;
const HEADER = 12;
export const USER_DATA = 16;
const DETECTION = 2064;
const CORRECTION = 2076;
/** Bytes of the P words, behind which the Q words are. */
const P_BYTES = 172;

/** Fills in a raw sector around the user data at byte 16: `lba` is its block. */
export function buildSector(bytes: Uint8Array, lba: number): void {
  bytes[0] = 0;
  bytes.fill(0xff, 1, 11);
  bytes[11] = 0;
  putMsf(bytes, HEADER, lba);
  for (let at = HEADER; at < HEADER + 3; at++) bytes[at] = binaryCodedDecimal(bytes[at]);
  bytes[15] = 0x01; // mode 1
  putDetection(bytes);
  bytes.fill(0, DETECTION + 4, CORRECTION);
  // The columns of P are 43 words of 24 rows, the diagonals of Q 26 words of 43, over what P has made as well.
  putCorrection(bytes, CORRECTION, { words: 86, length: 24, across: 2, along: 86 });
  putCorrection(bytes, CORRECTION + P_BYTES, { words: 52, length: 43, across: 86, along: 88 });
}

function binaryCodedDecimal(value: number): number {
  return ((Math.floor(value / 10) % 10) << 4) | (value % 10);
}

/** The generator (x^16 + x^15 + x^2 + 1)(x^16 + x^2 + x + 1), least significant bit first. */
const EDC_POLYNOMIAL = 0xd801_8001;
const EDC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = (rest & 1) === 0 ? rest >>> 1 : (rest >>> 1) ^ EDC_POLYNOMIAL;
  return rest;
});

/** ECMA-130, EDC: over sync, header and user data; its least significant byte first. */
function putDetection(bytes: Uint8Array): void {
  let rest = 0;
  for (let at = 0; at < DETECTION; at++) rest = (rest >>> 8) ^ EDC_TABLE[(rest ^ bytes[at]) & 0xff];
  for (let i = 0; i < 4; i++) bytes[DETECTION + i] = rest >>> (8 * i);
}

/** x^8 + x^4 + x^3 + x^2 + 1 (ECMA-130 annex A). */
const FIELD_POLYNOMIAL = 0x11d;
const TIMES_ALPHA = Uint8Array.from(
  { length: 256 },
  (_, value) => (value << 1) ^ (value & 0x80 ? FIELD_POLYNOMIAL : 0),
);
/** What times (alpha + 1) is a value. */
const BY_ALPHA_PLUS_1 = new Uint8Array(256);
for (let value = 0; value < 256; value++) BY_ALPHA_PLUS_1[TIMES_ALPHA[value] ^ value] = value;

/** How the bytes behind the sync make words: where the next word begins, and the next byte of one. */
interface Words {
  readonly words: number;
  readonly length: number;
  readonly across: number;
  readonly along: number;
}

/** Two parity bytes of each word, so that its bytes and its bytes times descending powers of alpha each add up to nothing. */
function putCorrection(bytes: Uint8Array, at: number, { words, length, across, along }: Words): void {
  const size = words * length;
  for (let word = 0; word < words; word++) {
    let index = (word >>> 1) * across + (word & 1);
    let sum = 0;
    let weighed = 0;
    for (let i = 0; i < length; i++) {
      const value = bytes[HEADER + index];
      sum ^= value;
      weighed = TIMES_ALPHA[weighed ^ value];
      index += along;
      if (index >= size) index -= size;
    }
    const first = BY_ALPHA_PLUS_1[TIMES_ALPHA[weighed] ^ sum];
    bytes[at + word] = first;
    bytes[at + words + word] = first ^ sum;
  }
}
