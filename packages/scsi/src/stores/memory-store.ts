// Knows how to keep bytes in memory, sparsely: pages of 4096 bytes, and nothing where nothing was written.

import { assert, copyBytes, type Places } from "@pvscsi/wire";
import type { Extent, GrowableStore, StoreFeatures, StoreRequest } from "../store.js";
import { StoreError } from "../store.js";

const PAGE = 4096;
/** Pages a chunk of the table has. */
const CHUNK = 1024;
/** Extents of one answer: who wants more asks again, and a store in many pieces makes no long list. */
const MAX_EXTENTS = 256;

export interface MemoryStoreOptions {
  /** Default: write-through, so that a completed write is durable as far as memory is. */
  readonly writeBack?: boolean;
}

/** Bytes of the longest write that is called atomic: all are, as none is under way when another begins, and power takes everything. */
const ATOMIC_WRITE = 1 << 20;

/** A store in memory, of `size` bytes. Every request completes before `submit` returns. */
export class MemoryStore implements GrowableStore {
  readonly features: StoreFeatures;
  resized: (() => void) | null = null;
  #size: number;
  /** A count beyond 2^31 in a field of the object is a new number on the heap each time. */
  readonly #copied = new Float64Array(1);
  /** A page is an object of its own, so that copying one as a whole makes none. */
  readonly #chunks: ((Uint8Array | undefined)[] | undefined)[] = [];

  constructor(size: number, { writeBack = false }: MemoryStoreOptions = {}) {
    assert(Number.isSafeInteger(size) && size >= 0, `a store of ${size} bytes`);
    this.#size = size;
    this.features = { readOnly: false, writeBack, discard: true, optimalIo: PAGE, atomicWrite: ATOMIC_WRITE };
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes that were read and written. */
  get copiedBytes(): number {
    return this.#copied[0];
  }

  /** Makes it longer, with zeros, or shorter. */
  resize(size: number): void {
    if (size < this.#size) this.#clear(size, this.#size - size);
    this.#size = size;
    this.resized?.();
  }

  async grow(size: number): Promise<void> {
    assert(size >= this.#size, `a store of ${this.#size} bytes grows to ${size}`);
    this.resize(size);
  }

  submit(request: StoreRequest): void {
    const { operation, offset, length } = request;
    if (operation !== "flush" && (offset < 0 || offset + length > this.#size)) {
      return request.end(new StoreError("out-of-range", `${operation} of ${offset}+${length} in ${this.#size} bytes`));
    }
    switch (operation) {
      case "read":
        this.#copied[0] += length;
        this.#read(offset, request.places);
        break;
      case "write":
        this.#copied[0] += length;
        this.#write(offset, request.places);
        break;
      case "discard":
      case "write-zeroes":
        this.#clear(offset, length);
        break;
      case "extents":
        request.extents = this.#extents(offset, length);
        break;
      case "flush":
        break;
    }
    request.end(null);
  }

  /** Nothing is ever under way. */
  cancel(): void {}

  async close(): Promise<void> {
    this.#chunks.length = 0;
  }

  #page(index: number): Uint8Array | undefined {
    return this.#chunks[Math.floor(index / CHUNK)]?.[index % CHUNK];
  }

  #makePage(index: number): Uint8Array {
    const chunk = Math.floor(index / CHUNK);
    this.#chunks[chunk] ??= new Array(CHUNK).fill(undefined);
    const page = new Uint8Array(PAGE);
    this.#chunks[chunk][index % CHUNK] = page;
    return page;
  }

  #read(offset: number, places: Places): void {
    for (let i = 0; i < places.count; i++) {
      const end = places.offset(i) + places.size(i);
      for (let at = places.offset(i); at < end; ) {
        const inPage = offset % PAGE;
        const take = Math.min(PAGE - inPage, end - at);
        const page = this.#page((offset - inPage) / PAGE);
        if (page === undefined) places.page(i).fill(0, at, at + take);
        else copyBytes(page, inPage, places.page(i), at, take);
        offset += take;
        at += take;
      }
    }
  }

  #write(offset: number, places: Places): void {
    for (let i = 0; i < places.count; i++) {
      const end = places.offset(i) + places.size(i);
      for (let at = places.offset(i); at < end; ) {
        const inPage = offset % PAGE;
        const take = Math.min(PAGE - inPage, end - at);
        const index = (offset - inPage) / PAGE;
        copyBytes(places.page(i), at, this.#page(index) ?? this.#makePage(index), inPage, take);
        offset += take;
        at += take;
      }
    }
  }

  /** Pages that are covered whole are freed; parts of pages are zeroed. */
  #clear(offset: number, length: number): void {
    const end = offset + length;
    while (offset < end) {
      const inPage = offset % PAGE;
      const take = Math.min(PAGE - inPage, end - offset);
      const index = (offset - inPage) / PAGE;
      const chunk = this.#chunks[Math.floor(index / CHUNK)];
      if (chunk === undefined) {
        offset = Math.min(end, (Math.floor(index / CHUNK) + 1) * CHUNK * PAGE);
        continue;
      }
      if (take === PAGE) chunk[index % CHUNK] = undefined;
      else chunk[index % CHUNK]?.fill(0, inPage, inPage + take);
      offset += take;
    }
  }

  #extents(offset: number, length: number): Extent[] {
    const extents: Extent[] = [];
    const end = offset + length;
    for (let at = offset; at < end && extents.length < MAX_EXTENTS; ) {
      const state = this.#stateAt(at);
      let next = at;
      while (next < end && this.#stateAt(next) === state) next = this.#nextEdge(next);
      extents.push({ offset: at, length: Math.min(next, end) - at, state });
      at = next;
    }
    return extents;
  }

  #stateAt(offset: number): Extent["state"] {
    return this.#page(Math.floor(offset / PAGE)) === undefined ? "hole" : "data";
  }

  /** The next page, or the next chunk where this one has no pages at all. */
  #nextEdge(offset: number): number {
    const size = this.#chunks[Math.floor(offset / PAGE / CHUNK)] === undefined ? PAGE * CHUNK : PAGE;
    return (Math.floor(offset / size) + 1) * size;
  }
}
