// Knows how what the kernel has of a file in memory is read without waiting for its medium: preadv2(2) with RWF_NOWAIT. Node has neither.

import type { Call, Calls } from "./calls.js";
import type { Native } from "./native.js";

const RWF_NOWAIT = 8;
const EAGAIN = 11;
/** Bytes of one read: a longer one is worth a thread, and keeps its loop waiting. */
const MOST = 64 * 1024;
/** Where a struct iovec lies, behind the bytes that it is for. */
const VECTOR = MOST;
const VECTOR_SIZE = 16;

export class PageCache {
  /** What was read, until the next read. */
  readonly bytes: Uint8Array;
  readonly #calls: Calls;
  /** Null where the C library is too old to have it. */
  readonly #preadv2: Call | null;
  readonly #address: number;
  readonly #vector: DataView;

  constructor(calls: Calls, native: Pick<Native, "allocate">) {
    const { bytes, address } = native.allocate(VECTOR + VECTOR_SIZE);
    this.bytes = bytes.subarray(0, MOST);
    this.#calls = calls;
    this.#preadv2 = calls.optional("int64_t preadv2(int fd, uintptr_t vectors, int count, int64_t offset, int flags)");
    this.#address = address;
    this.#vector = new DataView(bytes.buffer, VECTOR);
    this.#vector.setBigUint64(0, BigInt(address), true);
  }

  /**
   * Reads up to `length` bytes at `offset`, as many as `bytes` has at most, and as far as they are in memory: returns how many that
   * were, or -1 where its file system does not tell.
   */
  read(descriptor: number, offset: number, length: number): number {
    if (this.#preadv2 === null) return -1;
    // The upper half of the length is zero.
    this.#vector.setUint32(8, Math.min(length, MOST), true);
    const count = this.#preadv2(descriptor, this.#address + VECTOR, 1, offset, RWF_NOWAIT);
    if (count >= 0) return count;
    return this.#calls.errno === EAGAIN ? 0 : -1;
  }
}
