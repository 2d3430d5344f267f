// Knows a domain's memory that several threads of a process share: its grant table, which of its pages it has, and the
// pages. One thread runs the domain and gives pages out; the others find them here.

import { fail } from "@pvscsi/wire";
import { PAGE_SIZE, type Page } from "./domain.js";
import { ENTRIES_PER_FRAME, type TableMemory } from "./grant-entries.js";
import { type GrantedPages, MemoryPage, type PageSource } from "./memory.js";

/** How large an arena is. */
export interface ArenaSize {
  readonly memoryPages: number;
  /** Pages the grant table may grow to. */
  readonly grantFrames: number;
}

/** What another thread is told of an arena: all that it consists of. */
export interface ArenaDescription extends ArenaSize {
  readonly buffer: SharedArrayBuffer;
}

/** Words of the first page. */
const TABLE_FRAMES = 0;
const ALLOCATED = 1;
const RETAINED = 2;

/** In order: the page of counts; a byte for each page, 1 while the domain has it; the grant table; the pages. */
export class Arena implements PageSource, TableMemory, ArenaDescription {
  readonly buffer: SharedArrayBuffer;
  readonly memoryPages: number;
  readonly grantFrames: number;
  readonly #counts: Int32Array;
  readonly #flags: Uint8Array;
  readonly #tableAt: number;
  readonly #pagesAt: number;

  /** Of what another thread has described, or a new one of that size. Throws RangeError where there is no such memory. */
  constructor(arena: ArenaSize | ArenaDescription) {
    const { memoryPages, grantFrames } = arena;
    this.memoryPages = memoryPages;
    this.grantFrames = grantFrames;
    this.#tableAt = PAGE_SIZE + wholePages(memoryPages);
    this.#pagesAt = this.#tableAt + grantFrames * PAGE_SIZE;
    const size = this.#pagesAt + memoryPages * PAGE_SIZE;
    // The platform's zeroes, which cost nothing before they are touched.
    this.buffer = "buffer" in arena ? arena.buffer : new SharedArrayBuffer(size);
    if (this.buffer.byteLength !== size) fail(`an arena of ${this.buffer.byteLength} bytes, not ${size}`);
    this.#counts = new Int32Array(this.buffer, 0, PAGE_SIZE / 4);
    this.#flags = new Uint8Array(this.buffer, PAGE_SIZE, memoryPages);
  }

  get capacity(): number {
    return this.memoryPages;
  }

  provide(frame: number, count: number): Uint8Array {
    return new Uint8Array(this.buffer, this.#pagesAt + frame * PAGE_SIZE, count * PAGE_SIZE);
  }

  allocated(frame: number, allocated: boolean): void {
    Atomics.store(this.#flags, frame, allocated ? 1 : 0);
  }

  isAllocated(frame: number): boolean {
    return frame < this.memoryPages && Atomics.load(this.#flags, frame) === 1;
  }

  counted(allocated: number, retained: number): void {
    Atomics.store(this.#counts, ALLOCATED, allocated);
    Atomics.store(this.#counts, RETAINED, retained);
  }

  get pages(): number {
    return Atomics.load(this.#counts, ALLOCATED);
  }

  get retainedPages(): number {
    return Atomics.load(this.#counts, RETAINED);
  }

  /** Entries of the grant table by now. */
  get entries(): number {
    return Atomics.load(this.#counts, TABLE_FRAMES) * ENTRIES_PER_FRAME;
  }

  tablePage(index: number): Uint8Array {
    return new Uint8Array(this.buffer, this.#tableAt + index * PAGE_SIZE, PAGE_SIZE);
  }

  /** The next page of the grant table: no page that the domain could grant. */
  takeZeroed(): Page {
    const index = Atomics.load(this.#counts, TABLE_FRAMES);
    if (index === this.grantFrames) fail(`the grant table has its ${index} pages`);
    const bytes = this.tablePage(index).fill(0);
    Atomics.store(this.#counts, TABLE_FRAMES, index + 1);
    return { frame: this.memoryPages + index, bytes };
  }
}

/** A domain's pages, in a thread that does not run it. */
export class ArenaPages implements GrantedPages {
  readonly #arena: Arena;
  /** By frame; made when first used, so that a page is the same bytes each time. */
  readonly #pages: (MemoryPage | undefined)[] = [];

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  get allocated(): number {
    return this.#arena.pages;
  }

  get retained(): number {
    return this.#arena.retainedPages;
  }

  find(frame: number): MemoryPage | undefined {
    if (!this.#arena.isAllocated(frame)) return undefined;
    this.#pages[frame] ??= new MemoryPage(frame, this.#arena.provide(frame, 1));
    return this.#pages[frame];
  }

  /** Its owner keeps a page for as long as it is granted, and a grant does not end while it is in use. */
  pin(page: MemoryPage): void {
    page.pins += 1;
  }

  unpin(page: MemoryPage): void {
    page.pins -= 1;
  }
}

function wholePages(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
}
