// Knows what each command asks of the store. Knows neither framing nor replies.

import type { ByteStore, Extent, StoreError, StoreOperation, StoreRequest } from "@pvscsi/scsi";
import { AllocationFlag, CommandFlag, CommandType } from "./abi/transmission.js";
import type { NbdRequest } from "./request.js";

/** Zeroes that are written where no hole may be left; several pieces of the same page a time. */
const ZEROES = new Uint8Array(64 * 1024);
const ZERO_STEP = 1024 * 1024;
/** Descriptors of one BLOCK_STATUS reply; the client asks again from where it ended. */
const MAX_DESCRIPTORS = 4096;

/** The store operation of each command that is one; CACHE is none: what a store keeps warm is its own affair. */
const OPERATIONS: { readonly [type: number]: StoreOperation } = {
  [CommandType.read]: "read",
  [CommandType.write]: "write",
  [CommandType.flush]: "flush",
  [CommandType.trim]: "discard",
  [CommandType.writeZeroes]: "write-zeroes",
  [CommandType.blockStatus]: "extents",
};

/** Has requests executed by one store. `completed` may run before `start` returns. */
export class Execution {
  /** Set when nobody waits any more: what takes several steps ends after the one under way. */
  stopped = false;
  readonly #store: ByteStore;
  readonly #completed: (request: NbdRequest, error: StoreError | null) => void;
  readonly #stored = (store: StoreRequest): void => this.#completed(store.context as NbdRequest, store.error);
  readonly #zeroed = (store: StoreRequest): void => this.#afterZeroes(store.context as NbdRequest, store);
  /** The request whose next step of zeroes is being submitted, and whether that step is over already. */
  #zeroing: NbdRequest | null = null;
  #stepEnded = false;

  constructor(store: ByteStore, completed: (request: NbdRequest, error: StoreError | null) => void) {
    this.#store = store;
    this.#completed = completed;
  }

  start(request: NbdRequest): void {
    const operation = OPERATIONS[request.command.type];
    const empty = request.length === 0 && operation !== "flush";
    if (operation === undefined || empty) {
      this.#completed(request, null);
    } else if (operation === "write-zeroes" && (request.flags & CommandFlag.noHole) !== 0) {
      this.#writeZeroes(request);
    } else {
      request.store.completed = this.#stored;
      this.#submit(request, operation, request.offset, request.length);
    }
  }

  #submit(request: NbdRequest, operation: StoreOperation, offset: number, length: number): void {
    const store = request.store;
    store.operation = operation;
    store.offset = offset;
    store.length = length;
    store.places = request.places;
    store.fua = (request.flags & CommandFlag.fua) !== 0 && request.command.writes;
    this.#store.submit(store);
  }

  /** NO_HOLE promises that the range is backed, which only writing does. A loop, since each step may end at once. */
  #writeZeroes(request: NbdRequest): void {
    request.store.completed = this.#zeroed;
    do {
      this.#zeroing = request;
      this.#stepEnded = false;
      const length = Math.min(ZERO_STEP, request.length - request.done);
      request.places.clear();
      for (let left = length; left > 0; left -= ZEROES.length) {
        request.places.add(ZEROES, 0, Math.min(left, ZEROES.length));
      }
      this.#submit(request, "write", request.offset + request.done, length);
    } while (this.#stepEnded);
    this.#zeroing = null;
  }

  #afterZeroes(request: NbdRequest, store: StoreRequest): void {
    request.done += store.length;
    if (store.error !== null || request.done === request.length || this.stopped) {
      this.#completed(request, store.error);
    } else if (this.#zeroing === request) {
      this.#stepEnded = true;
    } else {
      this.#writeZeroes(request);
    }
  }
}

/** The answer of "extents" as pairs of length and status, within the request; one pair only for REQ_ONE. */
export function descriptorsOf(request: NbdRequest): number[] {
  const most = (request.flags & CommandFlag.reqOne) !== 0 ? 1 : MAX_DESCRIPTORS;
  const descriptors: number[] = [];
  const end = request.offset + request.length;
  let at = request.offset;
  for (const extent of request.store.extents) {
    const length = Math.min(extent.offset + extent.length, end) - at;
    if (length <= 0) break;
    const status = statusOf(extent);
    if (descriptors.at(-1) === status) descriptors[descriptors.length - 2] += length;
    else if (descriptors.length === 2 * most) break;
    else descriptors.push(length, status);
    at += length;
  }
  return descriptors;
}

function statusOf(extent: Extent): number {
  return extent.state === "hole" ? AllocationFlag.hole | AllocationFlag.zero : 0;
}
