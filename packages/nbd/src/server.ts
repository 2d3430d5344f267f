// Knows sockets: listens on a Unix or TCP socket and gives each connection a session. Knows no message.

import { createServer, type ListenOptions, type Server, Socket } from "node:net";
import { type Clock, nullProbes, type Probes, type Scheduler, SocketSink, withReceiveBuffer } from "@pvscsi/wire";
import { NbdExport, type NbdExportOptions } from "./export.js";
import { type NbdHost, NbdSession } from "./session.js";

export interface NbdServerOptions {
  /** A Unix socket's path, or a TCP address: without a host only this machine is served, port 0 takes a free one. */
  readonly listen: { readonly path: string } | { readonly host?: string; readonly port: number };
  /** At least one; the first is also what a client gets that gives no name. */
  readonly exports: readonly NbdExportOptions[];
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes?: Probes;
  /** Milliseconds a client has for its handshake; 10 s by default. */
  readonly handshakeTimeout?: number;
  /** Bytes of data under way for one connection; 64 MiB by default. */
  readonly bytesInFlight?: number;
  /** Connections at once; 16 by default. Further ones are closed at once. */
  readonly connections?: number;
}

/** A server that listens. */
export interface NbdServer {
  /** Where a client finds it, as an NBD URI without an export's name: `nbd+unix:///?socket=PATH` or `nbd://HOST:PORT`. */
  readonly uri: string;
  /** The TCP port, or 0 on a Unix socket. */
  readonly port: number;
  /** What each export's connections hold at this moment: all zero when nothing is under way. */
  holds(): { readonly sessions: number; readonly requests: number; readonly pages: number };
  /** Stops listening, answers what is under way, ends all connections and removes the socket. Stores stay open. */
  close(): Promise<void>;
}

const HANDSHAKE_TIMEOUT = 10_000;
const BYTES_IN_FLIGHT = 64 * 1024 * 1024;
const CONNECTIONS = 16;
/** Milliseconds a client has to take its last replies when the server closes. */
const GRACE = 5_000;

/** Serves stores to NBD clients. Rejects when it cannot listen. */
export async function serveNbd(options: NbdServerOptions): Promise<NbdServer> {
  const host: NbdHost = {
    exports: options.exports.map((each) => new NbdExport(each)),
    clock: options.clock,
    scheduler: options.scheduler,
    probes: options.probes ?? nullProbes,
    handshakeTimeout: options.handshakeTimeout ?? HANDSHAKE_TIMEOUT,
    bytesInFlight: options.bytesInFlight ?? BYTES_IN_FLIGHT,
  };
  const connections = new Set<Connection>();
  const most = options.connections ?? CONNECTIONS;
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    if (connections.size >= most) {
      socket.destroy();
      return;
    }
    const connection = new Connection(host, socket, () => connections.delete(connection));
    connections.add(connection);
  });
  await listening(server, options.listen);
  return running(server, host, connections, options.listen);
}

/** A Unix socket is made for its owner alone from its first moment on: mode 0600 by the mask it is bound under. */
function listening(server: Server, where: NbdServerOptions["listen"]): Promise<void> {
  const unix = "path" in where;
  const options: ListenOptions = unix ? { path: where.path } : { host: where.host ?? "127.0.0.1", port: where.port };
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const mask = unix ? process.umask(0o177) : 0;
    try {
      server.listen(options, () => {
        server.removeListener("error", reject);
        resolve();
      });
    } finally {
      if (unix) process.umask(mask);
    }
  });
}

function running(
  server: Server,
  host: NbdHost,
  connections: ReadonlySet<Connection>,
  where: NbdServerOptions["listen"],
): NbdServer {
  const address = server.address();
  const tcp = typeof address === "object" ? address : null;
  return {
    uri:
      "path" in where ? `nbd+unix:///?socket=${where.path}` : `nbd://${authority(tcp?.address ?? "", tcp?.port ?? 0)}`,
    port: tcp?.port ?? 0,
    holds: () => ({
      sessions: connections.size,
      requests: host.exports.reduce((sum, each) => sum + each.requests.taken, 0),
      pages: host.exports.reduce((sum, each) => sum + each.pages.taken, 0),
    }),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const timer = host.clock.after(GRACE, { run: () => destroyAll(connections) });
      const settled = [...connections].map((connection) => connection.over);
      for (const connection of connections) connection.shutdown();
      await Promise.all([closed, ...settled]);
      host.clock.cancel(timer);
      for (const each of host.exports) each.pages.close();
    },
  };
}

function destroyAll(connections: ReadonlySet<Connection>): void {
  for (const connection of connections) connection.destroy();
}

function authority(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** One socket, and the session behind it. */
class Connection {
  readonly #sink: SocketSink;
  readonly #session: NbdSession;

  constructor(host: NbdHost, accepted: Socket, left: () => void) {
    const socket = withReceiveBuffer(Socket, accepted, (bytes) => this.#session.receive(bytes));
    this.#sink = new SocketSink(socket, left);
    this.#session = new NbdSession(host, this.#sink);
    socket.setNoDelay(true);
    this.#sink.feed(this.#session);
  }

  /** Resolves when the connection has ended and nothing of it is under way. */
  get over(): Promise<void> {
    return this.#sink.over;
  }

  shutdown(): void {
    this.#session.shutdown();
  }

  destroy(): void {
    this.#sink.destroy();
  }
}
