// Knows the whole of a `Domain` on a Xen host: what a back end has there, and pages that are granted.

import type { Places } from "@pvscsi/wire";
import type { Domain, DomainId, Grants, Loan, Page, Port, XenstoreClient } from "@pvscsi/xen";
import type { HostCalls } from "./host-calls.js";
import type { HostDomain } from "./host-domain.js";
import type { HostEvents } from "./host-events.js";
import { HostPages } from "./host-pages.js";

/**
 * A front end's domain: what it allocates for a peer, that domain may read and write until the end. So `grant` gives the
 * same reference for the same page each time, -1 for any other domain, and takes no account of the access; and `revoke`
 * is true always, as nobody can tell what is mapped.
 */
export class HostFrontEnd implements Domain {
  readonly id: DomainId;
  readonly grants: Grants;
  readonly events: HostEvents;
  readonly #host: HostDomain;
  readonly #pages: HostPages;
  #closed = false;

  /** Takes over `host`: closing this closes it. Throws NoXenHost, and takes nothing, where pages cannot be granted. */
  constructor(host: HostDomain, calls: HostCalls) {
    const pages = new HostPages(calls);
    this.id = host.id;
    this.events = host.events;
    this.grants = {
      grant: (to, page) => pages.grant(to, page),
      revoke: (reference) => {
        pages.revoke(reference);
        return true;
      },
      map: (from, reference, access) => host.grants.map(from, reference, access),
      unmap: (page) => host.grants.unmap(page),
    };
    this.#host = host;
    this.#pages = pages;
  }

  get store(): XenstoreClient {
    return this.#host.store;
  }

  /** Pages that were not freed. */
  get allocated(): number {
    return this.#pages.allocated;
  }

  allocatePages(count: number, peer: DomainId): Page[] {
    return this.#pages.allocate(count, peer);
  }

  freePages(pages: readonly Page[]): void {
    this.#pages.free(pages);
  }

  borrow(loan: Loan): void {
    this.#host.borrow(loan);
  }

  giveBack(loan: Loan, written: number): void {
    this.#host.giveBack(loan, written);
  }

  publish(port: Port, ranges: Places, wanted: boolean): void {
    this.#host.publish(port, ranges, wanted);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // The ports first: a back end that hears of nothing more looks at no page any more.
    await this.#host.close();
    this.#pages.closeAll();
  }
}
