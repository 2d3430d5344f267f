// Knows a store whose completions a test controls: at once, or when it says so and in the order it says.

import { type ByteStore, StoreError, type StoreFailure, type StoreFeatures, type StoreRequest } from "@pvscsi/scsi";
import { assert } from "@pvscsi/wire";

/** Bytes of what "extents" tells hole from data by. */
export const GRAIN = 4096;

/** What a store was asked, kept after the request went back to its pool. */
export interface Asked {
  readonly operation: string;
  readonly offset: number;
  readonly length: number;
  readonly fua: boolean;
}

export class ModelStore implements ByteStore {
  readonly features: StoreFeatures;
  resized: (() => void) | null = null;
  readonly bytes: Uint8Array;
  readonly asked: Asked[] = [];
  /** Requests that wait for `complete`, while `hold` is set. */
  readonly held: StoreRequest[] = [];
  hold = false;
  /** What the next requests fail with. */
  failure: { readonly failure: StoreFailure; readonly offset?: number } | null = null;

  constructor(size: number, features: Partial<StoreFeatures> = {}) {
    this.bytes = new Uint8Array(size);
    this.features = { readOnly: false, writeBack: true, discard: true, optimalIo: 0, ...features };
  }

  get size(): number {
    return this.bytes.length;
  }

  submit(request: StoreRequest): void {
    const { operation, offset, length, fua } = request;
    this.asked.push({ operation, offset, length, fua });
    assert(!request.pooled || operation !== "read" || request.places.length === length, "places and length agree");
    if (this.hold) this.held.push(request);
    else this.#execute(request);
  }

  /** Completes the held request at `index`. */
  complete(index = 0): void {
    this.#execute(this.held.splice(index, 1)[0]);
  }

  cancel(): void {}

  async close(): Promise<void> {}

  #execute(request: StoreRequest): void {
    if (this.failure !== null) {
      const { failure, ...options } = this.failure;
      request.end(new StoreError(failure, "as the test wants it", options));
      return;
    }
    const area = this.bytes.subarray(request.offset, request.offset + request.length);
    assert(area.length === request.length, `${request.operation} within the store`);
    if (request.operation === "read") request.places.write(area);
    else if (request.operation === "write") request.places.read(area);
    else if (request.operation === "discard" || request.operation === "write-zeroes") area.fill(0);
    else if (request.operation === "extents") this.#extents(request);
    request.end(null);
  }

  /** Whole grains, so that the first and the last extent may reach beyond what was asked for at its end. */
  #extents(request: StoreRequest): void {
    const extents: { offset: number; length: number; state: "data" | "hole" }[] = [];
    let at = request.offset;
    while (at < request.offset + request.length) {
      const end = Math.min(this.size, at - (at % GRAIN) + GRAIN);
      const state = this.bytes.subarray(end - GRAIN, end).every((byte) => byte === 0) ? "hole" : "data";
      extents.push({ offset: at, length: end - at, state });
      at = end;
    }
    request.extents = extents;
  }
}
