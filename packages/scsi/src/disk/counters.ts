// Knows what a disk counts for its log pages: bytes and failures of reads, writes and verifications since power on, or since an
// initiator has set them back. Nothing is allocated to count.

import type { StoreFailure, StoreRequest } from "../store.js";
import type { Task } from "../task.js";

/** What `#low` counts to before it is carried: a number that is larger may be allocated anew each time. */
const CARRY = 1 << 29;

/** What one error counter page tells. */
export class ErrorCounters {
  #low = 0;
  #high = 0;
  /** Failures of the medium and of what is below it; nothing else is an error that was not corrected. */
  uncorrected = 0;

  get bytes(): number {
    return this.#high * CARRY + this.#low;
  }

  /** Counts bytes of one request, which are less than 2^29. */
  add(bytes: number): void {
    this.#low += bytes;
    if (this.#low < CARRY) return;
    this.#low -= CARRY;
    this.#high += 1;
  }

  clear(): void {
    this.#low = 0;
    this.#high = 0;
    this.uncorrected = 0;
  }
}

/** The low bits of VERIFY and WRITE AND VERIFY of every length. */
const VERIFIES = 0x0f;
const WRITES_AND_VERIFIES = 0x0e;

export class DiskCounters {
  readonly write = new ErrorCounters();
  readonly read = new ErrorCounters();
  readonly verify = new ErrorCounters();

  served(task: Task, request: StoreRequest): void {
    const counters = this.#of(task, request);
    if (counters !== null) counters.add(request.length);
  }

  failed(task: Task, request: StoreRequest, failure: StoreFailure): void {
    if (failure !== "medium" && failure !== "hardware") return;
    const counters = this.#of(task, request);
    if (counters !== null) counters.uncorrected += 1;
  }

  #of({ cdb }: Task, { operation }: StoreRequest): ErrorCounters | null {
    if (operation === "write") return this.write;
    if (operation !== "read") return null;
    const command = cdb[0] & 0x1f;
    return command === VERIFIES || command === WRITES_AND_VERIFIES ? this.verify : this.read;
  }
}
