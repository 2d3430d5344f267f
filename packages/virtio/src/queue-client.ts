// Knows one virtqueue of a driver: when the device is notified, and when used buffers are looked for. What they mean is
// its owner's. queue-server.ts is its mirror image.

import { type Places, ProtocolError, type Runnable, type Scheduler } from "@pvscsi/wire";
import { type SplitDriverQueue, Used } from "./split-driver-queue.js";

export interface QueueClientParts {
  readonly queue: SplitDriverQueue;
  readonly scheduler: Scheduler;
  readonly notify: () => void;
  /** Gets every token back, once, with the bytes that the device has written. */
  readonly used: (token: unknown, written: number) => void;
  /** Called after used buffers were taken, before the device is notified of new ones. */
  readonly drained: () => void;
  /** Called once when the device has broken the ring; nothing comes back from it any more. */
  readonly broken: (error: ProtocolError) => void;
}

export class QueueClient implements Runnable {
  readonly #parts: QueueClientParts;
  readonly #queue: SplitDriverQueue;
  readonly #used = new Used();
  readonly #publishSoon: Runnable = { run: () => this.#publishQueued() };
  #open = true;
  #draining = false;
  #publishIsQueued = false;

  constructor(parts: QueueClientParts) {
    this.#parts = parts;
    this.#queue = parts.queue;
  }

  /** Adds a chain, which the device is notified of soon; false when the ring is full. */
  add(readable: Places, writable: Places, token: unknown): boolean {
    if (!this.#open || !this.#queue.add(readable, writable, token)) return false;
    if (this.#draining || this.#publishIsQueued) return true;
    this.#publishIsQueued = true;
    this.#parts.scheduler.soon(this.#publishSoon);
    return true;
  }

  /** The interrupt; also the rest of a queue that had more than one turn's share. */
  run(): void {
    if (!this.#open || this.#draining) return;
    this.#draining = true;
    this.#drain();
    this.#draining = false;
    if (!this.#open) return;
    this.#parts.drained();
    this.#publish();
  }

  /** Nothing is added or taken any more. */
  close(): void {
    this.#open = false;
  }

  /** One turn's share is a ring full. */
  #drain(): void {
    let budget = this.#queue.size;
    this.#queue.quiet();
    try {
      do {
        while (budget > 0 && this.#open && this.#queue.take(this.#used)) {
          budget -= 1;
          this.#parts.used(this.#used.token, this.#used.written);
        }
      } while (budget > 0 && this.#open && this.#queue.finalCheck());
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#open = false;
      this.#parts.broken(error);
    }
    if (budget === 0) this.#parts.scheduler.soon(this);
  }

  #publishQueued(): void {
    this.#publishIsQueued = false;
    if (this.#open && !this.#draining) this.#publish();
  }

  #publish(): void {
    if (this.#queue.publish()) this.#parts.notify();
  }
}
