// Knows what waits to be sent on one connection while its transport is full. Knows no store.

import type { Clock, Timer } from "@pvscsi/wire";
import type { Cause } from "./outstanding.js";

interface Waiting {
  readonly bytes: Uint8Array;
  /** What the event says, or null for a reply. */
  readonly event: string | null;
  /** The request that brought it about; null where none is to wait for it. */
  readonly cause: Cause | null;
  /** Since when, as the clock says. */
  readonly since: number;
}

/** Takes a message; false says that it took this one but wants no more until the connection is `drained`. */
export type Send = (bytes: Uint8Array) => boolean;

export interface OutputOptions {
  readonly clock: Clock;
  readonly send: Send;
  /** Milliseconds after which an event that waits is dropped (XSA-326). Infinity keeps them all. */
  readonly eventTimeout: number;
}

/**
 * Replies and events in order. An event that waits already is not queued again (XSA-349), unless it tells of domains: each of
 * those is another.
 */
export class OutputQueue {
  readonly #clock: Clock;
  readonly #send: Send;
  readonly #eventTimeout: number;
  #waiting: Waiting[] = [];
  readonly #events = new Set<string>();
  #full = false;
  #timer: Timer | null = null;
  readonly #timeOut = { run: () => this.#dropLate() };
  /** Bytes that wait. */
  bytes = 0;

  constructor({ clock, send, eventTimeout }: OutputOptions) {
    this.#clock = clock;
    this.#send = send;
    this.#eventTimeout = eventTimeout;
  }

  reply(bytes: Uint8Array, cause: Cause): void {
    this.#put(bytes, null, cause);
  }

  /** `text` is the event's payload: its path and token. */
  event(bytes: Uint8Array, text: string, cause: Cause | null): void {
    if (text.startsWith("@") || !this.#events.has(text)) this.#put(bytes, text, cause);
  }

  /** The transport takes messages again. */
  drained(): void {
    this.#full = false;
    let sent = 0;
    while (sent < this.#waiting.length && !this.#full) {
      const message = this.#waiting[sent];
      sent += 1;
      this.#left(message);
      this.#full = !this.#send(message.bytes);
    }
    this.#waiting = this.#waiting.slice(sent);
    if (this.#waiting.length === 0) this.#disarm();
  }

  clear(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#disarm();
    for (const message of waiting) this.#left(message);
  }

  #put(bytes: Uint8Array, event: string | null, cause: Cause | null): void {
    if (!this.#full) {
      this.#full = !this.#send(bytes);
      return;
    }
    this.#waiting.push({ bytes, event, cause, since: this.#clock.now() });
    this.bytes += bytes.length;
    cause?.wait();
    if (event === null) return;
    this.#events.add(event);
    if (this.#timer === null) this.#arm(this.#eventTimeout);
  }

  #left({ bytes, event, cause }: Waiting): void {
    this.bytes -= bytes.length;
    if (event !== null) this.#events.delete(event);
    cause?.leave();
  }

  #arm(milliseconds: number): void {
    if (milliseconds !== Number.POSITIVE_INFINITY) this.#timer = this.#clock.after(milliseconds, this.#timeOut);
  }

  #disarm(): void {
    if (this.#timer !== null) this.#clock.cancel(this.#timer);
    this.#timer = null;
  }

  #dropLate(): void {
    this.#timer = null;
    const now = this.#clock.now();
    const due = ({ since }: Waiting): number => since + this.#eventTimeout;
    const late = (message: Waiting): boolean => message.event !== null && due(message) <= now;
    const dropped = this.#waiting.filter(late);
    this.#waiting = this.#waiting.filter((message) => !late(message));
    const next = this.#waiting.find(({ event }) => event !== null);
    if (next !== undefined) this.#arm(due(next) - now);
    for (const message of dropped) this.#left(message);
  }
}
