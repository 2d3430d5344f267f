// Knows xenstored's socket: who may come to it, what may wait there for whom, and when its file is taken over. Knows no
// message.

import { lstat, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { PeerIdentity, Xenstored } from "@pvscsi/xen";

export interface ServeStoreOptions {
  readonly xenstored: Xenstored;
  readonly path: string;
  /** Connections at once; further ones are closed as soon as they are made. */
  readonly connections?: number;
}

/** A socket that is listened on. */
export interface StoreServer {
  readonly path: string;
  /** Connections there are now. */
  readonly connections: number;
  /** Takes no more connections, ends those there are, and removes the socket. */
  close(): Promise<void>;
}

const MOST_CONNECTIONS = 512;
/** Bytes that may wait to be taken before a socket is read no further: more than the longest message. */
const MOST_BUFFERED = 16 * 1024;
/** Whoever the socket's mode lets in is one of domain 0's tools, as with xenstored's own socket. */
const TOOLS: PeerIdentity = { domain: 0, privileged: true, bounded: true };

/** Listens at `path`, for its owner alone. Rejects as `listen` does: EADDRINUSE where somebody listens, or it is no socket. */
export async function serveStore({ xenstored, path, connections }: ServeStoreOptions): Promise<StoreServer> {
  const sockets = new Set<Socket>();
  // A client may say all it has to say and then only listen: its half is open until it has been answered.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    serve(xenstored, socket);
  });
  server.maxConnections = connections ?? MOST_CONNECTIONS;
  await listenAt(server, path);
  return {
    path,
    get connections() {
      return sockets.size;
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function serve(xenstored: Xenstored, socket: Socket): void {
  const send = (bytes: Uint8Array): boolean => {
    if (socket.isPaused() && connection.buffered <= MOST_BUFFERED) socket.resume();
    return socket.write(bytes);
  };
  const connection = xenstored.connect(TOOLS, send, () => socket.destroy());
  socket.on("data", (bytes: Buffer) => {
    connection.receive(bytes);
    if (connection.buffered > MOST_BUFFERED) socket.pause();
  });
  socket.on("drain", () => connection.drained());
  socket.on("end", () => connection.halfClosed());
  // What a broken connection says is followed by "close", which is all that matters here.
  socket.on("error", () => {});
  socket.on("close", () => connection.close());
}

/** What somebody left there that was killed is taken over. */
async function listenAt(server: Server, path: string): Promise<void> {
  try {
    await listen(server, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || !(await isDeserted(path))) throw error;
    await rm(path);
    await listen(server, path);
  }
}

/** Of mode 0600 from its first moment: `listen` makes a Unix socket before it returns. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const before = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off("error", reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

async function isDeserted(path: string): Promise<boolean> {
  // Whoever connects to a file that is no socket is refused as well.
  if (!(await lstat(path)).isSocket()) return false;
  return new Promise((resolve) => {
    const socket = connect(path, () => resolve(false));
    socket.on("connect", () => socket.destroy());
    socket.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "ECONNREFUSED"));
  });
}
