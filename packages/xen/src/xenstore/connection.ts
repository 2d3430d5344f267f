// Knows one connection's bytes: requests in, replies and events out, and what happens when either side is too slow.
// Knows nothing of what requests mean.

import type { Clock, Runnable, Scheduler, Timer } from "@pvscsi/wire";
import { ProtocolError } from "@pvscsi/wire";
import { XS } from "../abi/xenstore.js";
import { encodeMessage, type Message, MessageReader } from "./framing.js";
import { OutputQueue, type Send } from "./output.js";
import type { Cause } from "./outstanding.js";

/** What a connection is given. */
export interface ConnectionOptions {
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly send: Send;
  /** Milliseconds until a request may be taken, 0 for at once; Infinity until the connection is woken. */
  readonly delay: () => number;
  /** Bytes that may wait in both directions together. */
  readonly memory: number;
  /** Milliseconds after which an event that waits is dropped; may be Infinity. */
  readonly eventTimeout: number;
  readonly handle: (message: Message) => void;
  /** The connection is over; `reason` is null when the transport ended it. Called once. */
  readonly ended: (reason: string | null) => void;
}

/**
 * A connection as its transport sees it. Requests are answered from the scheduler, one a turn, so that a connection
 * with many requests does not hold up the others.
 */
export class StoreConnection implements Runnable {
  readonly #options: ConnectionOptions;
  readonly #reader = new MessageReader();
  readonly #output: OutputQueue;
  #scheduled = false;
  #open = true;
  #last = false;
  #timer: Timer | null = null;
  readonly #alarm = {
    run: () => {
      this.#timer = null;
      this.#schedule();
    },
  };

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#output = new OutputQueue(options);
  }

  /** Bytes of the peer that wait to be taken; a request that is taken is answered, so they are fewer at each reply. */
  get buffered(): number {
    return this.#reader.buffered;
  }

  /** Bytes that wait to be sent. */
  get waiting(): number {
    return this.#output.bytes;
  }

  /** Takes bytes of the peer, cut anywhere; they are copied. */
  receive(bytes: Uint8Array): void {
    if (!this.#open) return;
    this.#reader.push(bytes);
    this.#checkMemory();
    this.#schedule();
  }

  /** The transport takes messages again after `send` said false. */
  drained(): void {
    if (!this.#open) return;
    this.#output.drained();
    this.#schedule();
  }

  /** Requests may be taken again. */
  wake(): void {
    if (this.#reader.buffered > 0) this.#schedule();
  }

  /** The peer says no more: the connection ends from this side when what it has said is done. */
  halfClosed(): void {
    this.#last = true;
    this.#schedule();
  }

  /** The transport is gone: the connection's watches and transactions go with it. */
  close(): void {
    this.#finish(null);
  }

  /** Ends the connection from this side. */
  end(reason: string): void {
    this.#finish(reason);
  }

  run(): void {
    this.#scheduled = false;
    if (!this.#open || this.#isDelayed()) return;
    const message = this.#next();
    if (message === null) {
      if (this.#last) this.#finish("the peer says no more");
      return;
    }
    this.#schedule();
    this.#options.handle(message);
  }

  reply(message: Message, cause: Cause): void {
    if (!this.#open) return;
    this.#output.reply(encodeMessage(message), cause);
    this.#checkMemory();
  }

  /** Sends a watch event, unless the same one still waits. */
  event(payload: string, cause: Cause | null): void {
    if (!this.#open) return;
    const bytes = encodeMessage({ type: XS.WATCH_EVENT, requestId: 0, transactionId: 0, payload });
    this.#output.event(bytes, payload, cause);
    this.#checkMemory();
  }

  #isDelayed(): boolean {
    if (this.#reader.buffered === 0) return false;
    const delay = this.#options.delay();
    if (delay === 0) return false;
    if (this.#timer === null && delay !== Number.POSITIVE_INFINITY) {
      this.#timer = this.#options.clock.after(delay, this.#alarm);
    }
    return true;
  }

  #next(): Message | null {
    try {
      return this.#reader.next();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#finish(error.message);
      return null;
    }
  }

  #schedule(): void {
    if (this.#scheduled || !this.#open) return;
    this.#scheduled = true;
    this.#options.scheduler.soon(this);
  }

  #checkMemory(): void {
    const waiting = this.#reader.buffered + this.#output.bytes;
    if (waiting > this.#options.memory) this.#finish(`${waiting} bytes wait, ${this.#options.memory} at most`);
  }

  #finish(reason: string | null): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#timer !== null) this.#options.clock.cancel(this.#timer);
    this.#timer = null;
    this.#output.clear();
    this.#options.ended(reason);
  }
}
