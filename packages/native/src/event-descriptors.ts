// Knows eventfd(2): a counter behind a descriptor, by which processes and virtual machines wake each other.

import type { Call, Calls } from "./calls.js";

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const EAGAIN = 11;

/**
 * Descriptors of events. One that came from a peer is used as it is: whether it blocks is a matter of the file, which the
 * peer shares, and a QEMU whose event blocks hangs for good.
 */
export class EventDescriptors {
  readonly #calls: Calls;
  readonly #create: Call;
  readonly #write: Call;
  readonly #read: Call;
  readonly #value = new Uint8Array(8);

  constructor(calls: Calls) {
    this.#calls = calls;
    this.#create = calls.checked("eventfd", "int eventfd(unsigned int initial, int flags)");
    this.#write = calls.raw("int eventfd_write(int fd, uint64_t value)");
    this.#read = calls.raw("int eventfd_read(int fd, void *value)");
  }

  /** A new one, of count 0, that does not block. Throws SystemCallError. */
  create(): number {
    return this.#create(0, EFD_CLOEXEC | EFD_NONBLOCK);
  }

  /** Counts one more. Throws SystemCallError for a descriptor that is no event; a counter that is full is not worth one. */
  signal(descriptor: number): void {
    if (this.#write(descriptor, 1) < 0 && this.#calls.errno !== EAGAIN) throw this.#calls.failure("eventfd_write");
  }

  /** Takes the count, which is 0 afterwards; false where it was. Call it only after a poll where it may block. */
  drain(descriptor: number): boolean {
    if (this.#read(descriptor, this.#value) === 0) return true;
    if (this.#calls.errno === EAGAIN) return false;
    throw this.#calls.failure("eventfd_read");
  }
}
