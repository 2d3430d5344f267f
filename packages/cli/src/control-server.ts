// Knows how dom0, or a joined domain, answers on STATE/control.sock: one request a connection, run as a verb. Knows no verb.

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
  pieceLine,
  readLines,
} from "./control-wire.js";
import { type Caller, Exit, failure, type Outcome } from "./verb.js";

const MOST_CONNECTIONS = 64;
/** Milliseconds that a connection has for its request. */
const PATIENCE = 5_000;
/** Bytes that may wait for a client that does not read what its verb prints; with more it is let go. */
const MOST_UNSENT = 1024 * 1024;

/** Runs a request as a verb. */
export type RunRequest = (request: ControlRequest, whom: Pick<Caller, "print" | "signal">) => Promise<Outcome>;

export interface ControlServer {
  readonly path: string;
  /** Takes no more connections, ends those there are, and removes the socket. */
  close(): Promise<void>;
}

/**
 * Listens in the folder `state`, which it makes; both are for their owner only. Throws when a dom0 is there already, or a
 * domain that was joined from there.
 */
export async function serveControl(state: string, run: RunRequest): Promise<ControlServer> {
  const path = controlPath(state);
  await mkdir(state, { recursive: true, mode: 0o700 });
  const running = await connectControl(path);
  if (running !== null) {
    running.destroy();
    throw new ToolstackError("INVAL", `a dom0 is running already at ${path}, or a joined domain: give another --state`);
  }
  return serveSocket(path, run);
}

/** Listens on a Unix socket; what somebody left there that was killed is taken over. */
export async function serveSocket(path: string, run: RunRequest): Promise<ControlServer> {
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  // A client may say all it has to say and then only listen: its half is open until we have answered.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
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

async function answer(socket: Socket, run: RunRequest): Promise<void> {
  const lines = readLines(socket, LONGEST_REQUEST);
  try {
    const line = await inTime(socket, lines.next());
    if (line.value === undefined) return void socket.end();
    const request = parseRequest(line.value);
    socket.end(answerLine(await run(request, { print: printingTo(socket), signal: leaving(socket, lines) })));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    socket.end(answerLine(failure(Exit.usage, `pvscsi: ${error.message}`)));
  }
}

async function inTime<Value>(socket: Socket, awaited: Promise<Value>): Promise<Value> {
  const timer = setTimeout(() => socket.destroy(), PATIENCE);
  try {
    return await awaited;
  } finally {
    clearTimeout(timer);
  }
}

/** Aborted when the client has closed its end, was killed, or says more than the one request it has. */
function leaving(socket: Socket, lines: AsyncGenerator<string, undefined>): AbortSignal {
  const left = new AbortController();
  const leave = (): void => left.abort();
  socket.once("close", leave);
  void lines.next().then(leave, leave);
  return left.signal;
}

function printingTo(socket: Socket): Caller["print"] {
  return (text) => {
    if (!socket.writable) return;
    socket.write(pieceLine(text));
    if (socket.writableLength > MOST_UNSENT) socket.destroy();
  };
}
