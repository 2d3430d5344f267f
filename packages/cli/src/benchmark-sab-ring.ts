// Knows the ring that bounds shared memory: requests one way, responses the other, a place for the data of each slot, and
// who sleeps. Neither end is protected from the other: there are no grants, and nothing is checked.

import type { MessagePort } from "node:worker_threads";
import type { Workload } from "@pvscsi/bench";
import { Places, type Runnable, type Scheduler } from "@pvscsi/wire";

/** As many as a page of vscsiif has. */
const SLOTS = 16;
const PAGE = 4096;
const BLOCK = 512;
/** Bytes of the data of a slot: of the longest operation. */
const LONGEST = 256 * 1024;
/** Words of an entry: slot, operation, block, length; of a response the slot alone. */
const ENTRY = 4;
const WRITE = 1;
/** Words of the head, a cache line each: of requests, then of responses, their producer's index and whether their reader sleeps. */
const PRODUCER = [0, 16];
const ASLEEP = [32, 48];
const ENTRIES = [64, 64 + SLOTS * ENTRY];
const HEAD = PAGE;

/** Who reads which entries: the store's end the requests, the other one the responses. */
export const REQUESTS = 0;
export const RESPONSES = 1;
type Direction = typeof REQUESTS | typeof RESPONSES;

export const RING_SIZE = HEAD + SLOTS * LONGEST;

/** The memory behind a ring, and a port by which its ends wake each other. */
export interface RingAddress {
  readonly memory: SharedArrayBuffer;
  readonly port: MessagePort;
}

/** One end: an entry is shown when the turn, or the drain, in which it was written has come to its end. */
export class RingEnd implements Runnable {
  readonly #memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #port: MessagePort;
  readonly #scheduler: Scheduler;
  readonly #reads: Direction;
  readonly #writes: Direction;
  readonly #take: (entry: number) => void;
  /** Times that the other end was woken. */
  notifications = 0;
  #consumed = 0;
  #produced = 0;
  #shown = 0;
  #draining = false;

  /** `take` is called with each entry of `reads` that arrives. */
  constructor({ memory, port }: RingAddress, reads: Direction, scheduler: Scheduler, take: (entry: number) => void) {
    this.#memory = memory;
    this.#words = new Int32Array(memory, 0, HEAD / 4);
    this.#port = port;
    this.#reads = reads;
    this.#writes = reads === REQUESTS ? RESPONSES : REQUESTS;
    this.#scheduler = scheduler;
    this.#take = take;
    port.on("message", () => this.run());
    scheduler.soon(this);
  }

  /** Writes an entry for the other end. */
  put(slot: number, operation: Workload["operation"], offset: number, length: number): void {
    const at = ENTRIES[this.#writes] + (this.#produced % SLOTS) * ENTRY;
    this.#words[at] = slot;
    this.#words[at + 1] = operation === "write" ? WRITE : 0;
    this.#words[at + 2] = offset / BLOCK;
    this.#words[at + 3] = length;
    this.#produced = (this.#produced + 1) | 0;
    if (!this.#draining) this.#show();
  }

  slot(entry: number): number {
    return this.#words[entry];
  }

  operation(entry: number): Workload["operation"] {
    return this.#words[entry + 1] === WRITE ? "write" : "read";
  }

  offset(entry: number): number {
    return this.#words[entry + 2] * BLOCK;
  }

  length(entry: number): number {
    return this.#words[entry + 3];
  }

  /** The pages of a slot's data. */
  data(slot: number, size: number): Places {
    const places = new Places();
    for (let at = 0; at < size; at += PAGE) {
      places.add(new Uint8Array(this.#memory, HEAD + slot * LONGEST + at, PAGE), 0, Math.min(PAGE, size - at));
    }
    return places;
  }

  /** Takes what has arrived, and sleeps once nothing has. */
  run(): void {
    const found = this.#drain();
    if (found || !this.#sleep()) this.#scheduler.soon(this);
  }

  #drain(): boolean {
    const producer = Atomics.load(this.#words, PRODUCER[this.#reads]);
    const found = producer !== this.#consumed;
    this.#draining = true;
    while (this.#consumed !== producer) {
      const entry = ENTRIES[this.#reads] + (this.#consumed % SLOTS) * ENTRY;
      this.#consumed = (this.#consumed + 1) | 0;
      this.#take(entry);
    }
    this.#draining = false;
    this.#show();
    return found;
  }

  #show(): void {
    if (this.#shown === this.#produced) return;
    this.#shown = this.#produced;
    Atomics.store(this.#words, PRODUCER[this.#writes], this.#produced);
    if (Atomics.exchange(this.#words, ASLEEP[this.#writes], 0) === 0) return;
    this.notifications += 1;
    this.#port.postMessage(null);
  }

  #sleep(): boolean {
    Atomics.store(this.#words, ASLEEP[this.#reads], 1);
    if (Atomics.load(this.#words, PRODUCER[this.#reads]) === this.#consumed) return true;
    Atomics.store(this.#words, ASLEEP[this.#reads], 0);
    return false;
  }
}
