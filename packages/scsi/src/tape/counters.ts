// Knows what a drive counts for its log pages since power on.

import type { PageCounters } from "../device/log-pages.js";
import type { StoreFailure } from "../store.js";

export class TapeCounters implements PageCounters {
  /** Bytes that initiators sent and got. */
  written = 0;
  read = 0;
  /** Failures of the medium, and of what is below it. */
  readErrors = 0;
  writeErrors = 0;
  hardwareErrors = 0;

  get fresh(): boolean {
    return this.written === 0 && this.read === 0;
  }

  clear(): void {
    this.written = 0;
    this.read = 0;
  }

  failed(failure: StoreFailure, reading: boolean): void {
    if (failure === "hardware") this.hardwareErrors += 1;
    else if (failure === "medium" && reading) this.readErrors += 1;
    else if (failure === "medium") this.writeErrors += 1;
  }
}
