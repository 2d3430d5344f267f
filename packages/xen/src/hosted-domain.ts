// Knows what a hypervisor keeps of a domain, wherever that runs: its grants, its ports and its mappings. What the domain
// itself can do is not here.

import type { Probes, Scheduler } from "@pvscsi/wire";
import type { Arena } from "./arena.js";
import type { DomainId, GrantAccess, GrantReference } from "./domain.js";
import { GrantStatus } from "./domain.js";
import { type PortDescription, type PortRaised, PortTable } from "./event-channels.js";
import type { GrantCopier } from "./grant-copy.js";
import type { GrantEntries } from "./grant-entries.js";
import { GrantPins, type PinnedEntry } from "./grant-pins.js";
import { type Mapping, Maptrack } from "./maptrack.js";
import type { GrantedPages } from "./memory.js";
import type { Replicas } from "./replicas.js";

/** What a domain needs of its hypervisor. */
export interface Host {
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly copier: GrantCopier;
  readonly replicas: Replicas;
  find(id: DomainId): HostedDomain | undefined;
  /** Takes a domain that has closed out of everybody's sight. */
  forget(domain: HostedDomain): void;
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

export interface HostedDomainParts<Table> {
  readonly memory: GrantedPages;
  readonly table: Table;
  readonly maptrackEntries: number;
  /** For a domain that runs elsewhere: takes the events that are sent to it. */
  readonly raised?: PortRaised | undefined;
  /** What the domain lies in, when threads share it. */
  readonly arena?: Arena | null;
}

export class HostedDomain<Table extends GrantEntries = GrantEntries> {
  readonly id: DomainId;
  readonly events: PortTable;
  readonly table: Table;
  readonly pins: GrantPins;
  /** What the domain lies in, when threads share it; null when it is known to others by copies. */
  readonly arena: Arena | null;
  readonly #host: Host;
  readonly #memory: GrantedPages;
  readonly #maptrack: Maptrack;
  /** Grants and mappings given and ended, and copies, that this domain has asked for. */
  grantOperations = 0;
  /** Bytes of its granted pages that were copied, here, to or from another process. */
  copiedBytes = 0;
  #closed = false;

  constructor(host: Host, id: DomainId, parts: HostedDomainParts<Table>) {
    const { memory, table, maptrackEntries, raised, arena = null } = parts;
    this.arena = arena;
    this.id = id;
    this.table = table;
    this.#host = host;
    this.#memory = memory;
    this.#maptrack = new Maptrack(maptrackEntries);
    this.pins = new GrantPins(table, memory, (reference) => host.replicas.used(this, reference));
    this.events = new PortTable(id, {
      scheduler: host.scheduler,
      probes: host.probes,
      find: (remote) => host.find(remote)?.events,
      observer: host.replicas,
      raised,
      mirrored: raised !== undefined && arena === null,
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  get memory(): GrantedPages {
    return this.#memory;
  }

  /** Maps for a handle, or for the status (negative) that says why not; the order of the checks is Xen's. */
  mapEntry(from: DomainId, reference: GrantReference, access: GrantAccess): number {
    // A closed domain maps nothing more: nobody would ever unmap it.
    const granter = this.#closed ? undefined : this.#host.find(from)?.pins;
    if (granter === undefined) return GrantStatus.badDomain;
    const mapping = this.#maptrack.take();
    if (mapping === null) return GrantStatus.noSpace;
    this.grantOperations += 1;
    const status = granter.pin(this.id, reference, access, "map");
    if (status !== GrantStatus.okay) {
      this.#maptrack.release(mapping);
      return status;
    }
    mapping.granter = granter;
    mapping.entry = granter.entry(reference);
    mapping.from = from;
    mapping.reference = reference;
    mapping.access = access;
    return mapping.handle;
  }

  /** The mapping in use under a handle, or undefined. */
  mapping(handle: number): Mapping | undefined {
    return this.#maptrack.find(handle);
  }

  unmapEntry(mapping: Mapping): void {
    this.grantOperations += 1;
    mapping.granter?.unpin(mapping.entry as PinnedEntry, mapping.access);
    this.#maptrack.release(mapping);
  }

  /** The end of the domain. Pages that others have mapped stay memory until they unmap them. False after the first. */
  end(): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    this.events.closeAll();
    for (const mapping of this.#maptrack.inUse()) this.unmapEntry(mapping);
    this.#host.forget(this);
    return true;
  }

  describe(): DomainDescription {
    return {
      id: this.id,
      pages: this.#memory.allocated,
      retainedPages: this.#memory.retained,
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
}

function describeMapping({ handle, from, reference, access }: Mapping): MappingDescription {
  return { handle, from, reference, access };
}
