// Knows how to keep requests back, for a time or until they are cancelled.

import type { Clock, Runnable, Timer } from "@pvscsi/wire";
import { StoreError, type StoreRequest } from "../store.js";

/** A request that is kept back. */
class Held implements Runnable {
  timer: Timer | null = null;
  readonly request: StoreRequest;
  readonly #over: (held: Held) => void;

  constructor(request: StoreRequest, over: (held: Held) => void) {
    this.request = request;
    this.#over = over;
  }

  run(): void {
    this.#over(this);
  }
}

/** Requests kept back by a store; each goes on exactly once, by time or by cancelling. */
export class Holding {
  readonly #clock: Clock;
  readonly #held = new Map<StoreRequest, Held>();
  #emptied: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Keeps a request for `milliseconds`, for ever if that is null, and then does `next` with it. */
  keep(request: StoreRequest, milliseconds: number | null, next: (request: StoreRequest) => void): void {
    const held = new Held(request, () => {
      this.#forget(request);
      next(request);
    });
    this.#held.set(request, held);
    if (milliseconds !== null) held.timer = this.#clock.after(milliseconds, held);
  }

  /** Ends a kept request as cancelled; false when it is not kept here. */
  cancel(request: StoreRequest): boolean {
    const held = this.#held.get(request);
    if (held === undefined) return false;
    if (held.timer !== null) this.#clock.cancel(held.timer);
    this.#forget(request);
    request.end(new StoreError("cancelled", `${request.operation} at ${request.offset} was cancelled`));
    return true;
  }

  /** Cancels what is kept for ever, and resolves when the rest has gone on. */
  async close(): Promise<void> {
    for (const { request, timer } of [...this.#held.values()]) if (timer === null) this.cancel(request);
    if (this.#held.size > 0) await new Promise<void>((resolve) => (this.#emptied = resolve));
  }

  #forget(request: StoreRequest): void {
    this.#held.delete(request);
    if (this.#held.size === 0) this.#emptied?.();
  }
}
