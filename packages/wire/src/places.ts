// Knows where data lies: a list of pieces of pages. Bulk data travels as places, never as copies.

import { assert } from "./errors.js";

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
    assert(offset >= 0 && length >= 0 && offset + length <= page.length, `piece ${offset}+${length} of ${page.length}`);
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

  /** Makes this list the bytes [from, from + length) of `other`. */
  select(other: Places, from: number, length: number): void {
    assert(from >= 0 && length >= 0 && from + length <= other.length, `select ${from}+${length} of ${other.length}`);
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
    let done = 0;
    let skip = at;
    for (let i = 0; i < this.count && done < source.length; i++) {
      const size = this.#lengths[i];
      if (skip >= size) {
        skip -= size;
        continue;
      }
      const take = Math.min(size - skip, source.length - done);
      copyBytes(source, done, this.#pages[i], this.#offsets[i] + skip, take);
      done += take;
      skip = 0;
    }
    return done;
  }

  /** Copies from the places, from `at` on, into `target`; returns how many bytes there were. */
  read(target: Uint8Array, at = 0): number {
    let done = 0;
    let skip = at;
    for (let i = 0; i < this.count && done < target.length; i++) {
      const size = this.#lengths[i];
      if (skip >= size) {
        skip -= size;
        continue;
      }
      const take = Math.min(size - skip, target.length - done);
      copyBytes(this.#pages[i], this.#offsets[i] + skip, target, done, take);
      done += take;
      skip = 0;
    }
    return done;
  }

  /** Sets all bytes of all pieces to `value`. */
  fill(value: number): void {
    for (let i = 0; i < this.count; i++) {
      this.#pages[i].fill(value, this.#offsets[i], this.#offsets[i] + this.#lengths[i]);
    }
  }
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
