// Knows how the end of a domain's whole machine is noticed, by the hub and by the domain. It must not depend on what the
// domain's process does: one that stands still (SIGSTOP) is to go on later, so nobody may wait for its words, as a ping
// of the WebSocket would. TCP's keep-alive is answered by the machine's kernel. But TCP asks only on a connection that
// has nothing on its way; bytes that are not acknowledged it sends again and again, on Linux for a quarter of an hour.
// So a domain of another machine has a second connection beside the one it works on, and nothing is ever said on it.
// Knows no socket.

import { ProtocolError } from "@pvscsi/wire";
import { identify, readLogin } from "./arrival.js";
import type { Hub } from "./hub.js";
import type { HubConnection } from "./hub-connection.js";
import type { FrameTransport } from "./outbox.js";

/** Where a WebSocket that is to be silent connects to. */
export const SILENT_PATH = "/silent";

/**
 * Milliseconds without a word after which TCP asks whether the peer's machine is there. It asks 10 times, a second apart
 * (libuv's numbers, which Node does not change): so long may a network be away.
 */
export const KEEP_ALIVE = 15_000;

/** What the hub says to a log-in of a silent connection that it takes. */
const TAKEN = new Uint8Array(0);

/** The silent connections of a hub, by the connections that they stand beside. */
export class SilentConnections {
  readonly #hub: Hub;
  readonly #all = new Map<HubConnection, SilentArrival>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** A new connection, of whoever it may be. */
  accept(transport: FrameTransport): SilentArrival {
    return new SilentArrival(this.#hub, transport, this.#all);
  }

  /** A domain's connection is over. */
  over(connection: HubConnection | null): void {
    if (connection !== null) this.#all.get(connection)?.close("the domain has ended");
  }
}

/** One silent connection, from its first frame. */
export class SilentArrival {
  readonly #hub: Hub;
  readonly #transport: FrameTransport;
  readonly #all: Map<HubConnection, SilentArrival>;
  #beside: HubConnection | null = null;
  #open = true;

  constructor(hub: Hub, transport: FrameTransport, all: Map<HubConnection, SilentArrival>) {
    this.#hub = hub;
    this.#transport = transport;
    this.#all = all;
  }

  /** Whether it has proven who it is. */
  get known(): boolean {
    return this.#beside !== null;
  }

  /** Its log-in is its first word, and its last. */
  receive(frame: Uint8Array): void {
    if (!this.#open) return;
    try {
      if (this.#beside !== null) throw new ProtocolError("a word on a silent connection");
      readLogin(frame, (payload) => this.#hello(payload));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(error.message);
    }
  }

  /** It has ended, or has to; and so has the domain that it stands for. */
  close(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#transport.end(reason);
    const beside = this.#beside;
    if (beside === null) return;
    this.#all.delete(beside);
    const { id } = beside.domain;
    // It may have been expelled before, and another have come under its id.
    if (this.#hub.connectionOf(id) === beside) this.#hub.expel(id, reason);
  }

  #hello(payload: Uint8Array): void {
    const { connection, domain } = identify(this.#hub, payload);
    if (connection === null) throw new ProtocolError(`domain ${domain.id} is not connected`);
    if (this.#beside !== null || this.#all.has(connection)) {
      throw new ProtocolError(`domain ${domain.id} has a silent connection already`);
    }
    this.#beside = connection;
    this.#all.set(connection, this);
    this.#transport.send(TAKEN, () => {});
  }
}
