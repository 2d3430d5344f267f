// Knows where the bytes of requests lie while they are under way: pages from whoever has them, kept for reuse.

/** Who has pages. A host adapter is one, so that a guest's disk moves data without a further copy. */
export interface PageSource {
  /** Bytes of every page; a multiple of 4096. */
  readonly pageSize: number;
  allocate(pages: number): Uint8Array[];
  free(pages: readonly Uint8Array[]): void;
}

const HEAP_PAGE = 64 * 1024;

/** Pages from the heap, large enough that long requests have few pieces. */
export const heapPages: PageSource = {
  pageSize: HEAP_PAGE,
  allocate: (pages) => Array.from({ length: pages }, () => new Uint8Array(HEAP_PAGE)),
  free() {},
};

/** Pages that are taken and given back; asks its source only for what was never there before. */
export class PagePool {
  readonly pageSize: number;
  /** Pages taken and not yet given back. */
  taken = 0;
  readonly #source: PageSource;
  readonly #free: Uint8Array[] = [];

  constructor(source: PageSource) {
    this.#source = source;
    this.pageSize = source.pageSize;
  }

  /** Bytes of whole pages that hold `length` bytes. */
  footprint(length: number): number {
    return Math.ceil(length / this.pageSize) * this.pageSize;
  }

  /** Appends pages for `length` bytes to `pages`. */
  take(pages: Uint8Array[], length: number): void {
    const count = this.footprint(length) / this.pageSize;
    if (this.#free.length < count) this.#free.push(...this.#source.allocate(count - this.#free.length));
    for (let i = 0; i < count; i++) pages.push(this.#free.pop() as Uint8Array);
    this.taken += count;
  }

  /** Takes all of `pages` back and empties the list. */
  giveBack(pages: Uint8Array[]): void {
    this.taken -= pages.length;
    for (let page = pages.pop(); page !== undefined; page = pages.pop()) this.#free.push(page);
  }

  /** Gives what is free back to the source. */
  close(): void {
    this.#source.free(this.#free.splice(0));
  }
}
