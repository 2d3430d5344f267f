// Knows one domain of the in-process hypervisor: a domain's own hypercalls, and loans without a copy. What several
// domains have in common is found through the hypervisor's `Host`.

import { fail, type Places } from "@pvscsi/wire";
import type { Arena } from "./arena.js";
import {
  type Domain,
  type DomainId,
  type GrantAccess,
  type GrantReference,
  GrantStatus,
  type Grants,
  type Loan,
  type MappedPage,
  mappedAccess,
  type Page,
  type Port,
} from "./domain.js";
import type { CopyOperation } from "./grant-copy.js";
import type { PinnedEntry } from "./grant-pins.js";
import { GrantTable } from "./grant-table.js";
import { type Host, HostedDomain } from "./hosted-domain.js";
import type { Mapping } from "./maptrack.js";
import { Memory, type MemoryPage } from "./memory.js";
import type { XenstoreClient } from "./xenstore/client.js";

/** How large a domain is. */
export interface DomainSize {
  readonly memoryPages: number;
  readonly grantFrames: number;
  readonly maptrackEntries: number;
  /** What the domain lies in, when other threads are to see it. */
  readonly arena: Arena | null;
}

/** A mapping as its mapper holds it; of one mapping only. */
class InProcessMappedPage implements MappedPage {
  constructor(
    readonly from: DomainId,
    readonly reference: GrantReference,
    readonly access: GrantAccess,
    readonly handle: number,
    readonly bytes: Uint8Array,
  ) {}
}

export class InProcessDomain extends HostedDomain<GrantTable> implements Domain, Grants {
  readonly store: XenstoreClient;
  readonly #host: Host;
  readonly #pages: Memory;
  readonly #disconnect: () => Promise<void>;
  /** By reference, when other threads see the domain: what is granted. */
  readonly #granted: (MemoryPage | undefined)[] = [];

  /** `disconnect` ends the connection behind `store`, with its watches and transactions. */
  constructor(host: Host, id: DomainId, size: DomainSize, store: XenstoreClient, disconnect: () => Promise<void>) {
    const { arena } = size;
    const memory = arena === null ? new Memory(size.memoryPages) : new Memory(size.memoryPages, arena);
    const table = new GrantTable(arena ?? memory, size.grantFrames);
    super(host, id, { memory, table, maptrackEntries: size.maptrackEntries, arena });
    this.store = store;
    this.#host = host;
    this.#pages = memory;
    this.#disconnect = disconnect;
  }

  get grants(): Grants {
    return this;
  }

  override get memory(): Memory {
    return this.#pages;
  }

  grant(to: DomainId, page: Page, access: GrantAccess): GrantReference {
    const { entries } = this.table;
    const reference = this.table.grant(to, page, access);
    if (this.table.entries !== entries) this.#host.replicas.grew(this);
    if (reference < 0) return reference;
    this.grantOperations += 1;
    this.#keep(reference, page);
    this.#host.replicas.granted(this, reference);
    return reference;
  }

  /** Who maps the page in another thread does not pin it here: the grant does, which does not end before the mapping. */
  #keep(reference: GrantReference, { frame }: Page): void {
    if (this.arena === null) return;
    const page = this.#pages.find(frame);
    if (page !== undefined) this.#pages.pin(page);
    this.#granted[reference] = page;
  }

  revoke(reference: GrantReference): boolean {
    const revoked = this.table.revoke(reference);
    if (!revoked) return false;
    this.grantOperations += 1;
    const page = this.#granted[reference];
    if (page !== undefined) {
      this.#granted[reference] = undefined;
      this.#pages.unpin(page);
    }
    this.#host.replicas.revoked(this, reference);
    return true;
  }

  map(from: DomainId, reference: GrantReference, access: GrantAccess): MappedPage | number {
    const handle = this.mapEntry(from, reference, access);
    if (handle < 0) return handle;
    const mapping = this.mapping(handle) as Mapping;
    const page = new InProcessMappedPage(from, reference, access, handle, pageOf(mapping));
    mapping.page = page;
    if (this.#host.probes.listening) this.#host.probes.emit("grant:map", page);
    return page;
  }

  unmap(page: MappedPage): number {
    const mapping = this.mapping(page.handle);
    if (mapping === undefined || mapping.page !== page) return GrantStatus.badHandle;
    this.unmapEntry(mapping);
    if (this.#host.probes.listening) this.#host.probes.emit("grant:unmap", page);
    return GrantStatus.okay;
  }

  /** GNTTABOP_copy, one operation: between a grant and own memory (DOMID_SELF), two grants, or own pages. */
  copy(operation: CopyOperation): void {
    this.grantOperations += 1;
    this.#host.copier.copy(this, operation);
  }

  allocatePages(count: number): Page[] {
    const { allocated, retained, limit } = this.#pages;
    if (allocated + retained + count > limit) {
      throw new RangeError(`domain ${this.id}: ${count} pages more than its ${limit}`);
    }
    return Array.from({ length: count }, () => this.#pages.allocate());
  }

  freePages(pages: readonly Page[]): void {
    for (const page of pages) this.#pages.free(page);
  }

  borrow(loan: Loan): void {
    loan.places.clear();
    loan.status = GrantStatus.okay;
    if (this.closed || this.#host.find(loan.from) === undefined) {
      loan.status = GrantStatus.badDomain;
      return;
    }
    for (let i = 0; i < loan.count; i++) {
      const status = this.#borrowPiece(loan, i);
      if (status === GrantStatus.okay) continue;
      // XSA-361: what was mapped before the failing piece must not stay mapped.
      this.#release(loan, i);
      loan.status = status;
      return;
    }
  }

  #borrowPiece(loan: Loan, index: number): number {
    if (!loan.isWithinPage(index)) return GrantStatus.badCopyArgument;
    const handle = this.mapEntry(loan.from, loan.references[index], mappedAccess(loan.access));
    if (handle < 0) return handle;
    loan.handles[index] = handle;
    loan.places.add(pageOf(this.mapping(handle) as Mapping), loan.offsets[index], loan.lengths[index]);
    return GrantStatus.okay;
  }

  /** After a failed `borrow` nothing is held, and this does nothing. */
  giveBack(loan: Loan, written: number): void {
    if (loan.status !== GrantStatus.okay || this.closed) return;
    if (written > 0) this.#host.replicas.published(this, loan.places, written);
    this.#release(loan, loan.count);
  }

  #release(loan: Loan, count: number): void {
    for (let i = 0; i < count; i++) {
      const mapping = this.mapping(loan.handles[i]);
      if (mapping === undefined) fail("a loan was given back twice");
      loan.handles[i] = -1;
      this.unmapEntry(mapping);
    }
    loan.places.clear();
  }

  /** Who sees copies is woken always: what the ring's test said was read from a copy as well. */
  publish(port: Port, ranges: Places, wanted: boolean): void {
    if (this.#host.probes.listening) this.#host.probes.emit("domain:publish", { from: this.id, port, wanted });
    this.#host.replicas.published(this, ranges, ranges.length);
    if (port !== 0 && (wanted || this.events.leadsToMirrors(port))) this.events.notify(port);
  }

  /** Leaves. Pages that others have mapped stay memory until they unmap them. */
  async close(): Promise<void> {
    if (this.end()) await this.#disconnect();
  }
}

/** The bytes of a page while it is mapped. */
function pageOf({ entry }: Mapping): Uint8Array {
  return ((entry as PinnedEntry).page as MemoryPage).bytes;
}
