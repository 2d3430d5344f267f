// Knows sockets: listens on TCP and gives each connection to a portal. Knows no PDU.

import { createServer, type Server, Socket } from "node:net";
import { SocketSink, withReceiveBuffer } from "@pvscsi/wire";
import { IscsiConnection } from "./connection.js";
import { IscsiPortal, type PortalOptions } from "./portal.js";

/** One portal: an address where initiators come to. */
export interface ListenOptions {
  /** Without one only this machine is served. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** What initiators are told as its address, `ADDR:PORT`: by default where each has reached this server. */
  readonly advertised?: string | undefined;
}

export interface IscsiServerOptions extends PortalOptions {
  /** The portals, by number. */
  readonly listen: readonly ListenOptions[];
  /** Connections at once, of all and of one address: 256 and 64 by default. Further ones are closed at once. */
  readonly connections?: number;
  readonly connectionsOfAddress?: number;
}

/** A server that listens. */
export interface IscsiServer {
  /** Where initiators find its portals, by number: `ADDR:PORT`. */
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
  /** Its targets and sessions. */
  readonly portal: IscsiPortal;
  /** What its connections hold at this moment: all zero when nothing is under way. */
  holds(): { readonly connections: number; readonly pages: number };
  /**
   * Stops listening and asks all initiators to log out; those that do not in time are told that their sessions end. Resolves when
   * nothing of them is under way.
   */
  close(): Promise<void>;
}

const CONNECTIONS = 256;
const CONNECTIONS_OF_ADDRESS = 64;
/** Of TCP's own: finds a machine that has gone away without a word. */
const KEEP_ALIVE = 30_000;
const SOCKET_OPTIONS = {
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE,
  pauseOnConnect: true,
} as const;

/** Serves targets at all portals, or rejects with an error that says where it cannot listen. */
export async function serveIscsi(options: IscsiServerOptions): Promise<IscsiServer> {
  const portal = new IscsiPortal(options);
  const sockets = new Sockets(portal, options);
  const listeners: Listener[] = [];
  const close = async (): Promise<void> => {
    await Promise.all([...listeners.map((listener) => listener.close()), sockets.close()]);
    portal.pages.close();
  };
  try {
    for (const [number, at] of options.listen.entries()) {
      listeners.push(await Listener.open(at, (socket) => sockets.take(socket, number)));
    }
  } catch (error) {
    await close();
    throw error;
  }
  sockets.listeners = listeners;
  return {
    addresses: listeners.map(({ address }) => address),
    ports: listeners.map(({ port }) => port),
    portal,
    holds: () => ({ connections: sockets.count, pages: portal.pages.taken }),
    close,
  };
}

/** One portal's listening socket. */
class Listener {
  readonly port: number;
  readonly #server: Server;
  readonly #host: string;
  readonly #advertised: string | undefined;

  private constructor(server: Server, advertised: string | undefined) {
    const address = server.address();
    const tcp = typeof address === "object" && address !== null ? address : { address: "", port: 0 };
    this.#server = server;
    this.#host = tcp.address;
    this.#advertised = advertised;
    this.port = tcp.port;
  }

  static open(
    { host = "127.0.0.1", port, advertised }: ListenOptions,
    take: (socket: Socket) => void,
  ): Promise<Listener> {
    const server = createServer(SOCKET_OPTIONS, take);
    return new Promise((resolve, reject) => {
      const failed = (cause: Error): void => {
        reject(new Error(`cannot listen at ${formatAddress(host, port)}: ${cause.message}`, { cause }));
      };
      server.once("error", failed);
      server.listen({ host, port }, () => {
        server.removeListener("error", failed);
        resolve(new Listener(server, advertised));
      });
    });
  }

  get address(): string {
    return formatAddress(this.#host, this.port);
  }

  /** Its address for somebody who has reached this machine at `local`, perhaps by another portal. */
  addressFor(local: string): string {
    const everywhere = this.#host === "::" || this.#host === "0.0.0.0";
    return this.#advertised ?? formatAddress(everywhere ? local : this.#host, this.port);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

/** An IPv4 address that came by an IPv6 socket is told as itself. */
function formatAddress(address: string, port: number): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** All connections, and how many there are of each address. */
class Sockets {
  /** Every portal's, by number. */
  listeners: readonly Listener[] = [];
  readonly #portal: IscsiPortal;
  readonly #most: number;
  readonly #mostOfAddress: number;
  readonly #open = new Set<SocketConnection>();

  constructor(portal: IscsiPortal, { connections, connectionsOfAddress }: IscsiServerOptions) {
    this.#portal = portal;
    this.#most = connections ?? CONNECTIONS;
    this.#mostOfAddress = connectionsOfAddress ?? CONNECTIONS_OF_ADDRESS;
  }

  get count(): number {
    return this.#open.size;
  }

  take(accepted: Socket, portal: number): void {
    const peer = accepted.remoteAddress ?? "";
    const before = [...this.#open].filter((each) => each.peer === peer).length;
    if (this.count >= this.#most || before >= this.#mostOfAddress) {
      accepted.destroy();
      return;
    }
    const socket = withReceiveBuffer(Socket, accepted, (bytes) => receiver.receive(bytes));
    const addresses = this.listeners.map((listener) => listener.addressFor(socket.localAddress ?? ""));
    const sink = new SocketSink(socket, () => this.#open.delete(connection));
    const receiver = new IscsiConnection(this.#portal, sink, { portal, addresses });
    const connection = new SocketConnection(peer, sink, receiver);
    this.#open.add(connection);
  }

  async close(): Promise<void> {
    const settled = [...this.#open].map((connection) => connection.over);
    for (const connection of this.#open) connection.askToLeave();
    await Promise.all(settled);
  }
}

/** One socket, and the connection behind it. */
class SocketConnection {
  readonly peer: string;
  readonly #sink: SocketSink;
  readonly #connection: IscsiConnection;

  constructor(peer: string, sink: SocketSink, connection: IscsiConnection) {
    this.peer = peer;
    this.#sink = sink;
    this.#connection = connection;
    sink.feed(connection);
  }

  /** Resolves when the connection has ended and nothing of it is under way. */
  get over(): Promise<void> {
    return this.#sink.over;
  }

  askToLeave(): void {
    this.#connection.askToLeave("the server ends");
  }
}
