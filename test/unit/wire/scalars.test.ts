// Scalars of every width and byte order against DataView, over any value and any position.

import { i16, i32, pad, type ScalarField, struct, u8, u16, u16be, u24be, u32, u32be, u64, u64be } from "@pvscsi/wire";
import { expect } from "chai";
import fc from "fast-check";

interface Kind {
  readonly make: (offset: number) => ScalarField;
  readonly values: fc.Arbitrary<number>;
  /** What DataView makes of the same bytes. */
  readonly expected: (view: DataView, at: number) => number | bigint;
}

const unsigned = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
const signed = (bits: number) => fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });

const KINDS: readonly Kind[] = [
  { make: u8, values: unsigned(8), expected: (view, at) => view.getUint8(at) },
  { make: u16, values: unsigned(16), expected: (view, at) => view.getUint16(at, true) },
  { make: u32, values: unsigned(32), expected: (view, at) => view.getUint32(at, true) },
  { make: i16, values: signed(16), expected: (view, at) => view.getInt16(at, true) },
  { make: i32, values: signed(32), expected: (view, at) => view.getInt32(at, true) },
  { make: u64, values: fc.maxSafeNat(), expected: (view, at) => view.getBigUint64(at, true) },
  { make: u16be, values: unsigned(16), expected: (view, at) => view.getUint16(at) },
  { make: u24be, values: unsigned(24), expected: (view, at) => view.getUint32(at - 1) & 0xff_ffff },
  { make: u32be, values: unsigned(32), expected: (view, at) => view.getUint32(at) },
  { make: u64be, values: fc.maxSafeNat(), expected: (view, at) => view.getBigUint64(at) },
];

/** Bytes of the window that one record lies in; the bytes around it must stay as they are. */
const WINDOW = 24;

describe("scalars", () => {
  for (const { make, values, expected } of KINDS) {
    const { kind: name, size } = make(0);
    const One = struct("one", 1 + size + 1, {
      before: pad(0, 1),
      value: make(1),
      after: pad(1 + size, 1),
    });

    it(`${name} reads and writes what DataView does, and nothing beside it`, () => {
      fc.assert(
        fc.property(
          values,
          fc.integer({ min: 0, max: WINDOW - One.size }),
          fc.integer({ min: 0, max: 255 }),
          (value, base, rest) => {
            const memory = new Uint8Array(WINDOW + 8).fill(rest);
            // A window that begins at an odd place of its buffer: offsets count from the window.
            const record = new One(memory.subarray(5, 5 + WINDOW), base);
            record.value = value;
            expect(record.value).to.equal(value);
            expect(BigInt(expected(new DataView(memory.buffer), 5 + base + 1))).to.equal(BigInt(value));
            memory.fill(rest, 5 + base + 1, 5 + base + 1 + size);
            expect(memory.every((byte) => byte === rest)).to.equal(true);
          },
        ),
      );
    });

    it(`${name} throws a RangeError past the end of the bytes`, () => {
      const record = new One(new Uint8Array(1 + size - 1));
      expect(() => record.value).to.throw(RangeError);
      expect(() => {
        record.value = 0;
      }).to.throw(RangeError);
    });
  }

  for (const make of [u64, u64be]) {
    const Wide = struct("wide", 8, { value: make(0) });
    const name = Wide.fields.value.kind;

    it(`${name} refuses to read what a number cannot hold`, () => {
      const record = new Wide(new Uint8Array(8).fill(0xff));
      expect(() => record.value).to.throw(RangeError, "above 2^53 - 1");
      const view = record.view;
      view.setBigUint64(0, 2n ** 53n, name === "u64");
      expect(() => record.value).to.throw(RangeError);
      view.setBigUint64(0, 2n ** 53n - 1n, name === "u64");
      expect(record.value).to.equal(Number.MAX_SAFE_INTEGER);
    });

    it(`${name} refuses to write what it cannot hold, and leaves the bytes alone`, () => {
      const record = new Wide(new Uint8Array(8).fill(0x5a));
      for (const value of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => {
          record.value = value;
        }).to.throw(RangeError);
      }
      expect([...record.bytes]).to.deep.equal(new Array(8).fill(0x5a));
    });
  }
});
