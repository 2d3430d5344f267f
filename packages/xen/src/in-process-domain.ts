// Knows one domain of the in-process hypervisor: a domain's own hypercalls, and loans without a copy. What several
// domains have in common is found through the hypervisor's `Host`.

import { fail, type Places, type Probes, type Scheduler } from "@pvscsi/wire";
import {
  type Domain,
  type DomainId,
  type GrantAccess,
  type GrantReference,
  GrantStatus,
  type Grants,
  type Loan,
  type MappedPage,
  PAGE_SIZE,
  type Page,
  type Port,
} from "./domain.js";
import { type PortDescription, PortTable } from "./event-channels.js";
import type { CopyOperation, GrantCopier } from "./grant-copy.js";
import { GrantPins } from "./grant-pins.js";
import { GrantTable } from "./grant-table.js";
import { type Mapping, Maptrack } from "./maptrack.js";
import { Memory } from "./memory.js";
import type { XenstoreClient } from "./xenstore/client.js";

/** What a domain needs of its hypervisor. */
export interface Host {
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly copier: GrantCopier;
  find(id: DomainId): InProcessDomain | undefined;
  /** Takes a domain that has closed out of everybody's sight. */
  forget(id: DomainId): void;
}

/** How large a domain is. */
export interface DomainSize {
  readonly memoryPages: number;
  readonly grantFrames: number;
  readonly maptrackEntries: number;
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

/** What `lsgrants` shows of a mapping. */
export interface MappingDescription {
  readonly handle: number;
  readonly from: DomainId;
  readonly reference: GrantReference;
  readonly access: GrantAccess;
}

/** Everything a domain has open at a moment. */
export interface DomainDescription {
  readonly id: DomainId;
  readonly pages: number;
  /** Pages it freed while they were mapped elsewhere. */
  readonly retainedPages: number;
  readonly ports: PortDescription[];
  /** Entries given out, and uses (mappings and copies) of them right now. */
  readonly grants: number;
  readonly uses: number;
  readonly mappings: MappingDescription[];
}

export class InProcessDomain implements Domain, Grants {
  readonly id: DomainId;
  readonly events: PortTable;
  readonly store: XenstoreClient;
  readonly memory: Memory;
  readonly table: GrantTable;
  readonly pins: GrantPins;
  readonly #host: Host;
  readonly #maptrack: Maptrack;
  readonly #disconnect: () => Promise<void>;
  #closed = false;

  /** `disconnect` ends the connection behind `store`, with its watches and transactions. */
  constructor(host: Host, id: DomainId, size: DomainSize, store: XenstoreClient, disconnect: () => Promise<void>) {
    this.id = id;
    this.store = store;
    this.#host = host;
    this.#disconnect = disconnect;
    this.memory = new Memory(size.memoryPages);
    this.table = new GrantTable(this.memory, size.grantFrames);
    this.pins = new GrantPins(this.table, this.memory);
    this.#maptrack = new Maptrack(size.maptrackEntries);
    this.events = new PortTable(id, host.scheduler, host.probes, (remote) => host.find(remote)?.events);
  }

  get grants(): Grants {
    return this;
  }

  grant(to: DomainId, page: Page, access: GrantAccess): GrantReference {
    return this.table.grant(to, page, access);
  }

  revoke(reference: GrantReference): boolean {
    return this.table.revoke(reference);
  }

  map(from: DomainId, reference: GrantReference, access: GrantAccess): MappedPage | number {
    const granter = this.#granter(from);
    if (granter === undefined) return GrantStatus.badDomain;
    const handle = this.#map(granter, from, reference, access);
    if (handle < 0) return handle;
    const page = new InProcessMappedPage(from, reference, access, handle, granter.page(reference).bytes);
    (this.#maptrack.find(handle) as Mapping).page = page;
    if (this.#host.probes.listening) this.#host.probes.emit("grant:map", page);
    return page;
  }

  unmap(page: MappedPage): number {
    const mapping = this.#maptrack.find(page.handle);
    if (mapping === undefined || mapping.page !== page) return GrantStatus.badHandle;
    this.#unmap(mapping);
    if (this.#host.probes.listening) this.#host.probes.emit("grant:unmap", page);
    return GrantStatus.okay;
  }

  /** GNTTABOP_copy, one operation: between a grant and own memory (DOMID_SELF), two grants, or own pages. */
  copy(operation: CopyOperation): void {
    this.#host.copier.copy(this, operation);
  }

  allocatePages(count: number): Page[] {
    if (this.memory.allocated + this.memory.retained + count > this.memory.limit) {
      fail(`domain ${this.id}: ${count} pages more than its ${this.memory.limit}`);
    }
    return Array.from({ length: count }, () => this.memory.allocate());
  }

  freePages(pages: readonly Page[]): void {
    for (const page of pages) this.memory.free(page);
  }

  borrow(loan: Loan): void {
    loan.places.clear();
    loan.status = GrantStatus.okay;
    const granter = this.#granter(loan.from);
    if (granter === undefined) {
      loan.status = GrantStatus.badDomain;
      return;
    }
    for (let i = 0; i < loan.count; i++) {
      const status = this.#borrowPiece(granter, loan, i);
      if (status === GrantStatus.okay) continue;
      // XSA-361: what was mapped before the failing piece must not stay mapped.
      this.#release(loan, i);
      loan.status = status;
      return;
    }
  }

  #borrowPiece(granter: GrantPins, loan: Loan, index: number): number {
    const reference = loan.references[index];
    const offset = loan.offsets[index];
    const length = loan.lengths[index];
    if (offset < 0 || length < 0 || offset + length > PAGE_SIZE) return GrantStatus.badCopyArgument;
    const handle = this.#map(granter, loan.from, reference, loan.access);
    if (handle < 0) return handle;
    loan.handles[index] = handle;
    loan.places.add(granter.page(reference).bytes, offset, length);
    return GrantStatus.okay;
  }

  /** After a failed `borrow` nothing is held, and this does nothing. */
  giveBack(loan: Loan, _written: number): void {
    if (loan.status !== GrantStatus.okay || this.#closed) return;
    this.#release(loan, loan.count);
  }

  #release(loan: Loan, count: number): void {
    for (let i = 0; i < count; i++) {
      const mapping = this.#maptrack.find(loan.handles[i]);
      if (mapping === undefined) fail("a loan was given back twice");
      loan.handles[i] = -1;
      this.#unmap(mapping);
    }
    loan.places.clear();
  }

  publish(port: Port, _ranges: Places, wanted: boolean): void {
    if (this.#host.probes.listening) this.#host.probes.emit("domain:publish", { from: this.id, port, wanted });
    if (wanted && port !== 0) this.events.notify(port);
  }

  /** Leaves. Pages that others have mapped stay memory until they unmap them. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.events.closeAll();
    for (const mapping of this.#maptrack.inUse()) this.#unmap(mapping);
    this.#host.forget(this.id);
    await this.#disconnect();
  }

  describe(): DomainDescription {
    return {
      id: this.id,
      pages: this.memory.allocated,
      retainedPages: this.memory.retained,
      ports: this.events.describe(),
      grants: this.table.granted,
      uses: this.pins.pinned,
      mappings: this.#maptrack.inUse().map(describeMapping),
    };
  }

  /** Mappings of domains that are gone; another domain of the same id is not theirs. */
  orphans(): MappingDescription[] {
    const orphans = this.#maptrack.inUse().filter(({ from, granter }) => this.#host.find(from)?.pins !== granter);
    return orphans.map(describeMapping);
  }

  /** A closed domain maps nothing more: nobody would ever unmap it. */
  #granter(from: DomainId): GrantPins | undefined {
    return this.#closed ? undefined : this.#host.find(from)?.pins;
  }

  /** Maps for a handle, or for the status (negative) that says why not; the order of the checks is Xen's. */
  #map(granter: GrantPins, from: DomainId, reference: GrantReference, access: GrantAccess): number {
    const mapping = this.#maptrack.take();
    if (mapping === null) return GrantStatus.noSpace;
    const status = granter.pin(this.id, reference, access, "map");
    if (status !== GrantStatus.okay) {
      this.#maptrack.release(mapping);
      return status;
    }
    mapping.granter = granter;
    mapping.from = from;
    mapping.reference = reference;
    mapping.access = access;
    return mapping.handle;
  }

  #unmap(mapping: Mapping): void {
    mapping.granter?.unpin(mapping.reference, mapping.access);
    this.#maptrack.release(mapping);
  }
}

function describeMapping({ handle, from, reference, access }: Mapping): MappingDescription {
  return { handle, from, reference, access };
}
