// Knows the end of the plain ring that has the store: it answers each request with one entry.

import { MessageChannel } from "node:worker_threads";
import type { Counts } from "@pvscsi/bench";
import { type MemoryStore, StoreRequest } from "@pvscsi/scsi";
import { assert } from "@pvscsi/wire";
import { storeCounts } from "./benchmark-counts.js";
import { filledStore } from "./benchmark-disk.js";
import { REQUESTS, RING_SIZE, type RingAddress, RingEnd } from "./benchmark-sab-ring.js";
import type { ThreadServer } from "./benchmark-thread.js";
import { nodeScheduler } from "./platform.js";

/** Serves a store; the address is the other end of a new ring. */
export async function serveRing(): Promise<ThreadServer<RingAddress>> {
  const { port1, port2 } = new MessageChannel();
  const memory = new SharedArrayBuffer(RING_SIZE);
  const store = await filledStore();
  const server = new RingServer(store, { memory, port: port1 });
  return { address: { memory, port: port2 }, counts: () => server.counts() };
}

class RingServer {
  readonly #ring: RingEnd;
  readonly #store: MemoryStore;
  readonly #requests: (StoreRequest | undefined)[] = [];

  constructor(store: MemoryStore, address: RingAddress) {
    this.#store = store;
    this.#ring = new RingEnd(address, REQUESTS, nodeScheduler(), (entry) => this.#run(entry));
  }

  counts(): Counts {
    return { ...storeCounts(this.#store), notifications: this.#ring.notifications };
  }

  #run(entry: number): void {
    const ring = this.#ring;
    const slot = ring.slot(entry);
    const length = ring.length(entry);
    let request = this.#requests[slot];
    if (request?.length !== length) {
      request = this.#newRequest(slot, length);
      this.#requests[slot] = request;
    }
    request.operation = ring.operation(entry);
    request.offset = ring.offset(entry);
    this.#store.submit(request);
  }

  #newRequest(slot: number, length: number): StoreRequest {
    const request = new StoreRequest();
    request.length = length;
    request.places = this.#ring.data(slot, length);
    request.completed = ({ operation, offset, error }) => {
      assert(error === null, "the store of a benchmark fails");
      this.#ring.put(slot, operation === "write" ? "write" : "read", offset, length);
    };
    return request;
  }
}
