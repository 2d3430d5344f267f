// Knows a domain's memory: pages by frame number, allocated zeroed, and kept while somebody still has one mapped.
// Knows neither grants nor who maps.

import { fail } from "@pvscsi/wire";
import { PAGE_SIZE, type Page } from "./domain.js";

/** Pages that are got from the platform at once, at most; the first are few, as a grant table's often are all. */
const CHUNK = 256;
const FIRST_CHUNK = 4;

/** A page with what only its memory and its mappers know. */
export class MemoryPage implements Page {
  readonly frame: number;
  readonly bytes: Uint8Array;
  allocated = false;
  /** Mappings and copies that use it right now. */
  pins = 0;

  constructor(frame: number, bytes: Uint8Array) {
    this.frame = frame;
    this.bytes = bytes;
  }
}

/** What a domain's grants are of. */
export interface GrantedPages {
  /** Pages the domain has. */
  readonly allocated: number;
  /** Pages that are the domain's no more, and mapped elsewhere still. */
  readonly retained: number;
  /** The page that a frame number names, or undefined when the domain has no such page now. */
  find(frame: number): MemoryPage | undefined;
  /** One use more of a page, which keeps it. */
  pin(page: MemoryPage): void;
  unpin(page: MemoryPage): void;
}

/** Where a memory's pages come from, and who has to know what becomes of them. */
export interface PageSource {
  /** Pages there are to provide. */
  readonly capacity: number;
  /** The bytes of `count` pages from that frame on, one after the other; asked for once. */
  provide(frame: number, count: number): Uint8Array;
  /** The domain has got the page, or given it up. */
  allocated(frame: number, allocated: boolean): void;
  /** How many pages the domain has, and how many more are mapped elsewhere still. */
  counted(allocated: number, retained: number): void;
}

/** Pages of this thread alone. */
const privatePages: PageSource = {
  capacity: Number.POSITIVE_INFINITY,
  provide: (_, count) => new Uint8Array(count * PAGE_SIZE),
  allocated() {},
  counted() {},
};

/** The pages of one domain, `limit` of them at most. */
export class Memory implements GrantedPages {
  readonly limit: number;
  /** Pages the domain has. */
  allocated = 0;
  /** Pages the domain freed while they were mapped elsewhere; they are not reused before that ends (XSA-396). */
  retained = 0;
  readonly #pages: MemoryPage[] = [];
  readonly #free: MemoryPage[] = [];

  readonly #source: PageSource;

  constructor(limit: number, source: PageSource = privatePages) {
    this.limit = limit;
    this.#source = source;
  }

  /** A zeroed page. Throws when the domain's memory is used up. */
  allocate(): MemoryPage {
    if (this.allocated + this.retained >= this.limit) fail(`the domain's ${this.limit} pages are used up`);
    this.allocated += 1;
    const page = this.takeZeroed();
    this.#source.allocated(page.frame, true);
    this.#tell();
    return page;
  }

  /** A zeroed page that does not count as the domain's: for the hypervisor's own tables. */
  takeZeroed(): MemoryPage {
    if (this.#free.length === 0) this.#grow();
    const page = this.#free.pop() as MemoryPage;
    page.bytes.fill(0);
    page.allocated = true;
    return page;
  }

  free(page: Page): void {
    const own = this.#pages[page.frame];
    if (own !== page || !own.allocated) fail(`frame ${page.frame} is not allocated`);
    own.allocated = false;
    this.#source.allocated(own.frame, false);
    this.allocated -= 1;
    if (own.pins === 0) this.#free.push(own);
    else this.retained += 1;
    this.#tell();
  }

  find(frame: number): MemoryPage | undefined {
    const page = this.#pages[frame];
    return page?.allocated ? page : undefined;
  }

  pin(page: MemoryPage): void {
    page.pins += 1;
  }

  unpin(page: MemoryPage): void {
    page.pins -= 1;
    if (page.pins > 0 || page.allocated) return;
    this.retained -= 1;
    this.#free.push(page);
    this.#tell();
  }

  #tell(): void {
    this.#source.counted(this.allocated, this.retained);
  }

  #grow(): void {
    const first = this.#pages.length;
    const count = Math.min(CHUNK, Math.max(FIRST_CHUNK, first), this.#source.capacity - first);
    const bytes = this.#source.provide(first, count);
    for (let i = 0; i < count; i++) {
      this.#pages.push(new MemoryPage(first + i, bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE)));
    }
    for (let i = count - 1; i >= 0; i--) this.#free.push(this.#pages[first + i]);
  }
}
