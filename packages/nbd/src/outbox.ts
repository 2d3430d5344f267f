// Knows how what a session wants to send is gathered, once per turn, and which requests end when it has left.

import { assert, type Runnable, type Scheduler } from "@pvscsi/wire";
import type { NbdRequest } from "./request.js";

/** Where a session's bytes go: a socket, or a test. */
export interface NbdSink {
  /**
   * Sends the first `count` chunks in order. They and the list are lent until `whenSent`, which is called exactly once,
   * also when the connection ends before they could leave; perhaps before this returns.
   */
  send(chunks: readonly Uint8Array[], count: number, whenSent: () => void): void;
  /** Asks for no more bytes until `resume`; a few may come nevertheless. */
  pause(): void;
  resume(): void;
  /** Closes the connection: all that was sent has left. */
  end(): void;
  /** Drops the connection, whatever is under way. */
  destroy(): void;
  /** The connection has ended and nothing of it is under way any more: the last call. */
  settled(): void;
}

const NOTHING = new Uint8Array(0);

/** What is sent together. Its lists are never cut: V8 would make a list of length 0 a new one with the next entry. */
class Batch {
  readonly chunks: Uint8Array[] = [];
  count = 0;
  bytes = 0;
  readonly #requests: (NbdRequest | null)[] = [];
  #requestCount = 0;
  readonly whenSent: () => void;

  constructor(sent: (batch: Batch) => void) {
    this.whenSent = () => sent(this);
  }

  add(chunk: Uint8Array): void {
    this.chunks[this.count++] = chunk;
    this.bytes += chunk.length;
  }

  finish(request: NbdRequest): void {
    this.#requests[this.#requestCount++] = request;
  }

  /** Forgets all; `release` hears of each request. */
  empty(release: (request: NbdRequest) => void): void {
    this.chunks.fill(NOTHING, 0, this.count);
    this.count = 0;
    this.bytes = 0;
    const requests = this.#requestCount;
    this.#requestCount = 0;
    for (let i = 0; i < requests; i++) {
      const request = this.#requests[i];
      this.#requests[i] = null;
      if (request !== null) release(request);
    }
  }
}

/** Gathers chunks and sends them as one batch at the end of the turn. */
export class Outbox implements Runnable {
  /** Bytes added that have not left yet. */
  unsent = 0;
  readonly #sink: NbdSink;
  readonly #scheduler: Scheduler;
  readonly #release: (request: NbdRequest) => void;
  readonly #left: () => void;
  readonly #free: Batch[] = [];
  #batch: Batch;
  #scheduled = false;
  #closed = false;
  readonly #sent = (batch: Batch): void => this.#recycle(batch);

  /** `release` is told of every request whose reply has left or never will; `left` of every batch, after that. */
  constructor(sink: NbdSink, scheduler: Scheduler, release: (request: NbdRequest) => void, left: () => void) {
    this.#sink = sink;
    this.#scheduler = scheduler;
    this.#release = release;
    this.#left = left;
    this.#batch = new Batch(this.#sent);
  }

  add(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#batch.add(chunk);
    this.unsent += chunk.length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#scheduler.soon(this);
  }

  /** Ends `request` when all that was added so far has left. */
  finish(request: NbdRequest): void {
    if (this.#closed) this.#release(request);
    else this.#batch.finish(request);
  }

  /** Sends what was gathered; called by the scheduler. */
  run(): void {
    this.#scheduled = false;
    const batch = this.#batch;
    if (batch.count === 0) return;
    this.#batch = this.#free.pop() ?? new Batch(this.#sent);
    this.#sink.send(batch.chunks, batch.count, batch.whenSent);
  }

  /** Nothing is sent from now on; what was gathered is dropped. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#empty(this.#batch);
  }

  #recycle(batch: Batch): void {
    assert(batch.bytes > 0, "a batch was sent twice");
    this.#empty(batch);
    this.#free.push(batch);
    this.#left();
  }

  #empty(batch: Batch): void {
    this.unsent -= batch.bytes;
    batch.empty(this.#release);
  }
}
