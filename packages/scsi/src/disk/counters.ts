// Knows what a disk counts for its log pages: bytes and failures of reads, writes and verifications since power on, or since an
// initiator has set them back. Nothing is allocated to count.

import type { StoreFailure, StoreRequest } from "../store.js";
import type { Task } from "../task.js";

/** What one error counter page tells. */
export interface ErrorCounters {
  bytes: number;
  /** Failures of the medium and of what is below it; nothing else is an error that was not corrected. */
  uncorrected: number;
}

/** The low bits of VERIFY and WRITE AND VERIFY of every length. */
const VERIFIES = 0x0f;
const WRITES_AND_VERIFIES = 0x0e;

export class DiskCounters {
  readonly write: ErrorCounters = { bytes: 0, uncorrected: 0 };
  readonly read: ErrorCounters = { bytes: 0, uncorrected: 0 };
  readonly verify: ErrorCounters = { bytes: 0, uncorrected: 0 };

  served(task: Task, request: StoreRequest): void {
    const counters = this.#of(task, request);
    if (counters !== null) counters.bytes += request.length;
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
