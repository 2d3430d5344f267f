// Knows a hub whose domains are behind connections that a seed delays: frames of one connection keep their order, those
// of different ones do not, and what waits in one direction may arrive as one frame or as several.

import { nullProbes, type Random, type Runnable, type Scheduler } from "@pvscsi/wire";
import { connectInProcess, type InProcessDomain, Xenstored } from "@pvscsi/xen";
import { type Arrival, type FrameTransport, Hub, SECRET_SIZE, XenbusClient } from "@pvscsi/xenbus";

/** One direction: frames wait, and each run delivers some of what waits. */
class Lane implements Runnable {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #waiting: { readonly frame: Uint8Array; readonly sent: () => void }[] = [];
  deliver: (frame: Uint8Array) => void = () => {};
  /** Why the lane ended, behind what waits. */
  #end: string | null = null;
  ended: (reason: string) => void = () => {};

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  send(frame: Uint8Array, sent: () => void): void {
    this.#waiting.push({ frame, sent });
    this.#scheduler.soon(this);
  }

  end(reason: string): void {
    this.#end = reason;
    this.#scheduler.soon(this);
  }

  run(): void {
    if (this.#waiting.length === 0) return this.#finish();
    // Now and then nothing yet; else one frame, or all that wait as one.
    if (this.#random.chance(0.2)) return this.#scheduler.soon(this);
    const taken = this.#waiting.splice(0, this.#random.chance(0.5) ? 1 : this.#waiting.length);
    const joined = new Uint8Array(taken.reduce((size, { frame }) => size + frame.length, 0));
    let at = 0;
    for (const { frame, sent } of taken) {
      joined.set(frame, at);
      at += frame.length;
      // As a socket's buffer would be: whoever still reads it finds other bytes.
      frame.fill(0xdb);
      sent();
    }
    this.deliver(joined);
    this.#scheduler.soon(this);
  }

  #finish(): void {
    if (this.#end === null) return;
    const reason = this.#end;
    this.#end = null;
    this.ended(reason);
  }
}

/** Bytes that both sides know. */
export function secretOf(id: number): Uint8Array {
  return new Uint8Array(SECRET_SIZE).fill(id + 1);
}

/** What a client's side and the hub's side of one connection are to a test. */
export interface SimulatedConnection {
  readonly arrival: Arrival;
  readonly client: XenbusClient;
  /** Cuts it, as a killed process would. */
  cut(reason: string): void;
}

export class XenbusWorld {
  readonly hub: Hub;
  readonly xenstored: Xenstored;
  readonly #scheduler: Scheduler;
  readonly #random: Random;

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.xenstored = new Xenstored({ scheduler, probes: nullProbes });
    this.hub = new Hub({ scheduler, probes: nullProbes, xenstored: this.xenstored });
  }

  /** A domain in the hub's process. */
  createLocal(id: number, memoryPages: number): InProcessDomain {
    const identity = { domain: id, privileged: id === 0 };
    const store = connectInProcess(this.xenstored, identity, this.#scheduler);
    return this.hub.hypervisor.createDomain({ id, memoryPages, store, disconnect: async () => store.close() });
  }

  /** Admits a domain and connects it: `client.joined` gives it. */
  connect(id: number, memoryPages: number): SimulatedConnection {
    this.hub.admit({ id, secret: secretOf(id), memoryPages, privileged: id === 0 });
    const up = new Lane(this.#scheduler, this.#random);
    const down = new Lane(this.#scheduler, this.#random);
    const arrival = this.hub.accept(down);
    const transport: FrameTransport = up;
    const client = new XenbusClient({
      domain: id,
      secret: secretOf(id),
      transport,
      scheduler: this.#scheduler,
      probes: nullProbes,
    });
    up.deliver = (frame) => arrival.receive(frame);
    up.ended = (reason) => arrival.close(reason);
    down.deliver = (frame) => client.receive(frame);
    down.ended = (reason) => client.transportEnded(reason);
    const cut = (reason: string) => {
      up.deliver = down.deliver = () => {};
      arrival.close(reason);
      client.transportEnded(reason);
    };
    return { arrival, client, cut };
  }
}
