// Knows how dom0 answers on STATE/control.sock: one request a connection, run as a verb. Knows no verb.

import { mkdir, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { ToolstackError } from "@pvscsi/toolstack";
import { ProtocolError } from "@pvscsi/wire";
import { connectControl } from "./control-client.js";
import {
  answerLine,
  type ControlRequest,
  controlPath,
  LONGEST_REQUEST,
  parseRequest,
  readLine,
} from "./control-wire.js";
import { Exit, failure, type Outcome } from "./verb.js";

const MOST_CONNECTIONS = 64;
/** Milliseconds that a connection has for its request. */
const PATIENCE = 5_000;

export interface ControlServer {
  readonly path: string;
  /** Takes no more connections, ends those there are, and removes the socket. */
  close(): Promise<void>;
}

/** Listens in the folder `state`, which it makes; both are for their owner only. Throws when a dom0 is there already. */
export async function serveControl(
  state: string,
  run: (request: ControlRequest) => Promise<Outcome>,
): Promise<ControlServer> {
  const path = controlPath(state);
  await mkdir(state, { recursive: true, mode: 0o700 });
  const running = await connectControl(path);
  if (running !== null) {
    running.destroy();
    throw new ToolstackError("INVAL", `a dom0 is running already at ${path}`);
  }
  // What a dom0 left that was killed.
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    void answer(socket, run);
  });
  server.maxConnections = MOST_CONNECTIONS;
  await listen(server, path);
  return {
    path,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Of mode 0600 from its first moment: `listen` makes a Unix socket before it returns. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject).once("listening", resolve);
    const before = process.umask(0o177);
    server.listen(path);
    process.umask(before);
  });
}

async function answer(socket: Socket, run: (request: ControlRequest) => Promise<Outcome>): Promise<void> {
  try {
    const line = await readRequestLine(socket);
    if (line !== null) socket.end(answerLine(await run(parseRequest(line))));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    socket.end(answerLine(failure(Exit.usage, `pvscsi: ${error.message}`)));
  }
}

async function readRequestLine(socket: Socket): Promise<string | null> {
  const timer = setTimeout(() => socket.destroy(), PATIENCE);
  try {
    return await readLine(socket, LONGEST_REQUEST);
  } finally {
    clearTimeout(timer);
  }
}
