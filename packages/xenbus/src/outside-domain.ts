// Knows the copy of a domain that runs in another process: grants and ports as it was told of them. Its pages are
// mirrors. Knows no connection.

import {
  type DomainId,
  GrantTable,
  type Host,
  HostedDomain,
  Memory,
  type MemoryPage,
  type PortRaised,
} from "@pvscsi/xen";
import { MirrorMemory } from "./mirror-memory.js";

/** How large a domain may be. */
export interface DomainLimits {
  readonly memoryPages: number;
  /** Pages the grant table may grow to, 512 entries each. */
  readonly grantFrames: number;
  readonly maptrackEntries: number;
}

export class OutsideDomain extends HostedDomain<GrantTable> {
  readonly #mirrors: MirrorMemory;

  constructor(host: Host, id: DomainId, limits: DomainLimits, raised: PortRaised) {
    const mirrors = new MirrorMemory(limits.memoryPages);
    const table = new GrantTable(new Memory(limits.grantFrames), limits.grantFrames);
    super(host, id, { memory: mirrors, table, maptrackEntries: limits.maptrackEntries, raised });
    this.#mirrors = mirrors;
  }

  /** A grant of the domain; returns its page here. Throws ProtocolError for one that it cannot have made. */
  enter(reference: number, to: DomainId, frame: number, writing: boolean, generation: number): MemoryPage {
    this.table.enter(reference, to, frame, writing ? "read-write" : "read-only", generation);
    return this.#mirrors.share(frame);
  }

  /** The domain has ended a grant. Who uses the page here keeps what it was. */
  drop(reference: number): void {
    this.pins.detach(reference);
    this.#mirrors.unshare(this.table.frame(reference));
    this.table.drop(reference);
  }
}
