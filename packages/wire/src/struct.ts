// Knows how a byte struct is declared once, as a table of fields, and gives a cursor over bytes from it.
// Knows no protocol; printing such a table is in print.ts.

import { assert } from "./errors.js";

/** What every field of a table says: where it lies, how many bytes it has, and how its bytes are read. */
export interface Field {
  readonly kind: string;
  readonly offset: number;
  readonly size: number;
}

export interface ScalarField extends Field {
  readonly read: (view: DataView, at: number) => number;
  readonly write: (view: DataView, at: number, value: number) => void;
}

export interface BytesField extends Field {
  readonly kind: "bytes";
}

export interface PaddingField extends Field {
  readonly kind: "pad";
}

export interface ArrayField<Element extends Cursor> extends Field {
  readonly kind: "array";
  readonly count: number;
  readonly element: StructClass<Element>;
}

type AnyField = ScalarField | BytesField | PaddingField | ArrayField<Cursor>;
export type FieldTable = { readonly [name: string]: AnyField };

type ValueOf<F> = F extends ScalarField
  ? number
  : F extends BytesField
    ? Uint8Array
    : F extends ArrayField<infer Element>
      ? Elements<Element>
      : never;

type PropertiesOf<Table extends FieldTable> = {
  -readonly [Name in keyof Table as Table[Name] extends PaddingField ? never : Name]: ValueOf<Table[Name]>;
};

/** A movable view of one record in bytes; its fields are properties that read and write those bytes. */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  base: number;

  constructor(bytes: Uint8Array, base = 0) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.base = base;
  }

  /** Moves to the record that begins at byte `base`; returns itself. */
  at(base: number): this {
    this.base = base;
    return this;
  }
}

/** The records of an array field: one cursor that moves, so reading element after element allocates nothing. */
export class Elements<Element extends Cursor> {
  readonly length: number;
  readonly #owner: Cursor;
  readonly #offset: number;
  readonly #stride: number;
  readonly #element: Element;

  constructor(owner: Cursor, field: ArrayField<Element>) {
    this.length = field.count;
    this.#owner = owner;
    this.#offset = field.offset;
    this.#stride = field.element.size;
    this.#element = new field.element(owner.bytes);
  }

  /** The cursor, moved to element `index`; the next call moves it again. */
  at(index: number): Element {
    return this.#element.at(this.#owner.base + this.#offset + index * this.#stride);
  }
}

/** What `struct` makes: a cursor class that also carries its table. */
export interface StructClass<Record extends Cursor, Table extends FieldTable = FieldTable> {
  new (bytes: Uint8Array, base?: number): Record;
  /** The name the ABI gives the struct. */
  readonly structName: string;
  /** Bytes of one record. */
  readonly size: number;
  readonly fields: Table;
  /** The byte offset of each field. */
  readonly offsets: { readonly [Name in keyof Table]: number };
}

export type RecordOf<Struct> = Struct extends StructClass<infer Record> ? Record : never;

/**
 * Declares a struct of `size` bytes. Throws at load when two fields overlap, a byte has no name or the fields do not
 * add up to `size`: every byte is named, padding by `pad`.
 */
export function struct<const Table extends FieldTable>(
  structName: string,
  size: number,
  fields: Table,
): StructClass<Cursor & PropertiesOf<Table>, Table> {
  checkLayout(structName, size, fields);
  const made = class extends Cursor {
    static readonly structName = structName;
    static readonly size = size;
    static readonly fields = fields;
    static readonly offsets = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.offset]));

    constructor(bytes: Uint8Array, base?: number) {
      super(bytes, base);
      for (const [name, field] of arrays) Object.defineProperty(this, name, { value: new Elements(this, field) });
    }
  };
  const arrays: [string, ArrayField<Cursor>][] = [];
  for (const [name, field] of Object.entries(fields)) {
    if (isArray(field)) arrays.push([name, field]);
    else if (isScalar(field)) Object.defineProperty(made.prototype, name, scalarProperty(field));
    else if (field.kind === "bytes") Object.defineProperty(made.prototype, name, bytesProperty(field));
  }
  return made as unknown as StructClass<Cursor & PropertiesOf<Table>, Table>;
}

function checkLayout(structName: string, size: number, fields: FieldTable): void {
  let end = 0;
  for (const [name, field] of Object.entries(fields)) {
    const where = `${structName}.${name} at ${field.offset}`;
    assert(field.offset >= end, `${where} overlaps the field before it, which ends at ${end}`);
    assert(field.offset === end, `${where} leaves a gap after ${end}`);
    end = field.offset + field.size;
  }
  assert(end === size, `${structName}: fields end at ${end}, not ${size}`);
}

export function isScalar(field: Field): field is ScalarField {
  return "read" in field;
}

export function isArray(field: Field): field is ArrayField<Cursor> {
  return field.kind === "array";
}

function scalarProperty({ offset, read, write }: ScalarField): PropertyDescriptor & ThisType<Cursor> {
  return {
    enumerable: true,
    get() {
      return read(this.view, this.base + offset);
    },
    set(value: number) {
      write(this.view, this.base + offset, value);
    },
  };
}

/** Reading makes a view; writing copies in and zeroes the rest. */
function bytesProperty({ offset, size }: Field): PropertyDescriptor & ThisType<Cursor> {
  return {
    enumerable: true,
    get() {
      return this.bytes.subarray(this.base + offset, this.base + offset + size);
    },
    set(value: Uint8Array) {
      assert(value.length <= size, `${value.length} bytes into a field of ${size}`);
      const start = this.base + offset;
      this.bytes.set(value, start);
      this.bytes.fill(0, start + value.length, start + size);
    },
  };
}

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
    v.setUint32(a, x >>> 0, true);
    v.setUint32(a + 4, high(x), true);
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

/** Opaque bytes. */
export function bytes(offset: number, size: number): BytesField {
  return { kind: "bytes", offset, size };
}

/** Bytes that mean nothing; named, so that no byte of a struct is left out. */
export function pad(offset: number, size: number): PaddingField {
  return { kind: "pad", offset, size };
}

/** `count` records of another struct, one after the other. */
export function array<Element extends Cursor>(
  offset: number,
  count: number,
  element: StructClass<Element>,
): ArrayField<Element> {
  return { kind: "array", offset, size: count * element.size, count, element };
}
