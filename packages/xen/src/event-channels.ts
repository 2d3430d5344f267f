// Knows event channels: ports, what they are bound to, one pending bit and one mask bit each, and delivery from the
// scheduler. Knows neither pages nor why anybody sends an event.

import type { Probes, Runnable, Scheduler } from "@pvscsi/wire";
import { EVTCHN_2L_NR_CHANNELS } from "./abi/event-channel.js";
import type { DomainId, EventChannelState, EventChannels, EventError, Port } from "./domain.js";
import type { PortEnd, PortObserver } from "./replicas.js";

/** Finds the ports of another domain; undefined when there is no such domain. */
export type FindPorts = (id: DomainId) => PortTable | undefined;

/** Takes an event for a port whose owner runs elsewhere. */
export type PortRaised = (port: PortEnd) => void;

/**
 * One port from its allocation to its close. It is queued on the scheduler itself, so a delivery allocates nothing; one
 * that is still queued when the port is closed finds it closed and does nothing (XSA-441).
 */
class Channel implements Runnable, PortEnd {
  readonly port: Port;
  readonly serial: number;
  readonly #table: PortTable;
  state: EventChannelState = "unbound";
  /** Who is at the other end, or who may bind to it. */
  remote: DomainId;
  peer: Channel | null = null;
  pending = false;
  masked = false;
  handler: Runnable | null = null;
  #queued = false;

  constructor(table: PortTable, port: Port, remote: DomainId, serial: number) {
    this.#table = table;
    this.port = port;
    this.remote = remote;
    this.serial = serial;
  }

  get owner(): DomainId {
    return this.#table.id;
  }

  /** Sets the pending bit: several events before a delivery are one. */
  raise(): void {
    if (this.#table.raised !== null) {
      this.#table.raised(this);
      return;
    }
    this.pending = true;
    this.deliverSoon();
  }

  /** Whether events sent on the port go to where copies of pages are seen. */
  get leadsToMirrors(): boolean {
    const { peer } = this;
    return peer === null ? false : peer.#table.mirrored;
  }

  deliverSoon(): void {
    if (this.#queued || !this.#deliverable()) return;
    this.#queued = true;
    this.#table.scheduler.soon(this);
  }

  run(): void {
    this.#queued = false;
    if (!this.#deliverable()) return;
    this.pending = false;
    if (this.#table.probes.listening) this.#table.probes.emit("event:deliver", this);
    this.handler?.run();
  }

  #deliverable(): boolean {
    return this.pending && !this.masked && this.handler !== null;
  }
}

/** What `lsevtchn` shows of a port. */
export interface PortDescription {
  readonly port: Port;
  readonly state: EventChannelState;
  readonly remote: DomainId;
  /** 0 while nobody is bound. */
  readonly remotePort: Port;
  readonly pending: boolean;
  readonly masked: boolean;
}

export interface PortTableOptions {
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly find: FindPorts;
  readonly observer: PortObserver;
  /** For ports whose owner runs elsewhere: takes the events that are sent to them. */
  readonly raised?: PortRaised | undefined;
  /** Whether such an owner sees copies of pages. */
  readonly mirrored: boolean;
}

/** The ports of one domain. */
export class PortTable implements EventChannels {
  readonly id: DomainId;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly raised: PortRaised | null;
  readonly mirrored: boolean;
  readonly #find: FindPorts;
  readonly #observer: PortObserver;
  readonly #channels: (Channel | undefined)[] = [];
  /** No port below this one is free. */
  #lowest = 1;
  #serial = 0;
  /** Events that this domain has sent. */
  sent = 0;

  constructor(id: DomainId, { scheduler, probes, find, observer, raised, mirrored }: PortTableOptions) {
    this.id = id;
    this.scheduler = scheduler;
    this.probes = probes;
    this.raised = raised ?? null;
    this.mirrored = mirrored;
    this.#find = find;
    this.#observer = observer;
  }

  allocateUnbound(remote: DomainId): Port | EventError {
    const port = this.#freePort();
    if (port === 0) return "ENOSPC";
    return this.#open(port, remote, this.#nextSerial()).port;
  }

  bindInterdomain(remote: DomainId, remotePort: Port): Port | EventError {
    const peer = this.#bindable(remote, remotePort);
    if (typeof peer === "string") return peer;
    const port = this.#freePort();
    if (port === 0) return "ENOSPC";
    // Whatever was sent to the peer while it was unbound was dropped: it may have meant us.
    this.#bind(port, this.#nextSerial(), peer).raise();
    return port;
  }

  /** A port that its owner, in another process, has allocated; false where it is no free port. */
  openAt(port: Port, remote: DomainId, serial: number): boolean {
    if (!this.#isFree(port)) return false;
    this.#open(port, remote, serial);
    return true;
  }

  /**
   * A port that its owner, in another process, has bound; false where it is no free port. It stays unbound when what
   * it was bound to is not there any more. It is not raised.
   */
  bindAt(port: Port, serial: number, remote: DomainId, remotePort: Port, remoteSerial: number): boolean {
    if (!this.#isFree(port)) return false;
    const peer = this.#bindable(remote, remotePort);
    if (typeof peer === "string" || peer.serial !== remoteSerial) this.#open(port, remote, serial);
    else this.#bind(port, serial, peer);
    return true;
  }

  close(port: Port): void {
    const channel = this.#channels[port];
    if (channel === undefined) return;
    this.#channels[port] = undefined;
    this.#lowest = Math.min(this.#lowest, port);
    const { peer } = channel;
    channel.state = "closed";
    channel.handler = null;
    channel.peer = null;
    this.#observer.closed(channel);
    if (peer === null) return;
    peer.peer = null;
    peer.state = "unbound";
    // The same domain may bind again.
    this.#observer.released(peer);
  }

  /** Closes every port; no port is allocated after that. */
  closeAll(): void {
    for (let port = 1; port < this.#channels.length; port++) this.close(port);
    this.#lowest = EVTCHN_2L_NR_CHANNELS;
  }

  notify(port: Port): "EINVAL" | null {
    const channel = this.#channels[port];
    if (channel === undefined) return "EINVAL";
    this.sent += 1;
    if (this.probes.listening) this.probes.emit("event:notify", channel);
    if (channel.peer === null) this.#observer.unheard(channel);
    else channel.peer.raise();
    return null;
  }

  /** Sets a port's own pending bit: an event from another process. */
  raise(port: Port): void {
    this.#channels[port]?.raise();
  }

  /** Whether what is sent on the port goes to where copies of pages are seen. */
  leadsToMirrors(port: Port): boolean {
    return this.#channels[port]?.leadsToMirrors ?? false;
  }

  /** The port as others see it; undefined when it is closed. */
  end(port: Port): PortEnd | undefined {
    return this.#channels[port];
  }

  /** All ports, by number. */
  ends(): PortEnd[] {
    return this.#channels.filter((channel) => channel !== undefined);
  }

  mask(port: Port): void {
    const channel = this.#channels[port];
    if (channel !== undefined) channel.masked = true;
  }

  unmask(port: Port): void {
    const channel = this.#channels[port];
    if (channel === undefined) return;
    channel.masked = false;
    channel.deliverSoon();
  }

  listen(port: Port, handler: Runnable | null): void {
    const channel = this.#channels[port];
    if (channel === undefined) return;
    channel.handler = handler;
    channel.deliverSoon();
  }

  state(port: Port): EventChannelState {
    return this.#channels[port]?.state ?? "closed";
  }

  describe(): PortDescription[] {
    return this.#channels
      .filter((channel) => channel !== undefined)
      .map(({ port, state, remote, peer, pending, masked }) => {
        return { port, state, remote, remotePort: peer?.port ?? 0, pending, masked };
      });
  }

  #bindable(remote: DomainId, remotePort: Port): Channel | EventError {
    const ports = this.#find(remote);
    if (ports === undefined) return "ESRCH";
    const peer = ports.#channels[remotePort];
    return peer === undefined || peer.state !== "unbound" || peer.remote !== this.id ? "EINVAL" : peer;
  }

  #open(port: Port, remote: DomainId, serial: number): Channel {
    const channel = this.#place(port, remote, serial);
    this.#observer.opened(channel);
    return channel;
  }

  #bind(port: Port, serial: number, peer: Channel): Channel {
    const channel = this.#place(port, peer.owner, serial);
    channel.state = peer.state = "interdomain";
    channel.peer = peer;
    peer.peer = channel;
    this.#observer.bound(channel);
    return channel;
  }

  #place(port: Port, remote: DomainId, serial: number): Channel {
    const channel = new Channel(this, port, remote, serial);
    this.#channels[port] = channel;
    return channel;
  }

  /** The lowest free port, as Xen chooses; 0 when all are taken. */
  #freePort(): Port {
    while (this.#channels[this.#lowest] !== undefined) this.#lowest += 1;
    return this.#lowest < EVTCHN_2L_NR_CHANNELS ? this.#lowest : 0;
  }

  #isFree(port: Port): boolean {
    return port > 0 && port < EVTCHN_2L_NR_CHANNELS && this.#channels[port] === undefined;
  }

  #nextSerial(): number {
    this.#serial = (this.#serial + 1) >>> 0;
    return this.#serial;
  }
}
