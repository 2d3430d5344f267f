// Knows sockets: listens on TCP and gives each connection to a portal. Knows no PDU.

import { createServer, type Server, type Socket } from "node:net";
import { SocketSink } from "@pvscsi/wire";
import { IscsiConnection } from "./connection.js";
import { IscsiPortal, type PortalOptions } from "./portal.js";
import { withReceiveBuffer } from "./receive-buffer.js";

export interface IscsiServerOptions extends PortalOptions {
  /** Without a host only this machine is served; port 0 takes a free one. */
  readonly listen: { readonly host?: string; readonly port: number };
  /** What initiators are told as the targets' address, `ADDR:PORT`: by default where each has reached this server. */
  readonly advertised?: string;
  /** Connections at once, of all and of one address: 256 and 64 by default. Further ones are closed at once. */
  readonly connections?: number;
  readonly connectionsOfAddress?: number;
}

/** A server that listens. */
export interface IscsiServer {
  /** Where initiators find it: `ADDR:PORT`. */
  readonly address: string;
  readonly port: number;
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

/** Serves a portal. Rejects when it cannot listen. */
export async function serveIscsi(options: IscsiServerOptions): Promise<IscsiServer> {
  const portal = new IscsiPortal(options);
  const sockets = new Sockets(portal, options);
  const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE, pauseOnConnect: true };
  const server = createServer(socketOptions, (socket) => sockets.take(socket));
  await listening(server, options.listen);
  const address = server.address();
  const tcp = typeof address === "object" && address !== null ? address : { address: "", port: 0 };
  return {
    address: formatAddress(tcp.address, tcp.port),
    port: tcp.port,
    portal,
    holds: () => ({ connections: sockets.count, pages: portal.pages.taken }),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await Promise.all([closed, sockets.close()]);
      portal.pages.close();
    },
  };
}

function listening(server: Server, { host = "127.0.0.1", port }: IscsiServerOptions["listen"]): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

/** An IPv4 address that came by an IPv6 socket is told as itself. */
function formatAddress(address: string, port: number): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** All connections, and how many there are of each address. */
class Sockets {
  readonly #portal: IscsiPortal;
  readonly #most: number;
  readonly #mostOfAddress: number;
  readonly #advertised: string | undefined;
  readonly #open = new Set<SocketConnection>();

  constructor(portal: IscsiPortal, { connections, connectionsOfAddress, advertised }: IscsiServerOptions) {
    this.#portal = portal;
    this.#most = connections ?? CONNECTIONS;
    this.#mostOfAddress = connectionsOfAddress ?? CONNECTIONS_OF_ADDRESS;
    this.#advertised = advertised;
  }

  get count(): number {
    return this.#open.size;
  }

  take(accepted: Socket): void {
    const peer = accepted.remoteAddress ?? "";
    const before = [...this.#open].filter((each) => each.peer === peer).length;
    if (this.#open.size >= this.#most || before >= this.#mostOfAddress) {
      accepted.destroy();
      return;
    }
    const socket = withReceiveBuffer(accepted, (bytes) => receiver.receive(bytes));
    const address = this.#advertised ?? formatAddress(socket.localAddress ?? "", socket.localPort ?? 0);
    const sink = new SocketSink(socket, () => this.#open.delete(connection));
    const receiver = new IscsiConnection(this.#portal, sink, address);
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
