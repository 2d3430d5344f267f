// Knows which domains there are in this process, and brings them together. What a domain does is in its own file.

import { fail, type Probes, type Scheduler } from "@pvscsi/wire";
import { DomainIds } from "./abi/xen.js";
import { Arena } from "./arena.js";
import type { DomainId } from "./domain.js";
import { GrantCopier } from "./grant-copy.js";
import { DEFAULT_GRANT_FRAMES } from "./grant-table.js";
import type { DomainDescription, Host, HostedDomain, MappingDescription } from "./hosted-domain.js";
import { InProcessDomain } from "./in-process-domain.js";
import { DEFAULT_MAPTRACK_ENTRIES } from "./maptrack.js";
import { noReplicas, type Replicas } from "./replicas.js";
import type { XenstoreClient } from "./xenstore/client.js";

/** Pages of a domain that does not say how many: 128 MiB. They are got from the platform as they are allocated. */
const DEFAULT_MEMORY_PAGES = 32768;

export interface HypervisorOptions {
  /** Where events are delivered from. */
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  /** Who keeps copies of the domains in other processes; nobody when it is left out. */
  readonly replicas?: Replicas;
  /** Whether other threads are to see the domains' memory. */
  readonly sharedMemory?: boolean;
}

export interface DomainOptions {
  /** The lowest free one by default. */
  readonly id?: DomainId;
  readonly memoryPages?: number;
  /** Pages the grant table may grow to, 512 entries each. */
  readonly grantFrames?: number;
  readonly maptrackEntries?: number;
  /** What the domain lies in, when that was made before it. */
  readonly arena?: Arena;
  readonly store: XenstoreClient;
  /** Ends the connection behind `store`, when the domain closes. */
  readonly disconnect?: () => Promise<void>;
}

/** A mapping that outlived its granter. */
export interface Leak extends MappingDescription {
  readonly mapper: DomainId;
}

/** A hypervisor whose domains live in one process and share its memory; of others it may keep copies. */
export class Hypervisor {
  readonly #domains = new Map<DomainId, HostedDomain>();
  readonly #host: Host;
  readonly #sharedMemory: boolean;

  constructor({ scheduler, probes, replicas = noReplicas, sharedMemory = false }: HypervisorOptions) {
    this.#sharedMemory = sharedMemory;
    const find = (id: DomainId) => this.#domains.get(id);
    const forget = (domain: HostedDomain) => {
      this.#domains.delete(domain.id);
      replicas.forgotten(domain);
    };
    this.#host = { scheduler, probes, replicas, copier: new GrantCopier(find), find, forget };
  }

  /** The lowest id that no domain has. */
  get freeDomainId(): DomainId {
    let id = 0;
    while (this.#domains.has(id)) id += 1;
    return id;
  }

  /** A new domain. `Domain.close` destroys it. */
  createDomain(options: DomainOptions): InProcessDomain {
    const id = options.id ?? this.freeDomainId;
    const { maptrackEntries = DEFAULT_MAPTRACK_ENTRIES, store, disconnect = nothing } = options;
    const { memoryPages = DEFAULT_MEMORY_PAGES, grantFrames = DEFAULT_GRANT_FRAMES } = options.arena ?? options;
    const arena = options.arena ?? (this.#sharedMemory ? new Arena({ memoryPages, grantFrames }) : null);
    const size = { memoryPages, grantFrames, maptrackEntries, arena };
    return this.adopt(id, (host) => new InProcessDomain(host, id, size, store, disconnect));
  }

  /** A new domain as `make` makes it, e.g. the copy of one in another process. */
  adopt<Hosted extends HostedDomain>(id: DomainId, make: (host: Host) => Hosted): Hosted {
    if (!(id >= 0 && id < DomainIds.firstReserved) || this.#domains.has(id)) fail(`${id} is no free domain id`);
    const domain = make(this.#host);
    this.#domains.set(id, domain);
    this.#host.replicas.created(domain);
    return domain;
  }

  /** The domains there are, in the order of their creation. */
  domains(): HostedDomain[] {
    return [...this.#domains.values()];
  }

  find(id: DomainId): HostedDomain | undefined {
    return this.#domains.get(id);
  }

  /** What every living domain has open, in the order of their creation. */
  describe(): DomainDescription[] {
    return Array.from(this.#domains.values(), (domain) => domain.describe());
  }

  /** Mappings of pages of domains that are gone: each is somebody's forgotten unmap. */
  leaks(): Leak[] {
    return [...this.#domains.values()].flatMap((domain) =>
      domain.orphans().map((mapping) => ({ ...mapping, mapper: domain.id })),
    );
  }
}

async function nothing(): Promise<void> {}
