// Knows how a test has a xenstored behind a Unix socket, and speaks to it in bytes that it lays out itself.

import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { nullProbes } from "@pvscsi/wire";
import { Xenstored, type XenstoreSession, XS } from "@pvscsi/xen";
import { connectStore, type StoreServer, serveStore } from "@pvscsi/xenbus";
import { expect } from "chai";
import { realClock, realScheduler } from "../../support/node-platform.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

/** Milliseconds for what has to happen. */
const PATIENCE = 5000;
/** Bytes of a header. */
const HEADER = 16;

/** A request as bytes; `|` in `text` stands for NUL. `length` is what its header says. */
export function request(name: keyof typeof XS, text: string, id = 0, length = text.length): Buffer {
  const bytes = Buffer.alloc(HEADER + text.length);
  bytes.writeUInt32LE(XS[name], 0);
  bytes.writeUInt32LE(id, 4);
  bytes.writeUInt32LE(length, 12);
  bytes.write(text.replaceAll("|", "\0"), HEADER, "latin1");
  return bytes;
}

/** Waits until something is so. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = performance.now() + PATIENCE; performance.now() < end; await sleep(1)) if (holds()) return;
  expect.fail(`not within ${PATIENCE} ms: ${what}`);
}

/** A connection that says what it likes. */
export class RawClient {
  readonly socket: Socket;
  /** What came, message by message: the type's number, and the payload with `|` for NUL. */
  readonly heard: string[] = [];
  ended = false;
  #rest = Buffer.alloc(0);

  constructor(path: string) {
    this.socket = connect({ path, allowHalfOpen: true });
    this.socket.on("data", (bytes: Buffer) => this.#take(bytes));
    this.socket.on("error", () => {});
    this.socket.on("end", () => {
      this.ended = true;
    });
    this.socket.on("close", () => {
      this.ended = true;
    });
  }

  say(...pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) this.socket.write(piece);
  }

  /** Waits for so many messages in all, and gives them. */
  async hear(count: number): Promise<readonly string[]> {
    await until(`${count} messages, not ${this.heard.length}`, () => this.heard.length >= count);
    return this.heard;
  }

  async over(): Promise<void> {
    await until("the connection ends", () => this.ended);
    this.socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= HEADER) {
      const end = HEADER + this.#rest.readUInt32LE(12);
      if (this.#rest.length < end) return;
      const payload = this.#rest.toString("latin1", HEADER, end).replaceAll("\0", "|");
      this.heard.push(`${this.#rest.readUInt32LE(0)} ${payload}`);
      this.#rest = this.#rest.subarray(end);
    }
  }
}

/** A xenstored and its socket, for each test of the `describe` it is made in; afterwards nobody may be connected. */
export class StoreStand {
  readonly folder = temporaryFolder();
  xenstored!: Xenstored;
  server!: StoreServer;
  readonly #clients: RawClient[] = [];
  readonly #sessions: XenstoreSession[] = [];

  constructor() {
    beforeEach(async () => {
      this.xenstored = new Xenstored({ scheduler: realScheduler, clock: realClock, probes: nullProbes });
      this.server = await this.serve();
    });
    afterEach(async () => {
      for (const { socket } of this.#clients.splice(0)) socket.destroy();
      for (const session of this.#sessions.splice(0)) session.close();
      await until("nobody is connected", () => this.server.connections === 0);
      await this.server.close();
    });
  }

  get path(): string {
    return this.folder.path("socket");
  }

  serve(connections?: number): Promise<StoreServer> {
    const { xenstored, path } = this;
    return serveStore({ xenstored, path, ...(connections === undefined ? {} : { connections }) });
  }

  raw(): RawClient {
    const client = new RawClient(this.path);
    this.#clients.push(client);
    return client;
  }

  async session(ended?: () => void): Promise<XenstoreSession> {
    const session = await connectStore(this.path, ended);
    this.#sessions.push(session);
    return session;
  }
}
