// Knows a hub whose domains are behind connections that a seed delays: frames of one connection keep their order, those
// of different ones do not, and what waits in one direction may arrive as one frame or as several, down to one for each message.

import { nullProbes, type Random, type Runnable, type Scheduler, type Simulation } from "@pvscsi/wire";
import { connectInProcess, type InProcessDomain, Xenstored } from "@pvscsi/xen";
import {
  type Arrival,
  type FrameTransport,
  Hub,
  MESSAGES,
  MessageCursors,
  MessageType,
  padded,
  SECRET_SIZE,
  XenbusClient,
} from "@pvscsi/xenbus";

/** Sees, and may change, what arrives in one direction of one connection; called once for each delivery. */
export type Tamper = (frame: Uint8Array, id: number, direction: "up" | "down") => Uint8Array;

/** One direction: frames wait, and each run delivers some of what waits. */
class Lane implements Runnable {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #waiting: { readonly frame: Uint8Array; readonly sent: () => void }[] = [];
  /** What has left, and has not been delivered. */
  #arrived: Uint8Array = NOTHING;
  deliver: (frame: Uint8Array) => void = () => {};
  /** Why the lane ended, behind what waits. */
  #end: string | null = null;
  ended: (reason: string) => void = () => {};
  #held = false;

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  /** While it is held nothing leaves, as with a peer that does not read. */
  set held(held: boolean) {
    this.#held = held;
    this.#scheduler.soon(this);
  }

  get waiting(): number {
    return this.#waiting.length;
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
    if (this.#arrived.length > 0) return this.#deliver();
    if (this.#held) return;
    if (this.#waiting.length === 0) return this.#finish();
    // Now and then nothing yet; else one frame, or all that wait as one.
    if (this.#random.chance(0.2)) return this.#scheduler.soon(this);
    this.#take(this.#random.chance(0.5) ? 1 : this.#waiting.length);
    this.#deliver();
  }

  #take(count: number): void {
    const taken = this.#waiting.splice(0, Math.min(count, MOST_JOINED));
    const joined = new Uint8Array(taken.reduce((size, { frame }) => size + frame.length, 0));
    let at = 0;
    for (const { frame, sent } of taken) {
      joined.set(frame, at);
      at += frame.length;
      // As a socket's buffer would be: whoever still reads it finds other bytes.
      frame.fill(0xdb);
      sent();
    }
    this.#arrived = joined;
  }

  /** All of what has arrived, or some of its messages. */
  #deliver(): void {
    let end = this.#arrived.length;
    if (this.#random.chance(0.5)) {
      end = messageEnd(this.#arrived, 0);
      while (end < this.#arrived.length && this.#random.chance(0.5)) end = messageEnd(this.#arrived, end);
    }
    const frame = this.#arrived.subarray(0, end);
    this.#arrived = this.#arrived.subarray(end);
    this.#scheduler.soon(this);
    this.deliver(frame);
  }

  #finish(): void {
    if (this.#end === null) return;
    const reason = this.#end;
    this.#end = null;
    this.ended(reason);
  }
}

/** Frames that make one: each is 256 KiB at most, and the longest frame 1 MiB. */
const MOST_JOINED = 4;
const NOTHING = new Uint8Array(0);

/** Where the message that begins at `at` ends. */
export function messageEnd(frame: Uint8Array, at: number): number {
  const type = frame[at] as keyof typeof MESSAGES;
  const cursors = new MessageCursors(frame.subarray(at));
  if (type === MessageType.range) return at + MESSAGES[type].size + padded(cursors.range.length);
  if (type === MessageType.store) return at + MESSAGES[type].size + padded(cursors.store.length);
  if (type === MessageType.control) return at + MESSAGES[type].size + padded(cursors.control.length);
  return at + MESSAGES[type].size;
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
  /** Whether nothing leaves that the hub sends, as with a client that does not read. */
  holdDown(held: boolean): void;
  /** Whether nothing leaves that the client sends. */
  holdUp(held: boolean): void;
  /** Frames of the hub that have not left. */
  waitingDown(): number;
  /** Whether the client knows that it is over. */
  hasEnded(): boolean;
}

export class XenbusWorld {
  readonly hub: Hub;
  readonly xenstored: Xenstored;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #tamper: Tamper | null;

  constructor(simulation: Simulation, random: Random, tamper: Tamper | null = null) {
    this.#scheduler = simulation;
    this.#random = random;
    this.#tamper = tamper;
    this.xenstored = new Xenstored({ scheduler: simulation, clock: simulation, probes: nullProbes });
    this.hub = new Hub({ scheduler: simulation, probes: nullProbes, xenstored: this.xenstored });
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
    const tamper: Tamper = this.#tamper ?? ((frame) => frame);
    up.deliver = (frame) => arrival.receive(tamper(frame, id, "up"));
    up.ended = (reason) => arrival.close(reason);
    down.deliver = (frame) => client.receive(tamper(frame, id, "down"));
    down.ended = (reason) => client.transportEnded(reason);
    const cut = (reason: string) => {
      up.deliver = down.deliver = () => {};
      arrival.close(reason);
      client.transportEnded(reason);
    };
    const holdDown = (held: boolean) => {
      down.held = held;
    };
    const holdUp = (held: boolean) => {
      up.held = held;
    };
    let ended = false;
    void client.ended.then(() => {
      ended = true;
    });
    return { arrival, client, cut, holdDown, holdUp, waitingDown: () => down.waiting, hasEnded: () => ended };
  }
}
