// Knows event channels of a process on a Xen host, by the kernel's evtchn device. A port that had an event hears no more
// until it is written back to the device, which is done when the event is delivered: so what comes meanwhile is one more.

import { SystemCallError } from "@pvscsi/native";
import type { Runnable, Scheduler } from "@pvscsi/wire";
import type { DomainId, EventChannelState, EventChannels, EventError, Port } from "@pvscsi/xen";
import {
  EVTCHN_PATH,
  EvtchnRequest,
  IoctlEvtchnBindInterdomain,
  IoctlEvtchnBindUnboundPort,
  IoctlEvtchnNotify,
  IoctlEvtchnUnbind,
} from "../abi/evtchn.js";
import type { HostCalls } from "./host-calls.js";

/** Bytes of a read: a page is the most that the device has. */
const READ_SIZE = 4096;
const PORT_SIZE = 4;

class HostChannel implements Runnable {
  readonly port: Port;
  readonly #events: HostEvents;
  state: EventChannelState;
  pending = false;
  masked = false;
  handler: Runnable | null = null;
  #queued = false;

  constructor(events: HostEvents, port: Port, state: EventChannelState) {
    this.#events = events;
    this.port = port;
    this.state = state;
  }

  deliverSoon(): void {
    if (this.#queued || !this.#deliverable) return;
    this.#queued = true;
    this.#events.scheduler.soon(this);
  }

  run(): void {
    this.#queued = false;
    if (!this.#deliverable) return;
    this.pending = false;
    // Before the handler looks: an event behind its last look is heard.
    this.#events.listenAgain(this.port);
    this.handler?.run();
  }

  get #deliverable(): boolean {
    return this.pending && !this.masked && this.handler !== null && this.state !== "closed";
  }
}

export class HostEvents implements EventChannels {
  readonly scheduler: Scheduler;
  readonly #calls: HostCalls;
  readonly #device: number;
  readonly #poll: { close(): void };
  readonly #channels = new Map<Port, HostChannel>();
  readonly #read = new Uint8Array(READ_SIZE);
  readonly #ports = new DataView(this.#read.buffer);
  readonly #again = new Uint32Array(1);
  readonly #againBytes = new Uint8Array(this.#again.buffer);
  readonly #notify = new IoctlEvtchnNotify(new Uint8Array(IoctlEvtchnNotify.size));

  /** Throws NoXenHost where there is no such device. */
  constructor(calls: HostCalls, scheduler: Scheduler) {
    this.#calls = calls;
    this.scheduler = scheduler;
    this.#device = calls.open(EVTCHN_PATH);
    this.#poll = calls.poll(this.#device, () => this.#readPorts());
  }

  allocateUnbound(remote: DomainId): Port | EventError {
    const bind = new IoctlEvtchnBindUnboundPort(new Uint8Array(IoctlEvtchnBindUnboundPort.size));
    bind.remoteDomain = remote;
    return this.#bound(EvtchnRequest.bindUnboundPort, bind.bytes, "unbound");
  }

  bindInterdomain(remote: DomainId, remotePort: Port): Port | EventError {
    const bind = new IoctlEvtchnBindInterdomain(new Uint8Array(IoctlEvtchnBindInterdomain.size));
    bind.remoteDomain = remote;
    bind.remotePort = remotePort;
    return this.#bound(EvtchnRequest.bindInterdomain, bind.bytes, "interdomain");
  }

  close(port: Port): void {
    const channel = this.#channels.get(port);
    if (channel === undefined) return;
    channel.state = "closed";
    this.#channels.delete(port);
    const unbind = new IoctlEvtchnUnbind(new Uint8Array(IoctlEvtchnUnbind.size));
    unbind.port = port;
    this.#calls.ioctl(this.#device, EvtchnRequest.unbind, unbind.bytes);
  }

  notify(port: Port): "EINVAL" | null {
    if (!this.#channels.has(port)) return "EINVAL";
    this.#notify.port = port;
    this.#calls.ioctl(this.#device, EvtchnRequest.notify, this.#notify.bytes);
    return null;
  }

  mask(port: Port): void {
    const channel = this.#channels.get(port);
    if (channel !== undefined) channel.masked = true;
  }

  unmask(port: Port): void {
    const channel = this.#channels.get(port);
    if (channel === undefined) return;
    channel.masked = false;
    channel.deliverSoon();
  }

  listen(port: Port, handler: Runnable | null): void {
    const channel = this.#channels.get(port);
    if (channel === undefined) return;
    channel.handler = handler;
    channel.deliverSoon();
  }

  /** What this process has done to it: that the other end has closed is not to be known here. */
  state(port: Port): EventChannelState {
    return this.#channels.get(port)?.state ?? "closed";
  }

  /** Closes every port, and the device. */
  closeAll(): void {
    for (const port of [...this.#channels.keys()]) this.close(port);
    this.#poll.close();
    this.#calls.close(this.#device);
  }

  listenAgain(port: Port): void {
    this.#again[0] = port;
    this.#calls.write(this.#device, this.#againBytes);
  }

  #bound(request: number, argument: Uint8Array, state: EventChannelState): Port | EventError {
    try {
      const port = this.#calls.ioctl(this.#device, request, argument);
      this.#channels.set(port, new HostChannel(this, port, state));
      return port;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return isEventError(error.code) ? error.code : "EINVAL";
    }
  }

  #readPorts(): void {
    const length = this.#calls.read(this.#device, this.#read);
    for (let at = 0; at + PORT_SIZE <= length; at += PORT_SIZE) {
      const channel = this.#channels.get(this.#ports.getUint32(at, true));
      // One that was closed meanwhile is nobody's.
      if (channel === undefined) continue;
      channel.pending = true;
      channel.deliverSoon();
    }
  }
}

const EVENT_ERRORS: readonly string[] = ["EINVAL", "ENOENT", "ENOSPC", "EPERM", "ESRCH"] satisfies EventError[];

function isEventError(code: string): code is EventError {
  return EVENT_ERRORS.includes(code);
}
