// Knows what a disk counts for its log pages: commands, and bytes and failures of reads, writes and verifications since power on, or since
// an initiator has set them back. Nothing is allocated to count.

import type { PageCounters } from "../device/log-pages.js";
import type { StoreFailure, StoreRequest } from "../store.js";
import type { Task } from "../task.js";

/** What `#low` counts to before it is carried: a number that is larger may be allocated anew each time. */
const CARRY = 1 << 29;

class Counter {
  #low = 0;
  #high = 0;

  get value(): number {
    return this.#high * CARRY + this.#low;
  }

  /** Counts on by less than 2^29. */
  add(count: number): void {
    this.#low += count;
    if (this.#low < CARRY) return;
    this.#low -= CARRY;
    this.#high += 1;
  }

  clear(): void {
    this.#low = 0;
    this.#high = 0;
  }
}

/** What one error counter page tells. */
export class ErrorCounters implements PageCounters {
  readonly #bytes = new Counter();
  /** Failures of the medium and of what is below it; nothing else is an error that was not corrected. */
  uncorrected = 0;

  get bytes(): number {
    return this.#bytes.value;
  }

  get fresh(): boolean {
    return this.bytes === 0 && this.uncorrected === 0;
  }

  add(bytes: number): void {
    this.#bytes.add(bytes);
  }

  clear(): void {
    this.#bytes.clear();
    this.uncorrected = 0;
  }
}

/** Commands of one direction, and the bytes that they moved between the initiators and the medium. */
class Traffic {
  readonly commands = new Counter();
  readonly bytes = new Counter();

  add(bytes: number): void {
    this.commands.add(1);
    this.bytes.add(bytes);
  }
}

/** What the page of general statistics tells. */
export class Statistics implements PageCounters {
  readonly reads = new Traffic();
  readonly writes = new Traffic();

  get fresh(): boolean {
    return this.reads.commands.value + this.writes.commands.value === 0;
  }

  clear(): void {
    for (const { commands, bytes } of [this.reads, this.writes]) {
      commands.clear();
      bytes.clear();
    }
  }
}

/** The low bits of READ and WRITE of every length, and of WRITE ATOMIC. */
const READS = 0x08;
const WRITES = 0x0a;
const WRITES_ATOMICALLY = 0x1c;

/** The low bits of VERIFY and WRITE AND VERIFY of every length. */
const VERIFIES = 0x0f;
const WRITES_AND_VERIFIES = 0x0e;

export class DiskCounters {
  readonly write = new ErrorCounters();
  readonly read = new ErrorCounters();
  readonly verify = new ErrorCounters();
  readonly statistics = new Statistics();

  served(task: Task, request: StoreRequest): void {
    const counters = this.#of(task, request);
    if (counters === null) return;
    const { length } = request;
    counters.add(length);
    const command = task.cdb[0] & 0x1f;
    if (counters === this.read) {
      if (command === READS) this.statistics.reads.add(length);
    } else if (counters === this.write && isWrite(command)) this.statistics.writes.add(length);
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

/** Of those that write their data in one request. */
function isWrite(command: number): boolean {
  return command === WRITES || command === WRITES_AND_VERIFIES || command === WRITES_ATOMICALLY;
}
