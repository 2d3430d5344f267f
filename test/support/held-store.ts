// Knows a store that keeps every request until the test lets it go.

import { type ByteStore, MemoryStore, StoreError, type StoreFeatures, type StoreRequest } from "@pvscsi/scsi";

export class HeldStore implements ByteStore {
  readonly features: StoreFeatures;
  resized: (() => void) | null = null;
  readonly memory: MemoryStore;
  /** Requests that wait, in the order in which they came. */
  readonly held: StoreRequest[] = [];
  /** Every operation that was submitted, with `+fua` where it was asked for. */
  readonly seen: string[] = [];
  readonly cancelled: StoreRequest[] = [];
  /** Whether requests wait at all. */
  holding: boolean;

  constructor(size: number, { writeBack = false, holding = true } = {}) {
    this.memory = new MemoryStore(size);
    this.features = { ...this.memory.features, writeBack };
    this.holding = holding;
  }

  get size(): number {
    return this.memory.size;
  }

  submit(request: StoreRequest): void {
    this.seen.push(request.operation + (request.fua ? "+fua" : ""));
    if (this.holding) this.held.push(request);
    else this.memory.submit(request);
  }

  cancel(request: StoreRequest): void {
    this.cancelled.push(request);
  }

  /** Performs the oldest request, or fails it. */
  release(error: StoreError | null = null): void {
    const request = this.held.shift() as StoreRequest;
    if (error === null) this.memory.submit(request);
    else request.end(error);
  }

  /** Ends the oldest request as cancelled. */
  drop(): void {
    this.release(new StoreError("cancelled", "dropped"));
  }

  close(): Promise<void> {
    return this.memory.close();
  }
}
