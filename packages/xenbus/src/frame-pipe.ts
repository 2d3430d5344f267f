// Knows frames on their way from one thread to another: a ring of bytes in shared memory, one writer and one reader. Each
// end can sleep, and says so in the ring, so that the other wakes it. Knows neither threads nor messages.

import { copyBytes, ProtocolError } from "@pvscsi/wire";

/** Bytes of frames that fit: a power of two, and a few of an outbox' longest. */
const CAPACITY = 1024 * 1024;
/** Words ahead of the frames; each index has a cache line of its own. */
const HEAD = 0;
const TAIL = 16;
const READER_ASLEEP = 32;
const WRITER_ASLEEP = 48;
const WORDS = 64;
/** Bytes of a frame's length. */
const LENGTH = 4;

/** Bytes of the memory behind a pipe. */
export const PIPE_SIZE = WORDS * 4 + CAPACITY;

/** Both ends of a pipe, of which a thread uses one. Indices count bytes for ever, modulo 2^32. */
export class FramePipe {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  /** `memory` is a new one of `PIPE_SIZE` bytes, or that of the other end. */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, WORDS);
    this.#bytes = new Uint8Array(memory, WORDS * 4, CAPACITY);
  }

  /** Puts a frame in; false when there is no room for it now. Throws for one that never fits. */
  write(frame: Uint8Array): boolean {
    const size = LENGTH + aligned(frame.length);
    if (size > CAPACITY) throw new ProtocolError(`a frame of ${frame.length} bytes`);
    const tail = Atomics.load(this.#words, TAIL);
    const used = (tail - Atomics.load(this.#words, HEAD)) >>> 0;
    if (used + size > CAPACITY) return false;
    this.#word(tail, frame.length);
    this.#copyIn(tail + LENGTH, frame);
    Atomics.store(this.#words, TAIL, (tail + size) | 0);
    return true;
  }

  /** Copies the next frame into `target`, and returns its length; 0 when there is none. */
  read(target: Uint8Array): number {
    const head = Atomics.load(this.#words, HEAD);
    const used = (Atomics.load(this.#words, TAIL) - head) >>> 0;
    if (used === 0) return 0;
    const at = head & (CAPACITY - 1);
    const bytes = this.#bytes;
    const length = (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
    const size = LENGTH + aligned(length);
    if (length === 0 || length > target.length || size > used || used > CAPACITY) {
      throw new ProtocolError(`a frame of ${length} bytes, where ${used} are written`);
    }
    this.#copyOut(head + LENGTH, target, length);
    Atomics.store(this.#words, HEAD, (head + size) | 0);
    return length;
  }

  /** The reader is to be woken by the next frame; false, and it is not, when there is one already. */
  sleepForFrame(): boolean {
    return this.#sleep(READER_ASLEEP, true);
  }

  /** The writer is to be woken when something has been read; false when all has been read already. */
  sleepForRoom(): boolean {
    return this.#sleep(WRITER_ASLEEP, false);
  }

  /** Whether the reader sleeps; whoever asks has to wake it. */
  takeSleepingReader(): boolean {
    return this.#takeSleeping(READER_ASLEEP);
  }

  /** Whether the writer sleeps; whoever asks has to wake it. */
  takeSleepingWriter(): boolean {
    return this.#takeSleeping(WRITER_ASLEEP);
  }

  /** While the ring is `empty`, or is not. The flag goes up before the last look: what comes after that finds it up. */
  #sleep(flag: number, empty: boolean): boolean {
    Atomics.store(this.#words, flag, 1);
    const isEmpty = Atomics.load(this.#words, TAIL) === Atomics.load(this.#words, HEAD);
    if (isEmpty === empty) return true;
    Atomics.store(this.#words, flag, 0);
    return false;
  }

  #takeSleeping(flag: number): boolean {
    return Atomics.load(this.#words, flag) === 1 && Atomics.exchange(this.#words, flag, 0) === 1;
  }

  #word(at: number, value: number): void {
    const base = at & (CAPACITY - 1);
    this.#bytes[base] = value;
    this.#bytes[base + 1] = value >>> 8;
    this.#bytes[base + 2] = value >>> 16;
    this.#bytes[base + 3] = value >>> 24;
  }

  #copyIn(at: number, frame: Uint8Array): void {
    const base = at & (CAPACITY - 1);
    const first = Math.min(frame.length, CAPACITY - base);
    copyBytes(frame, 0, this.#bytes, base, first);
    if (first < frame.length) copyBytes(frame, first, this.#bytes, 0, frame.length - first);
  }

  #copyOut(at: number, target: Uint8Array, length: number): void {
    const base = at & (CAPACITY - 1);
    const first = Math.min(length, CAPACITY - base);
    copyBytes(this.#bytes, base, target, 0, first);
    if (first < length) copyBytes(this.#bytes, 0, target, first, length - first);
  }
}

/** Lengths stay in one piece at the ring's end. */
function aligned(length: number): number {
  return length + (-length & 3);
}
