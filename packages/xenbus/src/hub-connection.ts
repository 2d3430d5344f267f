// Knows what a domain in another process may say to its hub: every message is checked against the hub's own tables, and
// one that breaks a rule ends the connection. What is said about a grant that has ended meanwhile is dropped.

import { copyBytes, ProtocolError } from "@pvscsi/wire";
import {
  type ArenaDescription,
  type DomainId,
  type GrantAccess,
  type HostedDomain,
  type Mapping,
  PAGE_SIZE,
  type Port,
  type SharedDomain,
  type StoreConnection,
} from "@pvscsi/xen";
import type { MessageCursors } from "./abi/messages.js";
import { Connection, type ConnectionUser } from "./connection.js";
import { FrameReader, type MessageReceiver } from "./frame-reader.js";
import type { AdmittedDomain, Hub } from "./hub.js";
import type { FrameTransport } from "./outbox.js";
import { OutsideDomain } from "./outside-domain.js";
import type { SharedEntry } from "./shared-pages.js";

/** What `use` of a message may be: not used, read, written (and so read as well). */
const USE_NONE = 0;
const USE_READING = 1;
const USE_WRITING = 3;

/** Hands the memory of a domain to a thread of this process, ahead of what is said of the domain. */
export type ShowArena = (domain: DomainId, arena: ArenaDescription) => void;

/** No port has it. */
const NO_SERIAL = -1;

export class HubConnection implements MessageReceiver, ConnectionUser {
  readonly domain: OutsideDomain | SharedDomain;
  readonly messages: Connection;
  readonly #hub: Hub;
  readonly #show: ShowArena | null;
  readonly #store: StoreConnection;
  readonly #reader = new FrameReader();
  /** How the domain uses entries of others: by owner, then by reference. */
  readonly #uses = new Map<HostedDomain, (Mapping | undefined)[]>();
  /** Domains the client was told of, how often, and has not said that it knows: what it says of that id is of another. */
  readonly #untold = new Map<DomainId, number>();
  #open = true;

  constructor(hub: Hub, { domain, admission }: AdmittedDomain, transport: FrameTransport, show: ShowArena | null) {
    this.#hub = hub;
    this.#show = show;
    this.domain = domain;
    this.messages = new Connection(transport, hub.scheduler, this);
    const identity = { domain: domain.id, privileged: admission.privileged ?? false };
    this.#store = hub.xenstored.connect(
      identity,
      (bytes) => this.messages.store(bytes),
      (reason) => hub.expel(domain.id, `xenstored: ${reason}`),
    );
  }

  /** Takes a frame. One that breaks a rule is the domain's end. */
  receive(frame: Uint8Array): void {
    if (!this.#open) return;
    try {
      this.#hub.flooded = null;
      this.#reader.read(frame, this);
      this.#checkReaders();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#hub.expel(this.domain.id, error.message);
    }
  }

  /** Who does not read is not to cost memory without end; whoever writes to it all the same breaks the rule. */
  #checkReaders(): void {
    const { flooded } = this.#hub;
    if (flooded === null) return;
    throw new ProtocolError(`${flooded.messages.unsent} bytes wait for domain ${flooded.domain.id}`);
  }

  flooded(): void {
    this.#hub.flooded = this;
  }

  /** The hub ends the connection. */
  finish(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.messages.end(reason);
    this.messages.drop();
    this.#store.close();
    this.#uses.clear();
    const { probes } = this.#hub;
    if (probes.listening) probes.emit("xenbus:end", { domain: this.domain.id, reason });
  }

  /** Tells of a domain that is new to the client. */
  introduce(domain: HostedDomain): void {
    const { id, table } = domain;
    this.showMemory(domain);
    this.#untold.set(id, (this.#untold.get(id) ?? 0) + 1);
    this.messages.exists(id, table.entries);
  }

  /** Where memory is shared, a domain is known by its memory. */
  showMemory(domain: HostedDomain): void {
    if (domain.arena !== null) this.#show?.(domain.id, domain.arena);
  }

  deliver(port: Port): void {
    this.domain.events.notify(port);
  }

  storeDrained(): void {
    this.#store.drained();
  }

  /** The domain's uses of an owner that is gone: its mirrors are its own, nothing here has to stay for them. */
  endUses(owner: HostedDomain): void {
    for (const mapping of this.#uses.get(owner) ?? []) if (mapping !== undefined) this.domain.unmapEntry(mapping);
    this.#uses.delete(owner);
  }

  endUse(owner: HostedDomain, reference: number): void {
    const uses = this.#uses.get(owner);
    const mapping = uses?.[reference];
    if (uses === undefined || mapping === undefined) return;
    uses[reference] = undefined;
    this.domain.unmapEntry(mapping);
  }

  control(): void {
    throw new ProtocolError("a log-in after the log-in");
  }

  /** The client knows a domain from here on; before, it spoke of an earlier one of that id. */
  exists({ domain }: MessageCursors["exists"]): void {
    const untold = this.#untold.get(domain);
    if (untold === undefined) throw new ProtocolError("which domains there are, said by a domain");
    if (untold === 1) this.#untold.delete(domain);
    else this.#untold.set(domain, untold - 1);
  }

  gone(): void {
    throw new ProtocolError("which domains are gone, said by a domain");
  }

  grant({ domain, reference, generation, frame, to, writing }: MessageCursors["grant"]): void {
    this.#own(domain);
    if (writing > 1) throw new ProtocolError(`access ${writing}`);
    const own = this.#mirrored;
    const { entries } = own.table;
    const page = own.enter(reference, to, frame, writing === 1, generation);
    if (own.table.entries !== entries) this.#hub.grew(own);
    this.#hub.announceGrant(own, reference, page);
  }

  revoke({ domain, reference, generation }: MessageCursors["revoke"]): void {
    this.#own(domain);
    const own = this.#mirrored;
    const entry = this.#hub.shared.find(own, reference);
    if (!entry?.is(generation)) throw new ProtocolError(`reference ${reference} is revoked, and was not granted`);
    this.#hub.revoked(own, reference);
    own.drop(reference);
  }

  use({ domain, reference, generation, use }: MessageCursors["use"]): void {
    const owner = this.#other(domain);
    const own = this.#mirrored;
    if (use !== USE_NONE && use !== USE_READING && use !== USE_WRITING) throw new ProtocolError(`use ${use}`);
    const entry = owner === undefined ? undefined : this.#foreign(owner, reference, generation);
    if (owner === undefined || entry === undefined) return;
    if (use === USE_WRITING && !entry.writable) throw new ProtocolError(`reference ${reference} is read-only`);
    const uses = this.#usesOf(owner);
    const before = uses[reference];
    if (use === USE_NONE) uses[reference] = undefined;
    else uses[reference] = this.#map(owner, entry, use === USE_WRITING ? "read-write" : "read-only") ?? before;
    // After the new mapping: the entry is in use all the time.
    if (before !== undefined && uses[reference] !== before) own.unmapEntry(before);
  }

  range(
    { domain, reference, generation, offset, length }: MessageCursors["range"],
    frame: Uint8Array,
    at: number,
  ): void {
    if (length === 0 || offset + length > PAGE_SIZE) throw new ProtocolError(`a range ${offset}+${length} of a page`);
    const own = this.#mirrored;
    const owner = domain === own.id ? own : this.#other(domain);
    if (owner === undefined) return;
    const entry = this.#sharedWith(owner, reference, generation);
    if (entry === undefined || entry.page === null) return;
    const { bytes } = entry.page;
    copyBytes(frame, at, bytes, offset, length);
    owner.copiedBytes += length;
    const first = this.#hub.shared.at(bytes) as SharedEntry;
    this.#hub.forward(first, owner === this.domain ? null : entry, bytes, offset, length);
  }

  open({ domain, port, serial, remote }: MessageCursors["open"]): void {
    this.#own(domain);
    if (!this.domain.events.openAt(port, remote, serial)) throw new ProtocolError(`port ${port} is not free`);
  }

  close({ domain, port }: MessageCursors["close"]): void {
    this.#own(domain);
    this.#ownPort(port);
    this.domain.events.close(port);
  }

  bind({ domain, port, serial, remote, remotePort, remoteSerial }: MessageCursors["bind"]): void {
    this.#own(domain);
    const meant = this.#untold.has(remote) ? NO_SERIAL : remoteSerial;
    if (!this.domain.events.bindAt(port, serial, remote, remotePort, meant)) {
      throw new ProtocolError(`port ${port} is not free`);
    }
    // Whatever was sent to the domain until now was sent before anything was bound, and dropped.
    this.domain.events.raise(port);
  }

  event({ port }: MessageCursors["event"]): void {
    this.#ownPort(port);
    this.messages.received(port);
  }

  store(piece: Uint8Array): void {
    this.#store.receive(piece);
  }

  /** The domain, when what it grants, maps and writes has to be said. */
  get #mirrored(): OutsideDomain {
    if (this.domain instanceof OutsideDomain) return this.domain;
    throw new ProtocolError("pages are spoken of, where memory is shared");
  }

  /** What a domain says of itself. */
  #own(domain: number): void {
    if (domain !== this.domain.id) throw new ProtocolError(`domain ${domain} is not who speaks`);
  }

  /** A domain that is spoken of; one that is gone was there when the message was written, and it is not its successor. */
  #other(domain: number): HostedDomain | undefined {
    if (domain === this.domain.id) throw new ProtocolError("a domain's own page, as if another domain's");
    const other = this.#untold.has(domain) ? undefined : this.#hub.hypervisor.find(domain);
    if (other === undefined) this.#hub.late += 1;
    return other;
  }

  #ownPort(port: number): void {
    if (this.domain.events.end(port) === undefined) throw new ProtocolError(`port ${port} is closed`);
  }

  /** The grant that a range names: the domain's own, or one that lets it write. */
  #sharedWith(owner: HostedDomain, reference: number, generation: number): SharedEntry | undefined {
    if (owner !== this.domain) {
      const entry = this.#foreign(owner, reference, generation);
      if (entry !== undefined && !entry.writable) throw new ProtocolError(`reference ${reference} is read-only`);
      return entry;
    }
    const entry = this.#hub.shared.find(owner, reference);
    if (!entry?.is(generation)) throw new ProtocolError(`a range of reference ${reference}, which is not granted`);
    return entry;
  }

  /** An entry of another domain that is for this one; undefined, and counted, when its grant has ended. */
  #foreign(owner: HostedDomain, reference: number, generation: number): SharedEntry | undefined {
    const entry = this.#hub.shared.find(owner, reference);
    if (entry === undefined || !entry.is(generation)) {
      this.#hub.late += 1;
      return undefined;
    }
    if (entry.to !== this.domain.id) throw new ProtocolError(`reference ${reference} of domain ${owner.id} is not its`);
    return entry;
  }

  #map(owner: HostedDomain, { reference }: SharedEntry, access: GrantAccess): Mapping | undefined {
    const mapping = this.domain.mapping(this.domain.mapEntry(owner.id, reference, access));
    if (mapping === undefined) this.#hub.late += 1;
    return mapping;
  }

  #usesOf(owner: HostedDomain): (Mapping | undefined)[] {
    const known = this.#uses.get(owner);
    if (known !== undefined) return known;
    const uses: (Mapping | undefined)[] = [];
    this.#uses.set(owner, uses);
    return uses;
  }
}
