// Knows the domain that this process runs in, on a Xen host: a back end's `Domain` over the kernel's device nodes.

import { fail, type Places, ProtocolError, type Scheduler } from "@pvscsi/wire";
import {
  type BackEndDomain,
  type DomainId,
  GrantStatus,
  type Loan,
  type MappedPage,
  type Port,
  scanNumber,
  type XenstoreClient,
} from "@pvscsi/xen";
import { BouncePages } from "./bounce-pages.js";
import type { HostCalls } from "./host-calls.js";
import { HostEvents } from "./host-events.js";
import { HostGrants } from "./host-grants.js";
import { type HostStore, openHostStore } from "./host-store.js";

export interface HostDomainOptions {
  readonly calls: HostCalls;
  readonly scheduler: Scheduler;
}

/** Opens the domain. Rejects with NoXenHost where this is none, or its devices may not be used. */
export async function openHostDomain({ calls, scheduler }: HostDomainOptions): Promise<HostDomain> {
  const opened: { close(): void }[] = [];
  try {
    const store = openHostStore(calls);
    opened.push(store);
    const grants = new HostGrants(calls);
    opened.push({ close: () => grants.closeAll() });
    const events = new HostEvents(calls, scheduler);
    opened.push({ close: () => events.closeAll() });
    const id = scanNumber(await store.store.read("domid"));
    if (id === null) throw new ProtocolError("xenstored does not say which domain this is (no node domid)");
    return new HostDomain(id, store, grants, events, new BouncePages(calls));
  } catch (error) {
    for (const part of opened.reverse()) part.close();
    throw error;
  }
}

export class HostDomain implements BackEndDomain {
  readonly id: DomainId;
  readonly grants: HostGrants;
  readonly events: HostEvents;
  readonly #store: HostStore;
  readonly #pages: BouncePages;
  #closed = false;

  constructor(id: DomainId, store: HostStore, grants: HostGrants, events: HostEvents, pages: BouncePages) {
    this.id = id;
    this.#store = store;
    this.grants = grants;
    this.events = events;
    this.#pages = pages;
  }

  get store(): XenstoreClient {
    return this.#store.store;
  }

  /** Pages of loans that were not given back. */
  get lent(): number {
    return this.#pages.used;
  }

  borrow(loan: Loan): void {
    loan.places.clear();
    loan.status = this.#closed ? GrantStatus.badDomain : statusOfPieces(loan);
    if (loan.status !== GrantStatus.okay) return;
    loan.status = this.#lend(loan);
    if (loan.status !== GrantStatus.okay) this.#release(loan);
  }

  giveBack(loan: Loan, written: number): void {
    if (loan.status !== GrantStatus.okay || this.#closed) return;
    if (loan.access !== "read-only") loan.status = this.#copyOut(loan, written);
    this.#release(loan);
  }

  /** Both ends have the same page: there is nothing to do for the ranges. */
  publish(port: Port, _ranges: Places, wanted: boolean): void {
    if (port !== 0 && wanted) this.events.notify(port);
  }

  notifyAtUnmap(page: MappedPage, port: Port): void {
    this.grants.notifyAtUnmap(page, port);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.events.closeAll();
    this.grants.closeAll();
    this.#store.close();
  }

  /** Gives each piece a page, filled where it may be read; the first failure, or okay. */
  #lend(loan: Loan): number {
    const reads = loan.access !== "write-only";
    for (let i = 0; i < loan.count; i++) {
      const offset = loan.offsets[i];
      const length = loan.lengths[i];
      const page = this.#pages.take(loan.from);
      loan.handles[i] = page.number;
      loan.places.add(page.bytes, offset, length);
      if (reads && length > 0) {
        this.grants.copyIn(loan.from, loan.references[i], offset, length, page.address + offset);
      }
    }
    return this.grants.finish();
  }

  #copyOut(loan: Loan, written: number): number {
    for (let i = 0, left = written; i < loan.count && left > 0; i++) {
      const offset = loan.offsets[i];
      const length = Math.min(loan.lengths[i], left);
      left -= length;
      const { address } = this.#pages.at(loan.handles[i]);
      if (length > 0) this.grants.copyOut(loan.from, loan.references[i], offset, length, address + offset);
    }
    return this.grants.finish();
  }

  #release(loan: Loan): void {
    for (let i = 0; i < loan.count; i++) {
      if (loan.handles[i] < 0) fail("a loan was given back twice");
      this.#pages.giveBack(loan.handles[i]);
      loan.handles[i] = -1;
    }
    loan.places.clear();
  }
}

function statusOfPieces(loan: Loan): number {
  for (let i = 0; i < loan.count; i++) if (!loan.isWithinPage(i)) return GrantStatus.badCopyArgument;
  return GrantStatus.okay;
}
