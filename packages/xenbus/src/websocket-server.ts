// Knows the hub's socket: who may connect, how long a log-in may take, and how frames travel as WebSocket messages. Whom
// a connection belongs to is the hub's to say.

import { createServer as createHttpServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Clock, Runnable } from "@pvscsi/wire";
import type { DomainId } from "@pvscsi/xen";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { LONGEST_FRAME, LONGEST_LOGIN } from "./abi/messages.js";
import { Arrival } from "./arrival.js";
import type { Hub } from "./hub.js";
import { KEEP_ALIVE, SILENT_PATH, type SilentArrival, SilentConnections } from "./silent-connections.js";
import { WebSocketTransport } from "./websocket-transport.js";

export interface ServeXenbusOptions {
  readonly hub: Hub;
  readonly clock: Clock;
  /** Without a host, this machine only. Port 0 takes a free one. */
  readonly listen: { readonly host?: string; readonly port: number };
  /** A certificate and its key, as PEM: the WebSocket is wss then. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Milliseconds for a log-in. */
  readonly loginTime?: number;
  /** Milliseconds of silence after which TCP asks whether a domain's machine is there; see `KEEP_ALIVE`. */
  readonly keepAlive?: number;
  /** A domain has logged in, from this address. */
  readonly joined?: (domain: DomainId, address: string) => void;
}

export interface XenbusServer {
  /** Where domains connect to, e.g. ws://127.0.0.1:7680. */
  readonly url: string;
  /** Ends every connection, and listens no more. */
  close(): Promise<void>;
}

/** Connections that may be without a log-in at a time. */
const STRANGERS = 16;
const LOGIN_TIME = 5000;
/** What a WebSocket's own framing may add to a log-in. */
const FRAMING = 64;

/** Listens for domains. Throws as `listen` does, e.g. EADDRINUSE. */
export async function serveXenbus(options: ServeXenbusOptions): Promise<XenbusServer> {
  const { listen, tls } = options;
  const server = tls ? createHttpsServer({ cert: tls.certificate, key: tls.key }) : createHttpServer();
  const gate = new Gate(options, server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(listen.port, listen.host ?? "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
  const { address, family, port } = server.address() as AddressInfo;
  const host = family === "IPv6" ? `[${address}]` : address;
  return { url: `${tls ? "wss" : "ws"}://${host}:${port}`, close: () => gate.close() };
}

/** Lets connections in. */
class Gate {
  readonly #options: ServeXenbusOptions;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #silent: SilentConnections;
  #strangers = 0;

  constructor(options: ServeXenbusOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    this.#silent = new SilentConnections(options.hub);
    this.#sockets = new WebSocketServer({
      server,
      maxPayload: LONGEST_FRAME,
      perMessageDeflate: false,
      clientTracking: true,
      verifyClient: ({ req }: { req: IncomingMessage }, answer) => this.#verify(req, answer),
    });
    this.#sockets.on("connection", (socket, request) => this.#welcome(socket, request));
    // A socket that fails has ended, which its own listeners say; a server that fails to listen says so itself.
    this.#sockets.on("error", () => {});
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sockets.clients].map((socket) => this.#end(socket)));
    await new Promise<void>((resolve) => this.#sockets.close(() => resolve()));
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** One that is told its end already is not told another, but waited for. */
  async #end(socket: WebSocket): Promise<void> {
    const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    if (socket.readyState === socket.OPEN) new WebSocketTransport(socket, this.#options.clock).end("the hub has ended");
    await ended;
  }

  /** A browser says where its page is from; no page has anything to do here. */
  #verify(request: IncomingMessage, answer: (accepted: boolean, code?: number, reason?: string) => void): void {
    if (request.headers.origin !== undefined) return answer(false, 403, "no Origin is allowed");
    if (this.#strangers >= STRANGERS) return answer(false, 503, "too many connections without a log-in");
    answer(true);
  }

  #welcome(socket: WebSocket, { url, socket: stream }: IncomingMessage): void {
    const { hub, clock, loginTime = LOGIN_TIME, keepAlive = KEEP_ALIVE } = this.#options;
    stream.setKeepAlive(true, keepAlive);
    const transport = new WebSocketTransport(socket, clock);
    const arrival = url === SILENT_PATH ? this.#silent.accept(transport) : hub.accept(transport);
    const overdue: Runnable = { run: () => arrival.close("no log-in in time") };
    const timer = clock.after(loginTime, overdue);
    this.#strangers += 1;
    let stranger = true;
    let bytes = 0;
    const known = () => {
      if (!stranger) return;
      stranger = false;
      this.#strangers -= 1;
      clock.cancel(timer);
      stream.off("data", count);
    };
    const count = (data: Buffer) => {
      bytes += data.length;
      if (bytes <= LONGEST_LOGIN + FRAMING) return;
      known();
      arrival.close(`more than ${LONGEST_LOGIN} bytes before the log-in`);
    };
    stream.prependListener("data", count);
    socket.on("message", (data: RawData, isBinary: boolean) => {
      if (!isBinary) return arrival.close("a message that is text");
      arrival.receive(data as Buffer);
      if (!arrival.known || !stranger) return;
      known();
      this.#joined(arrival, stream);
    });
    const failed = ({ code, message }: NodeJS.ErrnoException) => {
      known();
      arrival.close(code === "ETIMEDOUT" ? "its machine does not answer" : message);
    };
    // ws tells what a frame has wrong, but keeps to itself why its socket has failed.
    socket.on("error", failed);
    stream.on("error", failed);
    socket.on("close", (_, reason) => {
      known();
      arrival.close(reason.length > 0 ? reason.toString() : "the connection has ended");
      if (arrival instanceof Arrival) this.#silent.over(arrival.connection);
    });
  }

  #joined(arrival: Arrival | SilentArrival, { remoteAddress = "" }: Socket): void {
    if (!(arrival instanceof Arrival) || arrival.connection === null) return;
    this.#options.joined?.(arrival.connection.domain.id, remoteAddress);
  }
}
