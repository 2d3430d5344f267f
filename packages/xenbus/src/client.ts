// Knows a domain whose hub is in another process: its own half is an ordinary domain here, the others are copies as the
// hub tells of them. Knows no socket.

import { copyBytes, type Places, type Probes, ProtocolError, type Scheduler } from "@pvscsi/wire";
import {
  type Arena,
  type DomainId,
  GrantFlags,
  type GrantingDomain,
  type Host,
  type HostedDomain,
  Hypervisor,
  type InProcessDomain,
  type MemoryPage,
  PAGE_SIZE,
  type Port,
  type PortEnd,
  type Replicas,
  SharedDomain,
  XenstoreSession,
} from "@pvscsi/xen";
import { type MessageCursors, USE_SHIFT } from "./abi/messages.js";
import { Connection, type ConnectionUser } from "./connection.js";
import { decodeWelcome, encodeHello } from "./control.js";
import { FrameReader, type MessageReceiver } from "./frame-reader.js";
import type { FrameTransport } from "./outbox.js";
import { OutsideDomain } from "./outside-domain.js";
import { type SharedEntry, SharedPages } from "./shared-pages.js";

export interface XenbusClientOptions {
  readonly domain: DomainId;
  /** What the hub knows the domain by: `SECRET_SIZE` bytes. */
  readonly secret: Uint8Array;
  readonly transport: FrameTransport;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  /** In a thread of the hub's process: the memory that the hub has handed over for a domain. */
  readonly arenaOf?: (domain: DomainId) => Arena | undefined;
}

/** Of other domains: each grant has a frame of its own here, and the hub watches over how many there are. */
const OUTSIDE_LIMITS = {
  memoryPages: Number.POSITIVE_INFINITY,
  grantFrames: 1 << 16,
  maptrackEntries: 0,
} as const;
const USE_MASK = GrantFlags.reading | GrantFlags.writing;

export class XenbusClient implements Replicas, MessageReceiver, ConnectionUser {
  /** Resolves when the hub has let the domain in; rejects when the connection ends before. */
  readonly joined: Promise<InProcessDomain>;
  /** Resolves with the reason when the connection is over. */
  readonly ended: Promise<string>;
  /** Messages about grants that had ended meanwhile: dropped. */
  late = 0;
  readonly #options: XenbusClientOptions;
  readonly #messages: Connection;
  readonly #hypervisor: Hypervisor;
  readonly #shared = new SharedPages();
  readonly #reader = new FrameReader();
  readonly #store: XenstoreSession;
  #self: InProcessDomain | null = null;
  #join!: (domain: InProcessDomain) => void;
  #refuse!: (error: Error) => void;
  #end!: (reason: string) => void;
  #begun = false;
  #open = true;

  /** Says hello at once. */
  constructor(options: XenbusClientOptions) {
    const { scheduler, probes, transport, domain, secret } = options;
    this.#options = options;
    this.joined = new Promise((resolve, reject) => {
      this.#join = resolve;
      this.#refuse = reject;
    });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#hypervisor = new Hypervisor({ scheduler, probes, replicas: this });
    this.#messages = new Connection(transport, scheduler, this);
    this.#store = new XenstoreSession({
      send: (bytes) => this.#messages.store(bytes),
      close: () => this.#leave("the connection to xenstored has ended"),
    });
    this.#messages.control(encodeHello(domain, secret));
  }

  /** Bytes that wait for the hub to read. */
  get unsent(): number {
    return this.#messages.unsent;
  }

  /** Takes a frame of the hub. One that breaks a rule ends the connection. */
  receive(frame: Uint8Array): void {
    if (!this.#open) return;
    try {
      this.#reader.read(frame, this);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#leave(`the hub broke the protocol: ${error.message}`);
    }
  }

  /** The transport has ended: the hub is gone, and with it every other domain. */
  transportEnded(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#messages.drop();
    for (const domain of this.#hypervisor.domains()) if (domain !== this.#self) domain.end();
    if (this.#self !== null) this.#endUses(this.#self);
    this.#store.close(reason);
    this.#refuse(new ProtocolError(reason));
    this.#end(reason);
  }

  deliver(port: Port): void {
    this.#self?.events.raise(port);
  }

  /** The session's requests are bounded by their answers. */
  storeDrained(): void {}

  /** What waits for the hub was made here. */
  flooded(): void {}

  control(payload: Uint8Array): void {
    if (this.#self !== null) throw new ProtocolError("a second welcome");
    const { domain, memoryPages, grantFrames, maptrackEntries } = decodeWelcome(payload);
    const arena = this.#arenaOf(domain);
    if (domain !== this.#options.domain) throw new ProtocolError(`a welcome for domain ${domain}`);
    this.#self = this.#hypervisor.createDomain({
      id: domain,
      memoryPages,
      grantFrames,
      maptrackEntries,
      ...(arena && { arena }),
      store: this.#store,
      disconnect: () => this.#disconnect(),
    });
  }

  /** There is a domain, or it has grown; of the domain itself, that it has been told of all the others. */
  exists({ domain, entries }: MessageCursors["exists"]): void {
    if (domain === this.#own.id) return this.#begin(this.#own);
    const known = this.#hypervisor.find(domain);
    const other = known ?? this.#hypervisor.adopt(domain, (host) => this.#outsider(host, domain));
    if (other instanceof OutsideDomain) other.table.cover(entries);
    // What was said before of that id, the hub does not take to be of this domain.
    if (known === undefined) this.#messages.exists(domain, 0);
  }

  #outsider(host: Host, domain: DomainId): OutsideDomain | SharedDomain {
    const raised = (port: PortEnd) => {
      if (port.peer !== null) this.#messages.event(port.peer.port);
    };
    const arena = this.#arenaOf(domain);
    if (arena !== undefined) return new SharedDomain(host, domain, arena, raised);
    return new OutsideDomain(host, domain, OUTSIDE_LIMITS, raised);
  }

  /** Undefined where no memory is shared. */
  #arenaOf(domain: DomainId): Arena | undefined {
    const { arenaOf } = this.#options;
    if (arenaOf === undefined) return undefined;
    const arena = arenaOf(domain);
    if (arena === undefined) throw new ProtocolError(`domain ${domain} without its memory`);
    return arena;
  }

  /** Bytes of others that came later would overwrite what the domain has written by then. */
  #begin(self: InProcessDomain): void {
    if (this.#begun) throw new ProtocolError("a second beginning");
    this.#begun = true;
    this.#join(self);
  }

  gone({ domain }: MessageCursors["gone"]): void {
    this.#other(domain).end();
  }

  grant({ domain, reference, to, writing, generation }: MessageCursors["grant"]): void {
    if (to !== this.#own.id) throw new ProtocolError(`a grant for domain ${to}`);
    const owner = this.#outside(domain);
    const page = owner.enter(reference, to, reference, writing === 1, generation);
    this.#shared.add(owner, reference, page);
  }

  revoke({ domain, reference, generation }: MessageCursors["revoke"]): void {
    const owner = this.#outside(domain);
    const entry = this.#shared.find(owner, reference);
    if (!entry?.is(generation)) throw new ProtocolError(`reference ${reference} is revoked, and was not granted`);
    this.#shared.remove(owner, reference);
    owner.drop(reference);
  }

  /** How others use an own page; a grant that was ended meanwhile is not to be touched. */
  use({ domain, reference, generation, use }: MessageCursors["use"]): void {
    const own = this.#own;
    if (domain !== own.id) throw new ProtocolError(`a use of domain ${domain}'s entry`);
    const entry = this.#shared.find(own, reference);
    if (!entry?.is(generation)) {
      this.late += 1;
      return;
    }
    entry.toldUse = (use << USE_SHIFT) & USE_MASK;
    own.table.setUse(reference, entry.toldUse);
    pinWhileUsed(own, entry);
  }

  range(
    { domain, reference, generation, offset, length }: MessageCursors["range"],
    frame: Uint8Array,
    at: number,
  ): void {
    if (offset + length > PAGE_SIZE) throw new ProtocolError(`a range ${offset}+${length} of a page`);
    const owner = domain === this.#own.id ? this.#own : this.#outside(domain);
    const entry = this.#shared.find(owner, reference);
    if (!entry?.is(generation) || entry.page === null) {
      this.late += 1;
      return;
    }
    if (!(entry.page.allocated || entry.page.pins > 0)) return;
    copyBytes(frame, at, entry.page.bytes, offset, length);
    owner.copiedBytes += length;
  }

  open({ domain, port, serial, remote }: MessageCursors["open"]): void {
    const { events } = this.#other(domain);
    // What the own port was bound to is offered again; here it never was anything else.
    if (events.end(port)?.serial === serial) return;
    if (!events.openAt(port, remote, serial)) throw new ProtocolError(`port ${port} of domain ${domain} is not free`);
  }

  close({ domain, port }: MessageCursors["close"]): void {
    this.#other(domain).events.close(port);
  }

  bind({ domain, port, serial, remote, remotePort, remoteSerial }: MessageCursors["bind"]): void {
    const { events } = this.#other(domain);
    if (remote !== this.#own.id || !events.bindAt(port, serial, remote, remotePort, remoteSerial)) {
      throw new ProtocolError(`port ${port} of domain ${domain} is bound, and cannot be`);
    }
  }

  event({ port }: MessageCursors["event"]): void {
    this.#messages.received(port);
  }

  store(piece: Uint8Array): void {
    this.#store.receive(piece);
  }

  created(): void {}

  forgotten(domain: HostedDomain): void {
    this.#shared.removeAll(domain);
  }

  /** The hub sees it by the references it is told. */
  grew(): void {}

  granted(domain: GrantingDomain, reference: number): void {
    if (domain.arena !== null) return;
    const page = domain.memory.find(domain.table.frame(reference));
    if (domain === this.#self && page !== undefined) this.#messages.grant(this.#shared.add(domain, reference, page));
  }

  revoked(domain: HostedDomain, reference: number): void {
    const entry = this.#shared.remove(domain, reference);
    if (entry !== undefined && domain === this.#self) this.#messages.revoke(entry);
  }

  used(domain: HostedDomain, reference: number): void {
    const entry = this.#shared.find(domain, reference);
    if (entry?.live && domain !== this.#self) this.#messages.useChanged(entry);
  }

  published(writer: HostedDomain, ranges: Places, length: number): void {
    let left = length;
    for (let i = 0; left > 0; i++) {
      const size = Math.min(left, ranges.size(i));
      left -= size;
      const entry = this.#shared.at(ranges.page(i));
      if (entry !== undefined && (entry.owner === writer || entry.writable)) {
        this.#messages.range(entry, ranges.page(i), ranges.offset(i), size);
      }
    }
  }

  opened(port: PortEnd): void {
    if (port.owner === this.#self?.id) this.#messages.open(port);
  }

  /** The hub has seen the end of what the port was bound to before. */
  released(): void {}

  closed(port: PortEnd): void {
    if (port.owner === this.#self?.id) this.#messages.close(port);
  }

  /** The hub may know that somebody has bound to it. */
  unheard(port: PortEnd): void {
    if (port.owner === this.#self?.id) this.#messages.event(port.port);
  }

  bound(port: PortEnd): void {
    if (port.owner === this.#self?.id && port.peer !== null) this.#messages.bind(port, port.peer);
  }

  get #own(): InProcessDomain {
    if (this.#self === null) throw new ProtocolError("a message before the welcome");
    return this.#self;
  }

  #other(id: number): HostedDomain {
    const domain = this.#hypervisor.find(id);
    if (domain === undefined || domain === this.#self) throw noSuchDomain(id);
    return domain;
  }

  /** A domain whose pages have copies here. */
  #outside(id: number): OutsideDomain {
    const domain = this.#other(id);
    if (!(domain instanceof OutsideDomain)) throw noSuchDomain(id);
    return domain;
  }

  /** Nobody uses the own pages any more. */
  #endUses(own: InProcessDomain): void {
    for (const { reference } of own.table.describe()) {
      const entry = this.#shared.find(own, reference);
      if (own.arena !== null) own.table.setUse(reference, 0);
      if (entry?.live) {
        own.table.setUse(reference, 0);
        entry.toldUse = 0;
        pinWhileUsed(own, entry);
      }
    }
  }

  /** Leaves by own will: what was said before is still heard. */
  async #disconnect(): Promise<void> {
    this.#leave("the domain has closed");
    await this.ended;
  }

  #leave(reason: string): void {
    if (!this.#open) return;
    this.#messages.end(reason);
    this.transportEnded(reason);
  }
}

function noSuchDomain(id: number): ProtocolError {
  return new ProtocolError(`a message of domain ${id}, which there is not`);
}

/** Keeps the page of an own entry while others use it. One that was freed before it was used is not to be kept. */
function pinWhileUsed({ memory }: InProcessDomain, entry: SharedEntry): void {
  const page = entry.page as MemoryPage;
  const used = entry.toldUse !== 0;
  if (used === entry.pinned) return;
  if (used && !page.allocated && page.pins === 0) return;
  entry.pinned = used;
  if (used) memory.pin(page);
  else memory.unpin(page);
}
