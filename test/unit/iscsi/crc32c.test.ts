// CRC32C against RFC 7143's own examples (A.4), bit by bit, and at every length and offset.

import { crc32c } from "@pvscsi/iscsi";
import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";

/** As the bytes travel. */
const EXAMPLES: readonly (readonly [string, Uint8Array, number])[] = [
  ["32 bytes of zeros", new Uint8Array(32), 0xaa36918a],
  ["32 bytes of ones", new Uint8Array(32).fill(0xff), 0x43aba862],
  ["32 bytes counting up", Uint8Array.from({ length: 32 }, (_, i) => i), 0x4e79dd46],
  ["32 bytes counting down", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x5cdb3f11],
];

function slowly(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe("CRC32C", () => {
  for (const [name, bytes, sent] of EXAMPLES) {
    it(`is RFC 7143's for ${name}`, () => {
      const swapped = Buffer.alloc(4);
      swapped.writeUInt32LE(crc32c(bytes));
      expect(swapped.readUInt32BE()).to.equal(sent);
    });
  }

  it("is the same eight bytes at a time as bit by bit", () => {
    const random = seededRandom(1);
    const bytes = Uint8Array.from({ length: 64 }, () => random.below(256));
    for (let from = 0; from < 9; from++) {
      for (let to = from; to <= 64; to++) {
        expect(crc32c(bytes.subarray(from, to)), `${from} to ${to}`).to.equal(slowly(bytes.subarray(from, to)));
      }
    }
  });
});
