// Knows the pages that stand in for those of a domain in another process: zeroed when first granted, kept while they
// are granted or in use. Knows neither grants nor who uses them.

import { ProtocolError } from "@pvscsi/wire";
import { type GrantedPages, MemoryPage, PAGE_SIZE } from "@pvscsi/xen";

/** A page with how many grants there are of it. */
class MirrorPage extends MemoryPage {
  declare frame: number;
  grants = 0;

  constructor(frame: number) {
    super(frame, new Uint8Array(PAGE_SIZE));
  }
}

export class MirrorMemory implements GrantedPages {
  retained = 0;
  readonly #limit: number;
  readonly #pages = new Map<number, MirrorPage>();
  readonly #free: MirrorPage[] = [];

  /** `limit` is how many pages the domain has. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get allocated(): number {
    return this.#pages.size;
  }

  /** One grant more of a frame. Throws ProtocolError when the domain would have more pages than it may. */
  share(frame: number): MemoryPage {
    const page = this.#pages.get(frame) ?? this.#make(frame);
    page.grants += 1;
    return page;
  }

  /** One grant less; with the last one the frame's page is another one, the next time. */
  unshare(frame: number): void {
    const page = this.#pages.get(frame);
    if (page === undefined) return;
    page.grants -= 1;
    if (page.grants > 0) return;
    this.#pages.delete(frame);
    page.allocated = false;
    if (page.pins === 0) this.#free.push(page);
    else this.retained += 1;
  }

  find(frame: number): MemoryPage | undefined {
    return this.#pages.get(frame);
  }

  pin(page: MemoryPage): void {
    page.pins += 1;
  }

  unpin(page: MemoryPage): void {
    page.pins -= 1;
    if (page.pins > 0 || page.allocated) return;
    this.retained -= 1;
    this.#free.push(page as MirrorPage);
  }

  #make(frame: number): MirrorPage {
    // What is retained counts for those who have it mapped: the domain gave it up, as it was told that it might.
    if (this.#pages.size >= this.#limit) {
      throw new ProtocolError(`more than the domain's ${this.#limit} pages are granted`);
    }
    const page = this.#free.pop() ?? new MirrorPage(frame);
    page.bytes.fill(0);
    page.frame = frame;
    page.allocated = true;
    this.#pages.set(frame, page);
    return page;
  }
}
