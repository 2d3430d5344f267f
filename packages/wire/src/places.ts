// Knows where data lies: a list of pieces of pages. Bulk data travels as places, never as copies.

import { fail } from "./errors.js";

/**
 * An ordered list of pieces of memory, each a page's bytes with an offset and a length. The list is a pooled
 * record: clear and fill it again; in steady state it allocates nothing. The pages belong to whoever lent them.
 */
export class Places {
  /** Pieces in the list. */
  count = 0;
  /** Bytes in all pieces together. */
  length = 0;
  readonly #pages: Uint8Array[] = [];
  readonly #offsets: number[] = [];
  readonly #lengths: number[] = [];

  /** Appends `length` bytes at `offset` of `page`. */
  add(page: Uint8Array, offset: number, length: number): void {
    if (!within(offset, length, page.length)) fail(`a piece ${offset}+${length} of a page of ${page.length}`);
    this.#pages[this.count] = page;
    this.#offsets[this.count] = offset;
    this.#lengths[this.count] = length;
    this.count += 1;
    this.length += length;
  }

  clear(): void {
    this.count = 0;
    this.length = 0;
  }

  /** The bytes of the page that piece `index` lies in: all of the page, not only the piece. */
  page(index: number): Uint8Array {
    return this.#pages[index];
  }

  /** Where piece `index` begins in its page. */
  offset(index: number): number {
    return this.#offsets[index];
  }

  /** Bytes of piece `index`. */
  size(index: number): number {
    return this.#lengths[index];
  }

  /** Piece `index` as a view: the page itself where the piece is all of it, else a new small object. */
  view(index: number): Uint8Array {
    const page = this.#pages[index];
    const offset = this.#offsets[index];
    const size = this.#lengths[index];
    return size === page.length ? page : page.subarray(offset, offset + size);
  }

  /** Makes this list the bytes [from, from + length) of `other`, which may be this list itself. */
  select(other: Places, from: number, length: number): void {
    if (!within(from, length, other.length)) fail(`a choice of ${from}+${length} of ${other.length} bytes`);
    this.clear();
    let skip = from;
    let left = length;
    for (let i = 0; left > 0; i++) {
      const size = other.size(i);
      if (skip >= size) {
        skip -= size;
        continue;
      }
      const take = Math.min(size - skip, left);
      this.add(other.page(i), other.offset(i) + skip, take);
      left -= take;
      skip = 0;
    }
  }

  /** Copies `source` into the places from `at` on; returns how many bytes fitted. */
  write(source: Uint8Array, at = 0): number {
    return this.#walk(source, at, copyIn);
  }

  /** Copies from the places, from `at` on, into `target`; returns how many bytes there were. */
  read(target: Uint8Array, at = 0): number {
    return this.#walk(target, at, copyOut);
  }

  /** Sets all bytes of all pieces to `value`. */
  fill(value: number): void {
    for (let i = 0; i < this.count; i++) {
      this.#pages[i].fill(value, this.#offsets[i], this.#offsets[i] + this.#lengths[i]);
    }
  }

  /** Meets the pieces from byte `at` on with `bytes`, until either ends; returns how many bytes that were. */
  #walk(bytes: Uint8Array, at: number, copy: CopyPiece): number {
    let done = 0;
    let skip = at;
    for (let i = 0; i < this.count && done < bytes.length; i++) {
      const size = this.#lengths[i];
      if (skip >= size) {
        skip -= size;
        continue;
      }
      const take = Math.min(size - skip, bytes.length - done);
      copy(this.#pages[i], this.#offsets[i] + skip, bytes, done, take);
      done += take;
      skip = 0;
    }
    return done;
  }
}

/** Copies `length` bytes between a piece of a page and the bytes that are read or written, one way or the other. */
type CopyPiece = (page: Uint8Array, offset: number, bytes: Uint8Array, done: number, length: number) => void;

const copyIn: CopyPiece = (page, offset, bytes, done, length) => copyBytes(bytes, done, page, offset, length);
const copyOut: CopyPiece = (page, offset, bytes, done, length) => copyBytes(page, offset, bytes, done, length);

/** Whether [from, from + length) lies in [0, end). */
function within(from: number, length: number, end: number): boolean {
  return from >= 0 && length >= 0 && from + length <= end;
}

/** Bytes up to which a loop is cheaper than making a view to copy from. */
const LOOP = 64;

/** Copies `length` bytes; makes no object when the source is taken whole or the piece is short. */
export function copyBytes(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (from === 0 && length === source.length) {
    target.set(source, to);
  } else if (length <= LOOP) {
    for (let i = 0; i < length; i++) target[to + i] = source[from + i];
  } else {
    target.set(source.subarray(from, from + length), to);
  }
}
