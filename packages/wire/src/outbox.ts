// Knows how what a connection wants to send is gathered, once per turn, and which records end when it has left. Knows no
// message and no socket.

import type { Runnable, Scheduler } from "./clock.js";
import { assert } from "./errors.js";

/** Where a connection's bytes go: a socket, or a test. */
export interface ByteSink {
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
class Batch<Item> {
  readonly chunks: Uint8Array[] = [];
  count = 0;
  bytes = 0;
  readonly #items: (Item | null)[] = [];
  #itemCount = 0;
  readonly whenSent: () => void;

  constructor(sent: (batch: Batch<Item>) => void) {
    this.whenSent = () => sent(this);
  }

  add(chunk: Uint8Array): void {
    this.chunks[this.count++] = chunk;
    this.bytes += chunk.length;
  }

  finish(item: Item): void {
    this.#items[this.#itemCount++] = item;
  }

  /** Forgets all; `release` hears of each record. */
  empty(release: (item: Item) => void): void {
    this.chunks.fill(NOTHING, 0, this.count);
    this.count = 0;
    this.bytes = 0;
    const items = this.#itemCount;
    this.#itemCount = 0;
    for (let i = 0; i < items; i++) {
      const item = this.#items[i];
      this.#items[i] = null;
      if (item !== null) release(item);
    }
  }
}

/** Gathers chunks and sends them as one batch at the end of the turn. */
export class Outbox<Item> implements Runnable {
  /** Bytes added that have not left yet. */
  unsent = 0;
  readonly #sink: ByteSink;
  readonly #scheduler: Scheduler;
  readonly #release: (item: Item) => void;
  readonly #left: () => void;
  readonly #free: Batch<Item>[] = [];
  #batch: Batch<Item>;
  #scheduled = false;
  #closed = false;
  readonly #sent = (batch: Batch<Item>): void => this.#recycle(batch);

  /** `release` is told of every record whose bytes have left or never will; `left` of every batch, after that. */
  constructor(sink: ByteSink, scheduler: Scheduler, release: (item: Item) => void, left: () => void) {
    this.#sink = sink;
    this.#scheduler = scheduler;
    this.#release = release;
    this.#left = left;
    this.#batch = new Batch<Item>(this.#sent);
  }

  add(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#batch.add(chunk);
    this.unsent += chunk.length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#scheduler.soon(this);
  }

  /** Ends `item` when all that was added so far has left. */
  finish(item: Item): void {
    if (this.#closed) this.#release(item);
    else this.#batch.finish(item);
  }

  /** Sends what was gathered; called by the scheduler. */
  run(): void {
    this.#scheduled = false;
    const batch = this.#batch;
    if (batch.count === 0) return;
    this.#batch = this.#free.pop() ?? new Batch<Item>(this.#sent);
    this.#sink.send(batch.chunks, batch.count, batch.whenSent);
  }

  /** Nothing is sent from now on; what was gathered is dropped. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#empty(this.#batch);
  }

  #recycle(batch: Batch<Item>): void {
    assert(batch.bytes > 0, "a batch was sent twice");
    this.#empty(batch);
    this.#free.push(batch);
    this.#left();
  }

  #empty(batch: Batch<Item>): void {
    this.unsent -= batch.bytes;
    batch.empty(this.#release);
  }
}
