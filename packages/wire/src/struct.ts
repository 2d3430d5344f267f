// Knows how a byte struct is declared once, as a table of fields, and gives a cursor over bytes from it.
// Knows no protocol. Numbers of each width are in scalars.ts, printing such a table is in print.ts.

import { assert, fail } from "./errors.js";

/** What every field of a table says: where it lies, how many bytes it has, and how its bytes are read. */
export interface Field {
  readonly kind: string;
  readonly offset: number;
  readonly size: number;
}

/** A number: its two functions are the accessors of the property. */
export interface ScalarField extends Field {
  readonly get: (this: Cursor) => number;
  readonly set: (this: Cursor, value: number) => void;
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
  -readonly [Name in keyof Table as Table[Name] extends ScalarField | BytesField ? Name : never]: ValueOf<Table[Name]>;
} & {
  readonly [Name in keyof Table as Table[Name] extends ArrayField<Cursor> ? Name : never]: ValueOf<Table[Name]>;
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
    if (!(index >= 0 && index < this.length)) fail(`element ${index} of ${this.length}`);
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
 * Declares a struct of `size` bytes. Throws at load when two fields overlap, a byte has no name, the fields do not add
 * up to `size`, or a field is called as something the cursor itself has: every byte is named, padding by `pad`.
 */
export function struct<const Table extends FieldTable>(
  structName: string,
  size: number,
  fields: Table,
): StructClass<Cursor & PropertiesOf<Table>, Table> {
  checkLayout(structName, size, fields);
  const arrays = Object.entries(fields).filter((row): row is [string, ArrayField<Cursor>] => isArray(row[1]));
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
  for (const [name, field] of Object.entries(fields)) {
    if (isScalar(field))
      Object.defineProperty(made.prototype, name, { get: field.get, set: field.set, enumerable: true });
    else if (field.kind === "bytes") Object.defineProperty(made.prototype, name, bytesProperty(field));
  }
  return made as unknown as StructClass<Cursor & PropertiesOf<Table>, Table>;
}

/** What every cursor has already; a field of that name would hide it. */
const RESERVED = new Set(["constructor", "at", "base", "bytes", "view"]);

function checkLayout(structName: string, size: number, fields: FieldTable): void {
  let end = 0;
  for (const [name, field] of Object.entries(fields)) {
    const where = `${structName}.${name} at ${field.offset}`;
    assert(!RESERVED.has(name), `${structName}.${name} is the cursor's own name`);
    assert(field.offset >= end, `${where} overlaps the field before it, which ends at ${end}`);
    assert(field.offset === end, `${where} leaves a gap after ${end}`);
    end = field.offset + field.size;
  }
  assert(end === size, `${structName}: fields end at ${end}, not ${size}`);
}

export function isScalar(field: Field): field is ScalarField {
  return "get" in field;
}

export function isArray(field: Field): field is ArrayField<Cursor> {
  return field.kind === "array";
}

/** Reading makes a view; writing copies in and zeroes the rest. Past the end both throw a RangeError, as scalars do. */
function bytesProperty({ offset, size }: Field): PropertyDescriptor & ThisType<Cursor> {
  return {
    enumerable: true,
    get() {
      const start = fieldStart(this, offset, size);
      return this.bytes.subarray(start, start + size);
    },
    set(value: Uint8Array) {
      assert(value.length <= size, `${value.length} bytes into a field of ${size}`);
      const start = fieldStart(this, offset, size);
      this.bytes.set(value, start);
      this.bytes.fill(0, start + value.length, start + size);
    },
  };
}

function fieldStart(cursor: Cursor, offset: number, size: number): number {
  const start = cursor.base + offset;
  const { length } = cursor.bytes;
  if (start < 0 || start + size > length) throw new RangeError(`bytes ${start}+${size} of ${length}`);
  return start;
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
