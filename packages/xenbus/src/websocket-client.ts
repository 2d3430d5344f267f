// Knows how a domain reaches its hub over a WebSocket.

import type { Clock, Probes, Scheduler } from "@pvscsi/wire";
import type { DomainId, InProcessDomain } from "@pvscsi/xen";
import { WebSocket } from "ws";
import { LONGEST_FRAME } from "./abi/messages.js";
import { XenbusClient } from "./client.js";
import { WebSocketTransport } from "./websocket-transport.js";

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
}

/** A domain that has joined its hub. */
export interface JoinedDomain {
  readonly domain: InProcessDomain;
  /** Resolves with the reason when hub and domain are apart. */
  readonly ended: Promise<string>;
}

/** Milliseconds for the WebSocket's handshake. */
const HANDSHAKE_TIME = 10_000;

/** Joins a hub. Rejects with the reason when nobody listens there, or the hub refuses. */
export async function connectXenbus(options: ConnectXenbusOptions): Promise<JoinedDomain> {
  const { url, authority } = options;
  const socket = new WebSocket(url, {
    maxPayload: LONGEST_FRAME,
    perMessageDeflate: false,
    handshakeTimeout: HANDSHAKE_TIME,
    ...(authority === undefined ? {} : { ca: authority }),
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  const client = new XenbusClient({ ...options, transport: new WebSocketTransport(socket, options.clock) });
  let failure: string | null = null;
  socket.on("message", (data, isBinary) => {
    if (isBinary) client.receive(data as Buffer);
  });
  socket.on("error", (error) => {
    failure = error.message;
  });
  socket.on("close", (_, reason) => {
    const told = reason.length > 0 ? reason.toString() : "the connection to the hub has ended";
    client.transportEnded(failure ?? told);
  });
  return { domain: await client.joined, ended: client.ended };
}
