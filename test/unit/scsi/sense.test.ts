import {
  additionalSenseText,
  type DecodedSense,
  decodeSense,
  describeSense,
  SENSE,
  SenseKey,
  senseKeyName,
  writeSense,
} from "@pvscsi/scsi";
import { expect } from "chai";
import fc from "fast-check";
import { hex, toHex } from "./initiator.js";

function built(...[sense, details]: [Parameters<typeof writeSense>[1], Parameters<typeof writeSense>[2]?]): string {
  const bytes = new Uint8Array(252).fill(0xee);
  return toHex(bytes.subarray(0, writeSense(bytes, sense, details)));
}

describe("sense data", () => {
  it("of fixed format", () => {
    expect(built(SENSE.lbaOutOfRange)).to.equal("70 00 05 00 00 00 00 0a 00 00 00 00 21 00 00 00 00 00");
    expect(built(SENSE.unrecoveredReadError, { information: 0x12345678 })).to.equal(
      "f0 00 03 12 34 56 78 0a 00 00 00 00 11 00 00 00 00 00",
    );
    expect(built(SENSE.invalidFieldInCdb, { field: { in: "cdb", byte: 0x102, bit: 5 } })).to.equal(
      "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 cd 01 02",
    );
    expect(built(SENSE.invalidFieldInParameterList, { field: { in: "parameter-list", byte: 8, bit: null } })).to.equal(
      "70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 80 00 08",
    );
  });

  it("of fixed format has no room for more than 32 bits of information", () => {
    expect(built(SENSE.writeError, { information: 2 ** 32 })).to.equal(
      "70 00 03 00 00 00 00 0a 00 00 00 00 0c 00 00 00 00 00",
    );
  });

  it("of descriptor format", () => {
    const descriptor = true;
    expect(built(SENSE.powerOn, { descriptor })).to.equal("72 06 29 00 00 00 00 00");
    expect(built(SENSE.writeError, { descriptor, information: 2 ** 32 + 1 })).to.equal(
      "72 03 0c 00 00 00 00 0c 00 0a 80 00 00 00 00 01 00 00 00 01",
    );
    expect(built(SENSE.invalidFieldInCdb, { descriptor, field: { in: "cdb", byte: 2, bit: 7 } })).to.equal(
      "72 05 24 00 00 00 00 08 02 06 00 00 cf 00 02 00",
    );
  });

  it("reads back as it was built", () => {
    const field = fc.record({
      in: fc.constantFrom("cdb" as const, "parameter-list" as const),
      byte: fc.nat(0xffff),
      bit: fc.option(fc.nat(7)),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(SENSE)),
        fc.boolean(),
        fc.option(fc.nat(0xffff_ffff), { nil: undefined }),
        fc.option(field, { nil: undefined }),
        fc.nat(0xffff),
        (sense, descriptor, information, pointer, far) => {
          const bytes = new Uint8Array(252);
          // The same bytes are one thing or the other, by the key.
          const goesOn = sense.key === SenseKey.notReady || sense.key === SenseKey.noSense;
          const specific = goesOn ? { progress: pointer && far } : { field: pointer };
          const length = writeSense(bytes, sense, { descriptor, information, ...specific });
          const decoded = decodeSense(bytes.subarray(0, length)) as DecodedSense;
          expect(decoded).to.deep.include(sense);
          expect(decoded.format).to.equal(descriptor ? "descriptor" : "fixed");
          expect(decoded.information ?? undefined).to.equal(information);
          expect(decoded.field ?? undefined).to.deep.equal(specific.field);
          expect(decoded.progress ?? undefined).to.equal(specific.progress);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("of any bytes at all is read without a throw", () => {
    fc.assert(
      fc.property(fc.constantFrom(0x70, 0x71, 0x72, 0x73, 0xf0, 0), fc.uint8Array({ maxLength: 64 }), (first, rest) => {
        decodeSense(Uint8Array.of(first, ...rest));
      }),
    );
    expect(decodeSense(new Uint8Array(0))).to.equal(null);
    expect(decodeSense(hex("00 00 00"))).to.equal(null);
    expect(decodeSense(hex("72 05 21"))).to.equal(null);
  });

  it("tells deferred errors and the bits of a tape", () => {
    expect(decodeSense(hex("71 00 e3"))).to.include({
      deferred: true,
      key: 3,
      filemark: true,
      endOfMedium: true,
      incorrectLength: true,
      asc: 0,
    });
    expect(decodeSense(hex("73 03 00 00 00 00 00 04 04 02 00 80"))).to.include({ deferred: true, filemark: true });
  });

  it("is called what Linux calls it", () => {
    expect(senseKeyName(SenseKey.mediumError)).to.equal("Medium Error");
    expect(additionalSenseText(0x11, 0)).to.equal("Unrecovered read error");
    expect(additionalSenseText(0x29, 0)).to.equal("Power on, reset, or bus device reset occurred");
    expect(additionalSenseText(0xff, 0xff)).to.equal(null);
    for (const { asc, ascq } of Object.values(SENSE)) expect(additionalSenseText(asc, ascq)).to.be.a("string");
  });

  it("in words", () => {
    const words = (sense: string): string => describeSense(decodeSense(hex(sense)) as DecodedSense);
    expect(words("f0 00 03 00 00 03 e8 0a 00 00 00 00 11 00 00 00 00 00")).to.equal(
      "Medium Error: Unrecovered read error, information 1000",
    );
    expect(words("70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 cd 00 01")).to.equal(
      "Illegal Request: Invalid field in cdb, CDB byte 1 bit 5",
    );
    expect(words("72 09 81 02 00 00 00 00")).to.equal("Vendor Specific(9): ASC=0x81 ASCQ=0x2");
  });
});
