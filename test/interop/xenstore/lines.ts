// Knows the ways to a xenstored as byte streams: its socket, the page that a domain shares with it, and our own in this process.
// Knows no message.

import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type PeerIdentity, XenstoreDomainInterface, type Xenstored } from "@pvscsi/xen";

/** Milliseconds without a byte. */
const PATIENCE = 10_000;

export interface Line {
  write(bytes: Uint8Array): void;
  /** More bytes, as soon as there are some; rejects when there never will be. */
  read(): Promise<Uint8Array>;
  close(): void;
}

/** Bytes that are pushed, for who waits for them. */
class Queue {
  readonly #pieces: Uint8Array[] = [];
  #wake: () => void = () => {};
  #over = false;

  push(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#wake();
  }

  end(): void {
    this.#over = true;
    this.#wake();
  }

  async read(): Promise<Uint8Array> {
    if (this.#pieces.length === 0 && !this.#over) await this.#more();
    const piece = this.#pieces.shift();
    if (piece === undefined) throw new Error(this.#over ? "the connection has ended" : "no answer");
    return piece;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, PATIENCE);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

export function socketLine(path: string): Line {
  const queue = new Queue();
  const socket = connect(path);
  socket.on("data", (bytes: Buffer) => queue.push(bytes));
  socket.on("error", () => {});
  socket.on("close", () => queue.end());
  return { write: (bytes) => void socket.write(bytes), read: () => queue.read(), close: () => socket.destroy() };
}

/** A connection of our own xenstored, of whatever domain. */
export function ownLine(xenstored: Xenstored, identity: PeerIdentity): Line {
  const queue = new Queue();
  const send = (bytes: Uint8Array): boolean => {
    queue.push(bytes);
    return true;
  };
  const connection = xenstored.connect(identity, send, () => queue.end());
  return {
    write: (bytes) => connection.receive(bytes),
    read: () => queue.read(),
    close: () => connection.close(),
  };
}

const AT = XenstoreDomainInterface.offsets;
/** Bytes of each of the page's two streams. */
const STREAM = 1024;
/** Where the ports of domains begin: see no-hypervisor.c. */
const FIRST_PORT = 100;

/** Of `length` bytes, those that lie before the end of the stream. */
function untilWrap(at: number, length: number): number {
  return Math.min(length, STREAM - (at % STREAM));
}

/** A domain's side of its page; the page is a file, which is the same bytes as the mapping of it. */
export class PageLine implements Line {
  readonly #page: number;
  readonly #events: number;
  readonly #port = Buffer.alloc(4);
  readonly #word = Buffer.alloc(4);

  /** `folder` is what the xenstored shares with its domains, of which this one is introduced. */
  constructor(folder: string, domain: number) {
    this.#page = openSync(join(folder, `ring-${domain}`), "r+");
    this.#events = openSync(join(folder, "events"), "r+");
    this.#port.writeUInt32LE(FIRST_PORT + domain);
  }

  /** Throws when there is no room: a request is shorter than the stream, and answered before the next. */
  write(bytes: Uint8Array): void {
    const at = this.#load(AT.reqProd);
    if (((at - this.#load(AT.reqCons)) >>> 0) + bytes.length > STREAM)
      throw new Error("a request too long for the page");
    const first = untilWrap(at, bytes.length);
    writeSync(this.#page, bytes, 0, first, AT.req + (at % STREAM));
    writeSync(this.#page, bytes, first, bytes.length - first, AT.req);
    this.#store(AT.reqProd, at + bytes.length);
  }

  async read(): Promise<Uint8Array> {
    for (const end = performance.now() + PATIENCE; performance.now() < end; ) {
      const at = this.#load(AT.rspCons);
      const bytes = new Uint8Array((this.#load(AT.rspProd) - at) >>> 0);
      if (bytes.length > 0) {
        const first = untilWrap(at, bytes.length);
        readSync(this.#page, bytes, 0, first, AT.rsp + (at % STREAM));
        readSync(this.#page, bytes, first, bytes.length - first, AT.rsp);
        this.#store(AT.rspCons, at + bytes.length);
        return bytes;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error("no answer");
  }

  close(): void {
    closeSync(this.#page);
    closeSync(this.#events);
  }

  #load(offset: number): number {
    readSync(this.#page, this.#word, 0, 4, offset);
    return this.#word.readUInt32LE();
  }

  /** Notifies as well. */
  #store(offset: number, value: number): void {
    this.#word.writeUInt32LE(value >>> 0);
    writeSync(this.#page, this.#word, 0, 4, offset);
    writeSync(this.#events, this.#port);
  }
}
