// Knows how an export of an NBD server is a store: what each operation is there, and what becomes of requests when the
// connection is lost. Knows no bytes of the protocol.

import { type GrowableStore, StoreError, type StoreFailure, type StoreFeatures, StoreRequest } from "@pvscsi/scsi";
import { assert, type Clock, Queue, type Scheduler, type Timer } from "@pvscsi/wire";
import { CommandFlag, CommandType, ERRORS, type NbdError, TransmissionFlag } from "../abi/transmission.js";
import type { Agreement } from "./agreement.js";
import { ClientRequest } from "./client-request.js";
import { ClientConnection, type ConnectionUser } from "./connection.js";
import { dialNbd, type NbdAddress, type NbdDial } from "./dial.js";

export interface NbdStoreOptions {
  readonly address: NbdAddress;
  /** The empty name is the server's default export. */
  readonly exportName: string;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly readOnly?: boolean;
  /** `writethrough`: each write is durable when it completes. By default it is after a flush or FUA, where the server has those. */
  readonly sync?: "writeback" | "writethrough";
  readonly dial?: NbdDial;
  /** Milliseconds a connection has for its handshake; 10 s by default. */
  readonly handshakeTimeout?: number;
  /** Milliseconds that requests wait for another connection before they fail; 60 s by default. */
  readonly reconnectTimeout?: number;
}

const HANDSHAKE_TIMEOUT = 10_000;
const RECONNECT_TIMEOUT = 60_000;
const FIRST_DELAY = 50;
const LONGEST_DELAY = 3_000;
/** Requests that the server has at once; it may have fewer under way and read no further. */
const MAX_REQUESTS = 128;
/** Bytes of the longest piece that moves no data, and of zeros that are written. */
const LONG_PIECE = 1024 * 1024 * 1024;
const ZERO_PIECE = 1024 * 1024;

/** What a server's error means here. */
const FAILURES: { readonly [Name in keyof typeof ERRORS]: StoreFailure } = {
  EPERM: "read-only",
  EIO: "medium",
  ENOMEM: "no-memory",
  EINVAL: "out-of-range",
  ENOSPC: "no-space",
  EOVERFLOW: "hardware",
  ENOTSUP: "hardware",
  ESHUTDOWN: "hardware",
};

/** Opens an export; throws `StoreError` with the reason when the server cannot be reached or does not have it. */
export async function openNbdStore(options: NbdStoreOptions): Promise<NbdStore> {
  const store = new NbdStore(options);
  await store.opened;
  return store;
}

/**
 * An export as a store. When the connection is lost, another one is made after a delay that doubles up to 3 s, and what
 * was under way is sent again; after `reconnectTimeout` requests fail, until there is a connection.
 *
 * Sending again is sound as each request says its offset: a read or write that is done twice is done once. Nobody was
 * told that the first one had ended, so what overlaps it and was under way with it may be found before or after it, as
 * without a loss. Two things no client can see: a server that lives on may execute what it had from the lost
 * connection later than what is written by the next; and a server that lost its memory (a loss of power, or what it
 * kept in its process) has lost what was written since the last flush and not with FUA. QEMU and the Linux client go
 * on in both cases, and so does this; with `writethrough` there is nothing to lose.
 */
export class NbdStore implements GrowableStore, ConnectionUser {
  /** Settles with the first connection. */
  readonly opened: Promise<void>;
  resized: (() => void) | null = null;
  readonly #options: NbdStoreOptions;
  #open: { resolve(): void; reject(error: StoreError): void } | null = null;
  #agreement: Agreement | null = null;
  #connection: ClientConnection | null = null;
  /** The server's answers are awaited; false between connections and in handshakes. */
  #ready = false;
  /** Counts connections. */
  #epoch = 0;
  readonly #slots: ClientRequest[] = [];
  readonly #free: ClientRequest[] = [];
  #active = 0;
  readonly #waiting = new Queue<StoreRequest>();
  #delay = FIRST_DELAY;
  #retry: Timer | null = null;
  #deadline: Timer | null = null;
  /** Why there was no connection in time; null while requests may wait for one. */
  #down: string | null = null;
  #dirty = false;
  #closing = false;
  /** No connection is made any more. */
  #finished = false;
  #idle: (() => void) | null = null;
  #gone: (() => void) | null = null;

  constructor(options: NbdStoreOptions) {
    this.#options = options;
    this.opened = new Promise((resolve, reject) => {
      this.#open = { resolve, reject };
    });
    this.#connect();
  }

  get size(): number {
    return this.#agreement?.size ?? 0;
  }

  /** Bytes that offsets and lengths are multiples of; others are refused as out of range. */
  get minimumBlock(): number {
    return this.#agreement?.minimumBlock ?? 1;
  }

  get features(): StoreFeatures {
    return {
      readOnly: this.#options.readOnly === true || this.#has(TransmissionFlag.readOnly),
      writeBack: this.#options.sync !== "writethrough" && this.#has(TransmissionFlag.sendFlush),
      // TRIM alone promises no zeros: WRITE_ZEROES does, and gives space back where the server can.
      discard: this.#has(TransmissionFlag.sendTrim) && this.#has(TransmissionFlag.sendWriteZeroes),
      optimalIo: this.#agreement?.preferredBlock ?? 0,
    };
  }

  submit(request: StoreRequest): void {
    const refused = this.#refusal(request);
    if (refused !== null) return request.end(refused);
    if (request.operation === "flush" ? !this.#has(TransmissionFlag.sendFlush) : request.length === 0) {
      return request.end(null);
    }
    if (request.operation === "extents" && this.#agreement?.allocation === null) {
      request.extents = [{ offset: request.offset, length: request.length, state: "data" }];
      return request.end(null);
    }
    if (this.#ready && this.#active < MAX_REQUESTS) this.#begin(request);
    else this.#waiting.push(request);
  }

  /** Ends what waits; and what was under way when there is no connection, of which nobody knows whether it was done. */
  cancel(request: StoreRequest): void {
    const cancelled = new StoreError("cancelled", `${request.operation} was cancelled`);
    if (this.#waiting.remove(request)) return request.end(cancelled);
    const active = this.#slots.find((each) => !each.pooled && each.store === request);
    if (active?.unsent === true && active.sent) this.#end(active, cancelled);
  }

  /** An export has the size its server gives it. */
  async grow(): Promise<void> {
    throw new StoreError("hardware", `${this.#title}: an export is made longer by its server`);
  }

  async close(): Promise<void> {
    if (this.#dirty && this.features.writeBack) await this.#flush();
    this.#closing = true;
    if (this.#active > 0 || this.#waiting.length > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#finished = true;
    this.#disarm();
    const connection = this.#connection;
    if (connection === null) return;
    const gone = new Promise<void>((resolve) => (this.#gone = resolve));
    if (this.#ready) connection.end(farewell());
    else connection.fail("it was closed");
    await gone;
  }

  // What the connection tells.

  find(epoch: number, slot: number): ClientRequest | undefined {
    const request = epoch === this.#epoch ? this.#slots[slot] : undefined;
    return request === undefined || request.answered ? undefined : request;
  }

  answered(request: ClientRequest): void {
    if (request.error === ERRORS.ESHUTDOWN) return this.#connection?.fail("the server is being shut down");
    request.answered = true;
    if (request.sent) this.#pieceOver(request);
  }

  sent(request: ClientRequest): void {
    request.sent = true;
    if (request.answered) this.#pieceOver(request);
    else if (request.unsent && this.#ready) this.#send(request);
  }

  agreed(agreement: Agreement): void {
    const before = this.#agreement;
    if (before !== null && agreement.minimumBlock > before.minimumBlock) {
      return this.#connection?.fail(`its blocks have ${agreement.minimumBlock} bytes now`);
    }
    this.#agreement = agreement;
    this.#ready = true;
    this.#delay = FIRST_DELAY;
    this.#down = null;
    this.#disarm();
    this.#open?.resolve();
    this.#open = null;
    if (before !== null && before.size !== agreement.size) this.resized?.();
    for (const request of this.#slots) if (request.unsent && request.sent) this.#send(request);
    this.#proceed();
  }

  ended(reason: string): void {
    this.#connection = null;
    this.#ready = false;
    for (const request of this.#slots) {
      if (request.answered) continue;
      request.restart();
      request.unsent = true;
    }
    if (this.#open !== null) {
      this.#open.reject(new StoreError("hardware", `cannot open ${this.#title}: ${reason}`));
      this.#open = null;
    } else if (this.#finished) {
      this.#gone?.();
    } else {
      this.#reconnect(reason);
    }
  }

  get #title(): string {
    const { address, exportName } = this.#options;
    const where = "path" in address ? address.path : `${address.host}:${address.port}`;
    return `export ${JSON.stringify(exportName)} of ${where}`;
  }

  #has(flag: number): boolean {
    return this.#agreement !== null && (this.#agreement.flags & flag) !== 0;
  }

  #connect(): void {
    const { address, exportName, clock, scheduler, dial = dialNbd } = this.#options;
    const handshakeTimeout = this.#options.handshakeTimeout ?? HANDSHAKE_TIMEOUT;
    this.#epoch = (this.#epoch + 1) >>> 0;
    this.#connection = new ClientConnection({ address, exportName, clock, scheduler, dial, handshakeTimeout }, this);
  }

  #reconnect(reason: string): void {
    const { clock, reconnectTimeout = RECONNECT_TIMEOUT } = this.#options;
    if (this.#down === null) this.#deadline ??= clock.after(reconnectTimeout, { run: () => this.#giveUp(reason) });
    const again = () => {
      this.#retry = null;
      this.#connect();
    };
    this.#retry = clock.after(this.#delay, { run: again });
    this.#delay = Math.min(2 * this.#delay, LONGEST_DELAY);
  }

  /** All that waits for a connection fails, and what comes; connections are tried further. */
  #giveUp(reason: string): void {
    this.#deadline = null;
    this.#down = reason;
    const error = new StoreError("hardware", `${this.#title}: ${reason}`);
    for (const request of this.#slots) if (request.unsent && request.sent) this.#end(request, error);
    while (this.#waiting.length > 0) this.#waiting.shift().end(error);
    this.#checkIdle();
  }

  #disarm(): void {
    if (this.#retry !== null) this.#options.clock.cancel(this.#retry);
    if (this.#deadline !== null) this.#options.clock.cancel(this.#deadline);
    this.#retry = null;
    this.#deadline = null;
  }

  #refusal({ operation, offset, length }: StoreRequest): StoreError | null {
    const { minimumBlock, size } = this;
    if (this.#closing) return new StoreError("hardware", `${operation} after close of ${this.#title}`);
    if (this.#down !== null) return new StoreError("hardware", `${this.#title}: ${this.#down}`);
    if (operation === "flush") return null;
    if (offset < 0 || offset + length > size) {
      return new StoreError("out-of-range", `${operation} of ${offset}+${length} in ${size} bytes`);
    }
    if (offset % minimumBlock !== 0 || length % minimumBlock !== 0) {
      return new StoreError("out-of-range", `${operation} of ${offset}+${length}, not whole blocks of ${minimumBlock}`);
    }
    const writes = operation === "write" || operation === "write-zeroes" || operation === "discard";
    return writes && this.features.readOnly ? new StoreError("read-only", `${this.#title} is read-only`) : null;
  }

  #begin(store: StoreRequest): void {
    const request = this.#free.pop() ?? this.#makeRequest();
    request.pooled = false;
    request.store = store;
    request.done = 0;
    request.answered = false;
    this.#active += 1;
    this.#command(request);
    this.#beginPiece(request);
  }

  #makeRequest(): ClientRequest {
    const request = new ClientRequest(this.#slots.length);
    this.#slots.push(request);
    return request;
  }

  /** The command of an operation. Zeros are written as data where the server has no WRITE_ZEROES. */
  #command(request: ClientRequest): void {
    const { operation, fua } = request.store;
    request.zeroes = false;
    request.flags = 0;
    switch (operation) {
      case "read":
        request.type = CommandType.read;
        return;
      case "flush":
        request.type = CommandType.flush;
        return;
      case "extents":
        request.type = CommandType.blockStatus;
        return;
      case "write":
        request.type = CommandType.write;
        break;
      default:
        request.zeroes = !this.#has(TransmissionFlag.sendWriteZeroes);
        request.type = request.zeroes ? CommandType.write : CommandType.writeZeroes;
        if (operation === "write-zeroes" && !request.zeroes) request.flags = CommandFlag.noHole;
    }
    const durable = fua || this.#options.sync === "writethrough";
    if (durable && this.#has(TransmissionFlag.sendFua)) request.flags |= CommandFlag.fua;
  }

  #beginPiece(request: ClientRequest): void {
    const { type, store, done } = request;
    const most = request.zeroes ? ZERO_PIECE : this.#longest(type);
    request.length = type === CommandType.flush ? 0 : Math.min(store.length - done, most);
    request.answered = false;
    request.restart();
    if (this.#ready) this.#send(request);
    else request.unsent = true;
  }

  #longest(type: number): number {
    const moves = type === CommandType.read || type === CommandType.write;
    return moves ? (this.#agreement as Agreement).maximumPayload : LONG_PIECE;
  }

  #send(request: ClientRequest): void {
    const connection = this.#connection;
    assert(connection !== null, "a request is sent without a connection");
    request.unsent = false;
    request.sent = false;
    connection.send(request, this.#epoch);
  }

  #pieceOver(request: ClientRequest): void {
    const { store, error, type } = request;
    if (error !== null) return this.#end(request, this.#storeError(request, error));
    if (type === CommandType.blockStatus) {
      store.extents = request.extents;
      return this.#end(request, null);
    }
    request.done += request.length;
    const writes = type === CommandType.write || type === CommandType.writeZeroes;
    if (writes) this.#dirty = true;
    if (type !== CommandType.flush && request.done < store.length) return this.#beginPiece(request);
    if (writes && this.#wantsFlush(request)) {
      request.type = CommandType.flush;
      request.flags = 0;
      return this.#beginPiece(request);
    }
    this.#end(request, null);
  }

  /** A server without FUA makes a write durable by a flush behind it. */
  #wantsFlush({ store, flags }: ClientRequest): boolean {
    const durable = store.fua || this.#options.sync === "writethrough";
    return durable && (flags & CommandFlag.fua) === 0 && this.#has(TransmissionFlag.sendFlush);
  }

  #storeError(request: ClientRequest, error: NbdError): StoreError {
    const failure = FAILURES[error.name as keyof typeof ERRORS];
    const what = `${request.store.operation} at byte ${request.offset} of ${this.#title}: ${error.message}`;
    return new StoreError(failure, what, { offset: request.offset });
  }

  #end(request: ClientRequest, error: StoreError | null): void {
    const { store } = request;
    request.answered = true;
    request.unsent = false;
    request.pooled = true;
    request.places.clear();
    this.#free.push(request);
    this.#active -= 1;
    store.end(error);
    this.#proceed();
  }

  #proceed(): void {
    while (this.#ready && this.#active < MAX_REQUESTS && this.#waiting.length > 0) this.#begin(this.#waiting.shift());
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#idle === null || this.#active > 0 || this.#waiting.length > 0) return;
    this.#idle();
    this.#idle = null;
  }

  async #flush(): Promise<void> {
    const request = new StoreRequest();
    request.operation = "flush";
    await new Promise<void>((resolve) => {
      request.completed = () => resolve();
      this.submit(request);
    });
    if (request.error !== null) {
      this.#closing = true;
      this.#finished = true;
      this.#disarm();
      this.#connection?.fail("it was closed");
      throw request.error;
    }
  }
}

function farewell(): Uint8Array {
  const request = new ClientRequest(0);
  request.store = new StoreRequest();
  request.type = CommandType.disconnect;
  return request.head(0).slice();
}
