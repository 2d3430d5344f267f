// Knows a store that tells what is asked of another one, by the probes `store:begin` and `store:end`.

import { Pool, type Probes } from "@pvscsi/wire";
import type { ByteStore, StoreRequest } from "../store.js";
import { StoreDecorator } from "./decorator.js";

/** Fires probes with each request of `store`; the subject is the request. */
export function tracing(store: ByteStore, probes: Probes): ByteStore {
  return new TracingStore(store, probes);
}

/** What a request was before its end was listened to. */
class Listening {
  pooled = true;
  completed: (request: StoreRequest) => void = () => {};
  readonly heard: (request: StoreRequest) => void;

  constructor(ended: (request: StoreRequest, listening: Listening) => void) {
    this.heard = (request) => ended(request, this);
  }
}

class TracingStore extends StoreDecorator {
  readonly #probes: Probes;
  readonly #listening = new Pool(() => new Listening((request, listening) => this.#ended(request, listening)));

  constructor(inner: ByteStore, probes: Probes) {
    super(inner);
    this.#probes = probes;
  }

  submit(request: StoreRequest): void {
    if (this.#probes.listening) {
      const listening = this.#listening.take();
      listening.completed = request.completed;
      request.completed = listening.heard;
      this.#probes.emit("store:begin", request);
    }
    this.inner.submit(request);
  }

  #ended(request: StoreRequest, listening: Listening): void {
    request.completed = listening.completed;
    this.#listening.giveBack(listening);
    this.#probes.emit("store:end", request);
    request.completed(request);
  }
}
