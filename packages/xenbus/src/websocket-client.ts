// Knows how a domain reaches its hub over a WebSocket, and how it notices that the hub's machine is gone.

import { type Clock, type Probes, ProtocolError, type Scheduler } from "@pvscsi/wire";
import type { DomainId, InProcessDomain } from "@pvscsi/xen";
import { WebSocket } from "ws";
import { LONGEST_FRAME } from "./abi/messages.js";
import { XenbusClient } from "./client.js";
import { Connection } from "./connection.js";
import { encodeHello } from "./control.js";
import { SILENT_PATH } from "./silent-connections.js";
import { CLOSE_TIME, WebSocketTransport } from "./websocket-transport.js";

export interface ConnectXenbusOptions {
  /** The hub's, as `serveXenbus` gives it. */
  readonly url: string;
  readonly domain: DomainId;
  readonly secret: Uint8Array;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  /** PEM of whom to trust for wss, when it is not a public authority. */
  readonly authority?: string;
  /**
   * For a hub on another machine: milliseconds of silence after which TCP asks whether that is there; see `KEEP_ALIVE`.
   * Absent, only what the hub's machine says ends the connection.
   */
  readonly keepAlive?: number;
}

/** A domain that has joined its hub. */
export interface JoinedDomain {
  readonly domain: InProcessDomain;
  /** Resolves with the reason when hub and domain are apart. */
  readonly ended: Promise<string>;
  /** Resolves when the hub has been told, as far as it can be, and nothing is open any more. */
  readonly left: Promise<void>;
}

/** Milliseconds for the WebSocket's handshake, and for the hub to let the domain in. */
const HANDSHAKE_TIME = 10_000;

/** Joins a hub. Rejects with the reason when nobody listens there, or the hub refuses. */
export async function connectXenbus(options: ConnectXenbusOptions): Promise<JoinedDomain> {
  const { url, clock, keepAlive } = options;
  const line = await HubSocket.open(url, options);
  const client = new XenbusClient({ ...options, transport: line.transport });
  line.socket.on("message", (data, isBinary) => {
    if (isBinary) client.receive(data as Buffer);
  });
  const left = line.ended.then((reason) => client.transportEnded(reason));
  const domain = await line.inTime(clock, client.joined);
  if (keepAlive === undefined) return { domain, ended: client.ended, left };
  try {
    const silent = await openSilent(options);
    // With the reason: the hub may see the end of this one first.
    void left.then(() => client.ended).then((reason) => silent.transport.end(reason));
    // The hub may have said why on the domain's own, which is still on its way.
    void silent.ended.then((reason) => {
      const late = clock.after(CLOSE_TIME, { run: () => line.fail(reason) });
      void line.ended.then(() => clock.cancel(late));
    });
    return { domain, ended: client.ended, left: silent.ended.then(() => left) };
  } catch (error) {
    await domain.close();
    throw error;
  }
}

/** A connection that is there to end when the hub's machine does. */
async function openSilent(options: ConnectXenbusOptions): Promise<HubSocket> {
  const { url, domain, secret, clock, scheduler } = options;
  const line = await HubSocket.open(new URL(SILENT_PATH, url).href, options);
  const user = { deliver: () => {}, storeDrained: () => {}, flooded: () => {} };
  new Connection(line.transport, scheduler, user).control(encodeHello(domain, secret));
  const taken = new Promise<void>((resolve, reject) => {
    line.socket.once("message", () => resolve());
    void line.ended.then((reason) => reject(new ProtocolError(reason)));
  });
  await line.inTime(clock, taken);
  return line;
}

/** A WebSocket to a hub, and why it has ended. */
class HubSocket {
  readonly socket: WebSocket;
  readonly transport: WebSocketTransport;
  /** Resolves with the reason when nothing of it is open any more. */
  readonly ended: Promise<string>;
  #failure: string | null = null;

  private constructor(url: string, { authority, clock, keepAlive }: ConnectXenbusOptions) {
    const socket = new WebSocket(url, {
      maxPayload: LONGEST_FRAME,
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_TIME,
      ...(authority === undefined ? {} : { ca: authority }),
    });
    this.socket = socket;
    this.transport = new WebSocketTransport(socket, clock);
    const failed = ({ code, message }: NodeJS.ErrnoException) => {
      this.fail(code === "ETIMEDOUT" ? "the hub's machine does not answer" : message);
    };
    socket.once("upgrade", ({ socket: stream }) => {
      if (keepAlive !== undefined) stream.setKeepAlive(true, keepAlive);
      // ws tells what a frame has wrong, but keeps to itself why its socket has failed.
      stream.on("error", failed);
    });
    socket.on("error", failed);
    this.ended = new Promise((resolve) => {
      socket.once("close", (_, reason) => {
        const told = reason.length > 0 ? reason.toString() : "the connection to the hub has ended";
        resolve(this.#failure ?? told);
      });
    });
  }

  static open(url: string, options: ConnectXenbusOptions): Promise<HubSocket> {
    return new Promise((resolve, reject) => {
      const line = new HubSocket(url, options);
      line.socket.once("open", () => resolve(line)).once("error", reject);
    });
  }

  /** Ends it without a word. The first reason counts. */
  fail(reason: string): void {
    this.#failure ??= reason;
    this.socket.terminate();
  }

  /** Waits for what the hub has to say first; one that is there and says nothing is left. */
  async inTime<Result>(clock: Clock, awaited: Promise<Result>): Promise<Result> {
    const late = `the hub has not let the domain in within ${HANDSHAKE_TIME / 1000} s`;
    const timer = clock.after(HANDSHAKE_TIME, { run: () => this.fail(late) });
    try {
      return await awaited;
    } finally {
      clock.cancel(timer);
    }
  }
}
