// Knows the pages that stand in for those of a domain in another process: zeroed when first granted, kept while they
// are granted or in use. Knows neither grants nor who uses them.

import { ProtocolError, Queue } from "@pvscsi/wire";
import { type GrantedPages, MemoryPage, PAGE_SIZE } from "@pvscsi/xen";

/** A page with how many grants there are of it. */
class MirrorPage extends MemoryPage {
  declare frame: number;
  grants = 0;
  /** Stands among the spare ones. */
  spare = false;

  constructor(frame: number) {
    super(frame, new Uint8Array(PAGE_SIZE));
  }
}

/** Frames that keep their page after the last grant: one that is granted again soon, as those of rings are, finds it. */
const SPARE = 1024;

export class MirrorMemory implements GrantedPages {
  allocated = 0;
  retained = 0;
  readonly #limit: number;
  readonly #pages = new Map<number, MirrorPage>();
  readonly #spare = new Queue<MirrorPage>();
  readonly #free: MirrorPage[] = [];

  /** `limit` is how many pages the domain has. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** One grant more of a frame. Throws ProtocolError when the domain would have more pages than it may. */
  share(frame: number): MemoryPage {
    const known = this.#pages.get(frame);
    const page = known?.allocated ? known : this.#make(frame, known);
    page.grants += 1;
    return page;
  }

  /** One grant less; with the last one the frame's page begins anew the next time, another one if it is in use. */
  unshare(frame: number): void {
    const page = this.#pages.get(frame);
    if (page === undefined || !page.allocated) return;
    page.grants -= 1;
    if (page.grants > 0) return;
    page.allocated = false;
    this.allocated -= 1;
    if (page.pins === 0) return this.#keep(page);
    this.#pages.delete(frame);
    this.retained += 1;
  }

  find(frame: number): MemoryPage | undefined {
    const page = this.#pages.get(frame);
    return page?.allocated ? page : undefined;
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

  /** `before` is the page that the frame had, if nobody uses it. */
  #make(frame: number, before: MirrorPage | undefined): MirrorPage {
    // What is retained counts for those who have it mapped: the domain gave it up, as it was told that it might.
    if (this.allocated >= this.#limit) {
      throw new ProtocolError(`more than the domain's ${this.#limit} pages are granted`);
    }
    const page = before ?? this.#free.pop() ?? new MirrorPage(frame);
    page.bytes.fill(0);
    page.frame = frame;
    page.allocated = true;
    this.allocated += 1;
    this.#pages.set(frame, page);
    return page;
  }

  /** The frame keeps the page until so many others have been left behind. */
  #keep(page: MirrorPage): void {
    if (page.spare) return;
    page.spare = true;
    this.#spare.push(page);
    if (this.#spare.length <= SPARE) return;
    const oldest = this.#spare.shift();
    oldest.spare = false;
    // In between it may have been granted again, or be left to whoever used it then.
    if (oldest.allocated || this.#pages.get(oldest.frame) !== oldest) return;
    this.#pages.delete(oldest.frame);
    this.#free.push(oldest);
  }
}
