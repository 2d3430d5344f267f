// Knows event channels: ports, what they are bound to, one pending bit and one mask bit each, and delivery from the
// scheduler. Knows neither pages nor why anybody sends an event.

import type { Probes, Runnable, Scheduler } from "@pvscsi/wire";
import { EVTCHN_2L_NR_CHANNELS } from "./abi/event-channel.js";
import type { DomainId, EventChannelState, EventChannels, EventError, Port } from "./domain.js";

/** Finds the ports of another domain; undefined when there is no such domain. */
export type FindPorts = (id: DomainId) => PortTable | undefined;

/**
 * One port from its allocation to its close. It is queued on the scheduler itself, so a delivery allocates nothing; one
 * that is still queued when the port is closed finds it closed and does nothing (XSA-441).
 */
class Channel implements Runnable {
  readonly port: Port;
  readonly #table: PortTable;
  state: EventChannelState = "unbound";
  /** Who is at the other end, or who may bind to it. */
  remote: DomainId;
  peer: Channel | null = null;
  pending = false;
  masked = false;
  handler: Runnable | null = null;
  #queued = false;

  constructor(table: PortTable, port: Port, remote: DomainId) {
    this.#table = table;
    this.port = port;
    this.remote = remote;
  }

  get owner(): DomainId {
    return this.#table.id;
  }

  /** Sets the pending bit: several events before a delivery are one. */
  raise(): void {
    this.pending = true;
    this.deliverSoon();
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

/** The ports of one domain. */
export class PortTable implements EventChannels {
  readonly id: DomainId;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly #find: FindPorts;
  readonly #channels: (Channel | undefined)[] = [];
  /** No port below this one is free. */
  #lowest = 1;

  constructor(id: DomainId, scheduler: Scheduler, probes: Probes, find: FindPorts) {
    this.id = id;
    this.scheduler = scheduler;
    this.probes = probes;
    this.#find = find;
  }

  allocateUnbound(remote: DomainId): Port | EventError {
    return this.#allocate(remote)?.port ?? "ENOSPC";
  }

  bindInterdomain(remote: DomainId, remotePort: Port): Port | EventError {
    const ports = this.#find(remote);
    if (ports === undefined) return "ESRCH";
    const peer = ports.#channels[remotePort];
    if (peer === undefined || peer.state !== "unbound" || peer.remote !== this.id) return "EINVAL";
    const channel = this.#allocate(remote);
    if (channel === null) return "ENOSPC";
    channel.state = peer.state = "interdomain";
    channel.peer = peer;
    peer.peer = channel;
    // Whatever was sent to the peer while it was unbound was dropped: it may have meant us.
    channel.raise();
    return channel.port;
  }

  close(port: Port): void {
    const channel = this.#channels[port];
    if (channel === undefined) return;
    this.#channels[port] = undefined;
    this.#lowest = Math.min(this.#lowest, port);
    channel.state = "closed";
    channel.handler = null;
    if (channel.peer === null) return;
    channel.peer.peer = null;
    // The same domain may bind again.
    channel.peer.state = "unbound";
    channel.peer = null;
  }

  /** Closes every port; no port is allocated after that. */
  closeAll(): void {
    for (let port = 1; port < this.#channels.length; port++) this.close(port);
    this.#lowest = EVTCHN_2L_NR_CHANNELS;
  }

  notify(port: Port): "EINVAL" | null {
    const channel = this.#channels[port];
    if (channel === undefined) return "EINVAL";
    if (this.probes.listening) this.probes.emit("event:notify", channel);
    channel.peer?.raise();
    return null;
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

  /** A new unbound channel at the lowest free port, as Xen chooses; null when all are taken. */
  #allocate(remote: DomainId): Channel | null {
    while (this.#channels[this.#lowest] !== undefined) this.#lowest += 1;
    if (this.#lowest >= EVTCHN_2L_NR_CHANNELS) return null;
    const channel = new Channel(this, this.#lowest, remote);
    this.#channels[channel.port] = channel;
    return channel;
  }
}
