// Knows a store that takes its time: every request begins only after a delay.

import type { Clock } from "@pvscsi/wire";
import type { ByteStore, StoreRequest } from "../store.js";
import { StoreDecorator } from "./decorator.js";
import { Holding } from "./holding.js";

/** Delays every request of `store` by `milliseconds`; a request that still waits can be cancelled. */
export function slow(store: ByteStore, milliseconds: number, clock: Clock): ByteStore {
  return new SlowStore(store, milliseconds, clock);
}

class SlowStore extends StoreDecorator {
  readonly #milliseconds: number;
  readonly #holding: Holding;
  readonly #begin = (request: StoreRequest): void => this.inner.submit(request);

  constructor(inner: ByteStore, milliseconds: number, clock: Clock) {
    super(inner);
    this.#milliseconds = milliseconds;
    this.#holding = new Holding(clock);
  }

  submit(request: StoreRequest): void {
    this.#holding.keep(request, this.#milliseconds, this.#begin);
  }

  override cancel(request: StoreRequest): void {
    if (!this.#holding.cancel(request)) this.inner.cancel(request);
  }

  override async close(): Promise<void> {
    await this.#holding.close();
    await this.inner.close();
  }
}
