// Tables of fields: what is refused at load, and what the cursor made from a table reads and writes.

import { array, struct, u8, u16, u32 } from "@pvscsi/wire";
import { expect } from "chai";
import fc from "fast-check";
import { Request, Segment } from "./records.js";

describe("struct", () => {
  describe("at load", () => {
    const refused: [string, () => unknown, string][] = [
      [
        "an overlap",
        () => struct("s", 4, { a: u32(0), b: u16(2) }),
        "s.b at 2 overlaps the field before it, which ends at 4",
      ],
      ["a gap", () => struct("s", 4, { a: u8(0), b: u16(2) }), "s.b at 2 leaves a gap after 1"],
      ["a gap at the start", () => struct("s", 4, { a: u16(2) }), "s.a at 2 leaves a gap after 0"],
      ["fields that end early", () => struct("s", 4, { a: u16(0) }), "s: fields end at 2, not 4"],
      ["fields that end late", () => struct("s", 4, { a: u32(0), b: u8(4) }), "s: fields end at 5, not 4"],
      ["an array that is too long", () => struct("s", 12, { a: array(0, 2, Segment) }), "s: fields end at 16, not 12"],
      ["a field named as the cursor's own", () => struct("s", 4, { base: u32(0) }), "s.base is the cursor's own name"],
    ];
    for (const [what, declare, message] of refused) {
      it(`refuses ${what}`, () => {
        expect(declare).to.throw(message);
      });
    }
  });

  it("tells its name, size, fields and offsets", () => {
    expect(Request.structName).to.equal("request");
    expect(Request.size).to.equal(64);
    expect(Request.offsets.block).to.equal(16);
    expect(Object.keys(Request.fields)).to.have.length(11);
    expect(Request.fields.segments).to.include({ kind: "array", count: 4, size: 32 });
  });

  it("reads each field where the table says, after every move", () => {
    const memory = Uint8Array.from({ length: 256 }, (_, i) => (i % 64 === 15 ? 0 : i & 0xff));
    for (const at of [14, 78]) memory[at] = 0;
    const view = new DataView(memory.buffer);
    const request = new Request(memory);
    for (const base of [64, 0, 64]) {
      expect(request.at(base)).to.equal(request);
      expect(request.id).to.equal(view.getUint16(base, true));
      expect(request.kind).to.equal(view.getUint8(base + 2));
      expect(request.status).to.equal(view.getInt32(base + 4, true));
      expect(BigInt(request.address)).to.equal(view.getBigUint64(base + 8, true));
      expect(request.block).to.equal(view.getUint32(base + 16));
      expect([...request.tag]).to.deep.equal([...memory.subarray(base + 20, base + 25)]);
      expect(request.segments.at(2).gref).to.equal(view.getUint32(base + 48, true));
    }
  });

  it("keeps every record apart from its neighbours", () => {
    const value = fc.record({
      id: fc.nat(0xffff),
      status: fc.integer(),
      address: fc.maxSafeNat(),
      block: fc.nat(),
      grefs: fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat()),
    });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), (values) => {
        const request = new Request(new Uint8Array(values.length * Request.size));
        values.forEach(({ grefs, ...scalars }, i) => {
          Object.assign(request.at(i * Request.size), scalars);
          grefs.forEach((gref, k) => {
            request.segments.at(k).gref = gref;
          });
        });
        values.forEach((expected, i) => {
          const { id, status, address, block, segments } = request.at(i * Request.size);
          const grefs = [0, 1, 2, 3].map((k) => segments.at(k).gref);
          expect({ id, status, address, block, grefs }).to.deep.equal(expected);
        });
      }),
    );
  });

  it("has no property for padding and cannot be given another array", () => {
    const request = new Request(new Uint8Array(64));
    expect(request).to.not.have.property("spare");
    expect(() => Object.assign(request, { segments: [] })).to.throw(TypeError);
  });
});

describe("a bytes field", () => {
  const memory = new Uint8Array(128).fill(0xee);
  const request = new Request(memory, 64);

  it("reads as a view of the record's own bytes", () => {
    request.tag[4] = 7;
    expect(memory[64 + 24]).to.equal(7);
    expect(request.tag).to.have.length(5);
  });

  it("takes fewer bytes and zeroes the rest, and nothing beside it", () => {
    request.tag = Uint8Array.of(1, 2);
    expect([...memory.subarray(64 + 19, 64 + 26)]).to.deep.equal([0xee, 1, 2, 0, 0, 0, 0xee]);
  });

  it("refuses more bytes than it has", () => {
    expect(() => {
      request.tag = new Uint8Array(6);
    }).to.throw("6 bytes into a field of 5");
  });

  it("throws past the end, rather than giving a shorter view", () => {
    const cut = new Request(new Uint8Array(24));
    expect(() => cut.tag).to.throw(RangeError);
    expect(() => {
      cut.tag = Uint8Array.of(1);
    }).to.throw(RangeError);
    expect(() => cut.at(-21).tag).to.throw(RangeError);
  });
});

describe("an array field", () => {
  const request = new Request(new Uint8Array(128));

  it("is one cursor that moves with its record", () => {
    request.at(64).segments.at(3).length = 0x1234;
    expect(request.view.getUint16(64 + 32 + 3 * 8 + 6, true)).to.equal(0x1234);
    expect(request.segments).to.have.length(4);
    expect(request.segments.at(0)).to.equal(request.segments.at(1));
  });

  for (const index of [-1, 4, Number.NaN]) {
    it(`refuses element ${index}`, () => {
      expect(() => request.segments.at(index)).to.throw(`element ${index} of 4`);
    });
  }
});
