// Knows the domains of a machine, those in this process and those behind connections, and carries what one does to the
// others. What a client may say is in hub-connection.ts.

import { fail, type Places, type Probes, type Scheduler } from "@pvscsi/wire";
import {
  Arena,
  DEFAULT_GRANT_FRAMES,
  DEFAULT_MAPTRACK_ENTRIES,
  type DomainId,
  type GrantingDomain,
  type HostedDomain,
  Hypervisor,
  type MemoryPage,
  type PortEnd,
  type Replicas,
  SharedDomain,
  type Xenstored,
} from "@pvscsi/xen";
import { Arrival } from "./arrival.js";
import { HubConnection, type ShowArena } from "./hub-connection.js";
import type { FrameTransport } from "./outbox.js";
import { type DomainLimits, OutsideDomain } from "./outside-domain.js";
import { type SharedEntry, SharedPages } from "./shared-pages.js";

export interface HubOptions {
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly xenstored: Xenstored;
  /** Whether its domains run in threads of this process, and share their memory; on sockets when it is left out. */
  readonly sharedMemory?: boolean;
}

/** A domain that may connect. */
export interface Admission {
  readonly id: DomainId;
  /** What it has to prove itself with: `SECRET_SIZE` bytes. */
  readonly secret: Uint8Array;
  readonly memoryPages: number;
  readonly grantFrames?: number;
  readonly maptrackEntries?: number;
  /** May do everything in xenstored. */
  readonly privileged?: boolean;
  /** The domain has ended, for this reason. */
  readonly ended?: (reason: string) => void;
}

/** A domain that was admitted, from then to its end. */
export interface AdmittedDomain {
  readonly admission: Admission;
  readonly limits: DomainLimits;
  readonly domain: OutsideDomain | SharedDomain;
  /** Null until the domain has logged in. */
  connection: HubConnection | null;
}

/** The subject of the probe `xenbus:end`: a connection that is over, `domain` null for one that never logged in. */
export interface XenbusEnd {
  readonly domain: DomainId | null;
  readonly reason: string;
}

export class Hub implements Replicas {
  readonly hypervisor: Hypervisor;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly xenstored: Xenstored;
  /** Pages of which there are copies elsewhere; none where memory is shared. */
  readonly shared = new SharedPages();
  readonly sharesMemory: boolean;
  /** Messages about grants that had ended meanwhile: dropped. */
  late = 0;
  /** Whom more waits for than anybody may leave unread, since the frame began that is read now. */
  flooded: HubConnection | null = null;
  readonly #admitted = new Map<DomainId, AdmittedDomain>();

  constructor({ scheduler, probes, xenstored, sharedMemory = false }: HubOptions) {
    this.scheduler = scheduler;
    this.probes = probes;
    this.xenstored = xenstored;
    this.sharesMemory = sharedMemory;
    this.hypervisor = new Hypervisor({ scheduler, probes, replicas: this, sharedMemory });
  }

  /** Makes a domain that exists from now on, and runs in the process that proves to be it. */
  admit(admission: Admission): void {
    const { id, memoryPages } = admission;
    const { grantFrames = DEFAULT_GRANT_FRAMES, maptrackEntries = DEFAULT_MAPTRACK_ENTRIES } = admission;
    const limits = { memoryPages, grantFrames, maptrackEntries };
    const raised = (port: PortEnd) => this.connectionOf(id)?.messages.event(port.port);
    const domain = this.hypervisor.adopt(id, (host) =>
      this.sharesMemory
        ? new SharedDomain(host, id, new Arena(limits), raised)
        : new OutsideDomain(host, id, limits, raised),
    );
    this.#admitted.set(id, { admission, limits, domain, connection: null });
  }

  /** Ends a domain that was admitted, and its connection. */
  expel(id: DomainId, reason: string): void {
    const admitted = this.#admitted.get(id);
    if (admitted === undefined) return;
    this.#admitted.delete(id);
    admitted.connection?.finish(reason);
    admitted.domain.end();
    admitted.admission.ended?.(reason);
  }

  /**
   * A new connection, of whoever it may be: its frames, and its end, go to what is returned. A thread of this process is
   * handed memory by `show`.
   */
  accept(transport: FrameTransport, show: ShowArena | null = null): Arrival {
    return new Arrival(this, transport, show);
  }

  /** A thread has ended in the middle of what it did: others' pages are not its any more. */
  endUses(id: DomainId): void {
    for (const { table } of this.hypervisor.domains()) table.endUses(id);
  }

  /** A domain that was admitted; undefined when there is none of that id. */
  admitted(id: DomainId): AdmittedDomain | undefined {
    return this.#admitted.get(id);
  }

  /** Whose connection it is, is proven: tells it all it has to know, and listens to it. */
  join(
    admitted: AdmittedDomain,
    transport: FrameTransport,
    welcome: Uint8Array,
    show: ShowArena | null,
  ): HubConnection {
    if (admitted.connection !== null) fail(`domain ${admitted.domain.id} is connected already`);
    const connection = new HubConnection(this, admitted, transport, show);
    admitted.connection = connection;
    const { domain } = admitted;
    connection.showMemory(domain);
    connection.messages.control(welcome);
    for (const other of this.hypervisor.domains()) {
      if (other === domain) continue;
      connection.introduce(other);
      if (!(other instanceof SharedDomain)) this.#announceGrants(connection, other as GrantingDomain, domain.id);
      for (const port of other.events.ends()) {
        if (port.remote === domain.id && port.state === "unbound") connection.messages.open(port);
      }
    }
    // Itself at last: it begins when it has everything that was there before it.
    connection.messages.exists(domain.id, domain.table.entries);
    return connection;
  }

  connectionOf(id: DomainId): HubConnection | null {
    return this.#admitted.get(id)?.connection ?? null;
  }

  /**
   * Shows bytes of a page with this first grant to everybody who shares the page, but who wrote them: the owner, or the
   * grantee of `via`.
   */
  forward(first: SharedEntry, via: SharedEntry | null, bytes: Uint8Array, at: number, size: number): void {
    for (let entry: SharedEntry | null = first; entry !== null; entry = entry.next) {
      if (entry !== via) this.connectionOf(entry.to)?.messages.range(entry, bytes, at, size);
    }
    if (via !== null) this.connectionOf(via.owner.id)?.messages.range(via, bytes, at, size);
  }

  /** A grant was made, here or by a client. */
  announceGrant(owner: GrantingDomain, reference: number, page: MemoryPage): void {
    const entry = this.shared.add(owner, reference, page);
    this.connectionOf(entry.to)?.messages.grant(entry);
  }

  created(domain: HostedDomain): void {
    for (const connection of this.#connections()) {
      if (connection.domain !== domain) connection.introduce(domain);
    }
  }

  forgotten(domain: HostedDomain): void {
    this.shared.removeAll(domain);
    for (const connection of this.#connections()) {
      if (connection.domain === domain) continue;
      connection.endUses(domain);
      connection.messages.gone(domain.id);
    }
  }

  grew(domain: HostedDomain): void {
    if (this.sharesMemory) return;
    for (const { domain: reader, messages } of this.#connections()) {
      if (reader !== domain) messages.exists(domain.id, domain.table.entries);
    }
  }

  granted(domain: GrantingDomain, reference: number): void {
    if (this.sharesMemory) return;
    const to = domain.table.grantee(reference);
    if (!this.#admitted.has(to)) return;
    const page = domain.memory.find(domain.table.frame(reference));
    if (page !== undefined) this.announceGrant(domain, reference, page);
  }

  /** A grant has ended, here or a client's: whoever has a copy of the page is told. */
  revoked(domain: HostedDomain, reference: number): void {
    const entry = this.shared.remove(domain, reference);
    if (entry === undefined) return;
    const connection = this.connectionOf(entry.to);
    connection?.endUse(domain, reference);
    connection?.messages.revoke(entry);
  }

  used(domain: HostedDomain, reference: number): void {
    const connection = this.connectionOf(domain.id);
    if (connection === null) return;
    const entry = this.shared.find(domain, reference);
    if (entry?.live) connection.messages.useChanged(entry);
  }

  published(writer: HostedDomain, ranges: Places, length: number): void {
    let left = length;
    for (let i = 0; left > 0; i++) {
      const size = Math.min(left, ranges.size(i));
      left -= size;
      const bytes = ranges.page(i);
      const first = this.shared.at(bytes);
      if (first === undefined) continue;
      const via = first.owner === writer ? null : writableBy(first, writer.id);
      if (via !== undefined) this.forward(first, via, bytes, ranges.offset(i), size);
    }
  }

  opened(port: PortEnd): void {
    this.connectionOf(port.remote)?.messages.open(port);
  }

  released(port: PortEnd): void {
    this.opened(port);
  }

  closed(port: PortEnd): void {
    this.connectionOf(port.remote)?.messages.close(port);
  }

  unheard(): void {}

  bound(port: PortEnd): void {
    if (port.peer !== null) this.connectionOf(port.remote)?.messages.bind(port, port.peer);
  }

  #connections(): HubConnection[] {
    return [...this.#admitted.values()].flatMap(({ connection }) => connection ?? []);
  }

  /** Grants made before the grantee came: with what the pages hold by now. */
  #announceGrants({ messages }: HubConnection, owner: GrantingDomain, to: DomainId): void {
    if (this.sharesMemory) return;
    for (const { reference, frame, to: grantee } of owner.table.describe()) {
      if (grantee !== to) continue;
      const page = owner.memory.find(frame);
      if (page === undefined) continue;
      const known = this.shared.find(owner, reference);
      const entry = known?.live ? known : this.shared.add(owner, reference, page);
      messages.grant(entry);
      messages.range(entry, page.bytes, 0, page.bytes.length);
    }
  }
}

/** The grant by which a domain may write to a page; undefined when there is none. */
function writableBy(first: SharedEntry, writer: DomainId): SharedEntry | undefined {
  for (let entry: SharedEntry | null = first; entry !== null; entry = entry.next) {
    if (entry.to === writer && entry.writable) return entry;
  }
  return undefined;
}
