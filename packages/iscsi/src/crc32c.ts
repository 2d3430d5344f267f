// Knows the CRC of iSCSI's digests (RFC 7143 13.1): CRC32C, eight bytes at a time over eight tables.

/** The generator polynomial 11EDC6F41h, bits reversed. */
const POLYNOMIAL = 0x82f63b78;
const SLICES = 8;

const tables = makeTables();

/** Table k gives what a byte does to the remainder when k more bytes follow. */
function makeTables(): readonly Int32Array[] {
  const made = Array.from({ length: SLICES }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    made[0][byte] = value;
  }
  for (let slice = 1; slice < SLICES; slice++) {
    for (let byte = 0; byte < 256; byte++) {
      const before = made[slice - 1][byte];
      made[slice][byte] = (before >>> 8) ^ made[0][before & 0xff];
    }
  }
  return made;
}

const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;

/** What a sum begins with. */
export const CRC_START = -1;

/** Goes on with a sum over `length` bytes at `from`. */
export function crcOver(crc: number, bytes: Uint8Array, from: number, length: number): number {
  let at = from;
  const end = from + length;
  for (; end - at >= SLICES; at += SLICES) {
    const low = crc ^ (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
    crc =
      t7[low & 0xff] ^
      t6[(low >>> 8) & 0xff] ^
      t5[(low >>> 16) & 0xff] ^
      t4[low >>> 24] ^
      t3[bytes[at + 4]] ^
      t2[bytes[at + 5]] ^
      t1[bytes[at + 6]] ^
      t0[bytes[at + 7]];
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]) & 0xff];
  return crc;
}

/** Ends a sum: the digest as an unsigned number, whose bytes travel least significant first. */
export function crcEnd(crc: number): number {
  return ~crc >>> 0;
}

/** The digest of the first `length` bytes. */
export function crc32c(bytes: Uint8Array, length = bytes.length): number {
  return crcEnd(crcOver(CRC_START, bytes, 0, length));
}

/** Writes a digest at `at`. */
export function putDigest(bytes: Uint8Array, at: number, digest: number): void {
  for (let i = 0; i < DIGEST_SIZE; i++) bytes[at + i] = digest >>> (8 * i);
}

/** Reads one. */
export function getDigest(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

/** Bytes of a digest. */
export const DIGEST_SIZE = 4;
