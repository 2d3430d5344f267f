// The tables of PDUs: 48 bytes each, and a person can read them by the same table.

import { FINAL, HEADER_SIZE, Opcode, PDUS, ReadyToTransfer } from "@pvscsi/iscsi";
import { printRecord } from "@pvscsi/wire";
import { expect } from "chai";
import { pduOf } from "./peer.js";

describe("PDUs of iSCSI", () => {
  it("have a table each, of 48 bytes, with opcode and lengths where RFC 7143 11.2 has them", () => {
    expect(
      Object.keys(PDUS)
        .map(Number)
        .sort((a, b) => a - b),
    ).to.deep.equal(Object.values(Opcode).sort((a, b) => a - b));
    for (const { name, struct } of Object.values(PDUS)) {
      expect(struct.size, name).to.equal(HEADER_SIZE);
      const { opcode, flags, ahsLength, dataLength, itt } = struct.offsets as Record<string, number>;
      expect([opcode, flags, ahsLength, dataLength, itt], name).to.deep.equal([0, 1, 4, 5, 16]);
    }
  });

  it("are printed by their tables", () => {
    const fields = {
      opcode: Opcode.readyToTransfer,
      flags: FINAL,
      itt: 0x1234,
      ttt: 7,
      bufferOffset: 4096,
      desiredLength: 8192,
    };
    const { struct } = PDUS[Opcode.readyToTransfer];
    const lines = printRecord(struct, pduOf(ReadyToTransfer, fields)).map((line) => line.trim().replaceAll(/ +/g, " "));
    expect(lines).to.include.members([
      "0 opcode 49 (0x31)",
      "16 itt 4660 (0x1234)",
      "20 ttt 7",
      "44 desiredLength 8192 (0x2000)",
    ]);
  });
});
