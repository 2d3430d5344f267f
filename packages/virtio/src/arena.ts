// Knows a driver's memory: one range of bytes, perhaps shared between threads, whose addresses begin where it is told.
// Both ends use it: the driver to allocate and to tell addresses, its device to find the bytes.

import { fail, type Places } from "@pvscsi/wire";
import type { GuestMemory } from "./memory.js";

/** Bytes that `allocate` hands out together; every page begins on a multiple of it. */
export const PAGE_SIZE = 4096;
/** Where the memory of a driver begins unless told: an address of 0 is found out as one. */
const BASE = 0x10_0000;

export class Arena implements GuestMemory {
  readonly base: number;
  readonly buffer: ArrayBufferLike;
  readonly #bytes: Uint8Array;
  /** Pages that were asked for, by number: to copy one as a whole makes no object. */
  readonly #pages: (Uint8Array | undefined)[];
  readonly #free: Uint8Array[] = [];
  #next = 0;

  /** Over `buffer`, which begins at address `base`, a multiple of the page size. */
  constructor(buffer: ArrayBufferLike, base = BASE) {
    this.buffer = buffer;
    this.#bytes = new Uint8Array(buffer);
    this.#pages = new Array(Math.floor(buffer.byteLength / PAGE_SIZE)).fill(undefined);
    this.base = base;
  }

  places(address: number, length: number, places: Places): boolean {
    const offset = address - this.base;
    if (!(offset >= 0 && length >= 0 && offset + length <= this.#bytes.length)) return false;
    const page = offset / PAGE_SIZE;
    if (length === PAGE_SIZE && page === Math.floor(page)) places.add(this.#page(page), 0, length);
    else places.add(this.#bytes, offset, length);
    return true;
  }

  /** The address of byte `offset` of bytes that lie in this memory. */
  addressOf(bytes: Uint8Array, offset = 0): number {
    if (bytes.buffer !== this.buffer) fail("bytes of another memory than the driver's");
    return this.base + bytes.byteOffset + offset;
  }

  /** Pages, one by one, which lie anywhere; throws a RangeError when the memory is used up. */
  pages(count: number): Uint8Array[] {
    if (count > this.#left) throw new RangeError(`${count} pages of a memory with ${this.#left} left`);
    return Array.from({ length: count }, () => this.#free.pop() ?? this.range(PAGE_SIZE));
  }

  free(pages: readonly Uint8Array[]): void {
    this.#free.push(...pages);
  }

  /** Zeroed bytes in one piece that are never given back, for rings; throws a RangeError when there is no room. */
  range(length: number): Uint8Array {
    const end = this.#next + Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
    if (end > this.#bytes.length) throw new RangeError(`${length} bytes of a memory with ${this.#left} pages left`);
    const range = this.#bytes.subarray(this.#next, this.#next + length);
    this.#next = end;
    return range;
  }

  #page(index: number): Uint8Array {
    const known = this.#pages[index];
    if (known !== undefined) return known;
    const page = this.#bytes.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE);
    this.#pages[index] = page;
    return page;
  }

  get #left(): number {
    return this.#free.length + (this.#bytes.length - this.#next) / PAGE_SIZE;
  }
}
