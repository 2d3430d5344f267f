// Eight bytes of a LUN: which number they name, and which name nothing (SAM-5 4.7).

import { lunOfLevel, REPORT_LUNS_UNIT, readLun, writeLun } from "@pvscsi/scsi";
import { expect } from "chai";

const NAMES: readonly (readonly [string, readonly number[], number])[] = [
  ["peripheral device addressing on bus 0", [0x00, 0x05], 5],
  ["peripheral device addressing on another bus", [0x01, 0x05], -1],
  ["flat space addressing below 256", [0x40, 0x05], 5],
  ["flat space addressing at its end", [0x7f, 0xff], 16383],
  ["logical unit addressing", [0x80, 0x05], -1],
  ["the REPORT LUNS well-known logical unit", [0xc1, 0x01], REPORT_LUNS_UNIT],
  ["another well-known logical unit", [0xc1, 0x02], -1],
  ["a second level", [0x00, 0x05, 0x00, 0x01], -1],
  ["something in the last byte", [0x00, 0x05, 0, 0, 0, 0, 0, 1], -1],
];

describe("a LUN of eight bytes", () => {
  for (const [name, bytes, lun] of NAMES) {
    it(`is ${lun} for ${name}`, () => {
      const whole = new Uint8Array(12).fill(0xff);
      whole.set(new Uint8Array(8), 2);
      whole.set(bytes, 2);
      expect(readLun(whole, 2)).to.equal(lun);
    });
  }

  it("is read as it was written", () => {
    const bytes = new Uint8Array(8).fill(0xff);
    for (const lun of [0, 1, 255, 256, 16383, REPORT_LUNS_UNIT]) {
      writeLun(bytes, 0, lun);
      expect(readLun(bytes, 0), `LUN ${lun}`).to.equal(lun);
    }
  });

  it("has no well-known unit in a level of its own", () => {
    expect(lunOfLevel(Uint8Array.of(0xc1, 0x01), 0)).to.equal(-1);
  });
});
