// Knows the CDBs that tests read and write blocks by.

/** READ(10) or WRITE(10). */
export function blocksCdb(opcode: 0x28 | 0x2a, lba: number, blocks: number): number[] {
  return [
    opcode,
    0,
    lba >>> 24,
    (lba >>> 16) & 0xff,
    (lba >>> 8) & 0xff,
    lba & 0xff,
    0,
    blocks >>> 8,
    blocks & 0xff,
    0,
  ];
}
