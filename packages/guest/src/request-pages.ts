// Knows the pages that a host's requests have for data which lies elsewhere. A request keeps them from one use to the next,
// until there have once been too few: from then on they are freed after each, as other hosts of the guest may have theirs from
// the same memory.

import type { HostAdapter } from "@pvscsi/scsi";

/** Pages that are left to adapters: for the ring of a controller that comes, and for lists of segments. */
const SPARE = 4;

/** A request, as far as it has pages. */
export interface PageHolder {
  readonly pages: Uint8Array[];
}

/** Somebody who has found no pages. */
export interface PageWaiter {
  /** There may be some now. */
  pagesFreed(): void;
}

/** What the hosts of a guest know of each other's pages. */
export class PageShortage {
  /** Whether there were too few once. */
  known = false;
  readonly #members = new Set<RequestPages>();
  #waiting: PageWaiter[] = [];

  /** Whether some host's requests have pages, which will be freed. For when there are too few. */
  get willEnd(): boolean {
    for (const { areUsed } of this.#members) if (areUsed) return true;
    return false;
  }

  join(member: RequestPages): void {
    this.#members.add(member);
  }

  leave(member: RequestPages): void {
    this.#members.delete(member);
  }

  begin(): void {
    this.known = true;
    for (const member of this.#members) member.freeUnused();
  }

  /** Tells the waiter, once, when there may be pages. */
  wait(waiter: PageWaiter): void {
    if (!this.#waiting.includes(waiter)) this.#waiting.push(waiter);
  }

  /** Pages were freed: tells who waits, in the order in which they began to, all but `who`, which knows. */
  tell(who: PageWaiter | null): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) if (waiter !== who) waiter.pagesFreed();
  }
}

/** All requests of a host, and those of them that are free now. */
export interface HostRequests {
  readonly all: readonly PageHolder[];
  readonly free: readonly PageHolder[];
}

export class RequestPages {
  readonly #adapter: HostAdapter;
  readonly #shortage: PageShortage;
  readonly #requests: HostRequests;
  /** As many as there may be at once: twice what there were when there were last too few. */
  #likely = Number.POSITIVE_INFINITY;

  constructor(adapter: HostAdapter, shortage: PageShortage, requests: HostRequests) {
    this.#adapter = adapter;
    this.#shortage = shortage;
    this.#requests = requests;
    shortage.join(this);
  }

  /** For when there are too few: requests that are free have none then. */
  get areUsed(): boolean {
    return this.#requests.all.some(({ pages }) => pages.length > 0);
  }

  /**
   * Sees to it that a free request has `most` pages, or fewer when there are too few; false rather than not `least`. It may have
   * more than it was to have.
   */
  take({ pages }: PageHolder, least: number, most: number): boolean {
    const missing = most - pages.length;
    if (missing <= 0) return true;
    if (!this.#shortage.known) {
      if (this.#allocate(pages, missing, SPARE)) return true;
      this.#shortage.begin();
    }
    return this.#takeSome(pages, least, most);
  }

  /** Half of what was too much, and so on: several requests share what little there is. That there are none shows at once. */
  #takeSome(pages: Uint8Array[], least: number, most: number): boolean {
    const count = Math.max(least, Math.min(most, this.#likely));
    if (!this.#allocate(pages, count, SPARE)) {
      const some = count > least && this.#allocate(pages, least, SPARE);
      if (!some) return !this.#shortage.willEnd && this.#allocate(pages, least, 0);
      for (let more = (count - least) >> 1; more > 0 && !this.#allocate(pages, more, SPARE); ) more >>= 1;
    }
    if (pages.length < most) this.#likely = 2 * pages.length;
    return true;
  }

  /** Only where there are `spare` more. */
  #allocate(pages: Uint8Array[], count: number, spare: number): boolean {
    try {
      const allocated = this.#adapter.allocate(count + spare);
      this.#adapter.free(allocated.splice(count));
      pages.push(...allocated);
      return true;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return false;
    }
  }

  /** The request is used no more. */
  giveBack(request: PageHolder): void {
    if (this.#shortage.known) this.#free(request);
  }

  freeUnused(): void {
    for (const request of this.#requests.free) this.#free(request);
  }

  #free({ pages }: PageHolder): void {
    if (pages.length > 0) this.#adapter.free(pages.splice(0));
  }

  /** Frees pages that the adapter has kept, and a request has no more, once it lets go of them. */
  returned(pages: readonly Uint8Array[]): void {
    this.#adapter.free(pages);
    this.#shortage.tell(null);
  }

  /** What a request that is not free has is lost. */
  close(): void {
    this.freeUnused();
    this.#shortage.leave(this);
    this.#shortage.tell(null);
  }
}
