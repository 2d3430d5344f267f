// Knows a store that fails on purpose, by rules; which rules there are is in fault.ts.

import type { Clock } from "@pvscsi/wire";
import { type ByteStore, StoreError, type StoreRequest } from "../store.js";
import { StoreDecorator } from "./decorator.js";
import { type Fault, strikes } from "./fault.js";
import { Holding } from "./holding.js";

/** Makes `store` fail by `faults`; the first that fits a request applies. `clock` keeps the delays. */
export function faulty(store: ByteStore, faults: readonly Fault[], clock: Clock): ByteStore {
  return new FaultStore(store, faults, clock);
}

class FaultStore extends StoreDecorator {
  readonly #rules: { readonly fault: Fault; left: number }[];
  readonly #holding: Holding;

  constructor(inner: ByteStore, faults: readonly Fault[], clock: Clock) {
    super(inner);
    this.#rules = faults.map((fault) => ({ fault, left: fault.times }));
    this.#holding = new Holding(clock);
  }

  submit(request: StoreRequest): void {
    const rule = this.#rules.find(({ fault, left }) => left > 0 && strikes(fault, request));
    if (rule === undefined) return this.inner.submit(request);
    rule.left -= 1;
    const { fault } = rule;
    if (fault.delay === 0) return this.#strike(fault, request);
    this.#holding.keep(request, fault.delay, () => this.#strike(fault, request));
  }

  #strike({ failure, first }: Fault, request: StoreRequest): void {
    if (failure === null) return this.inner.submit(request);
    const offset = Math.max(first, request.offset);
    request.end(new StoreError(failure, `${request.operation} at ${offset} fails on purpose`, { offset }));
  }

  override cancel(request: StoreRequest): void {
    if (!this.#holding.cancel(request)) this.inner.cancel(request);
  }

  override async close(): Promise<void> {
    await this.#holding.close();
    await this.inner.close();
  }
}
