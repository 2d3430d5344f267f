// Knows how a command's work on the store runs: one request after the other on a pooled record, ended exactly once,
// and how others are kept out while COMPARE AND WRITE and its like look and then write. Knows no command.

import { Places } from "@pvscsi/wire";
import { type StoreOperation, StoreRequest } from "../store.js";
import type { Task } from "../task.js";
import type { Disk } from "./disk.js";

/** Bytes a command moves at a time that has to look at the data itself. */
export const CHUNK = 64 * 1024;

/** Repeats the first `size` bytes up to `length`. */
export function repeat(bytes: Uint8Array, size: number, length: number): void {
  for (let at = size; at < length; at *= 2) bytes.copyWithin(at, 0, Math.min(at, length - at));
}

/** What comes after a request that succeeded. */
export type Step = (disk: Disk, work: Work) => void;

/**
 * How a command shares the medium with others: it reads in one request; it writes, or reads in several; or it must be the only
 * one of those meanwhile.
 */
export type Sharing = "reads" | "writes" | "excludes";

/** A command's work on the store: one request at a time, then the next step. */
export class Work {
  pooled = true;
  /** Null while the record is in its pool. */
  task: Task | null = null;
  sharing: Sharing = "reads";
  next: Step;
  readonly request = new StoreRequest();
  /** A part of the task's data, or of `buffer`, for requests that do not move the task's data as it is. */
  readonly places = new Places();
  /** Where the command is: the next byte of the store, bytes left, and bytes done. */
  offset = 0;
  left = 0;
  done = 0;
  /** Bytes of the medium or a pattern; made when a command first needs it, and kept. */
  #buffer: Uint8Array | null = null;
  /** The initiator's data, copied once, for commands that compare it. */
  #copy: Uint8Array | null = null;
  /** The request is the store's now. */
  atStore = false;
  issuing = false;
  again = false;

  constructor(first: Step) {
    this.next = first;
    this.request.context = this;
  }

  get buffer(): Uint8Array {
    this.#buffer ??= new Uint8Array(CHUNK);
    return this.#buffer;
  }

  /** Room for two chunks: what COMPARE AND WRITE compares, and what it writes. */
  get copy(): Uint8Array {
    this.#copy ??= new Uint8Array(2 * CHUNK);
    return this.#copy;
  }

  /** Prepares the next request; its places are what the caller sets. */
  prepare(operation: StoreOperation, offset: number, length: number, next: Step): void {
    const { request } = this;
    request.operation = operation;
    request.offset = offset;
    request.length = length;
    request.fua = false;
    this.next = next;
  }

  /** Prepares to read `length` bytes of the medium into `buffer`, a chunk at a time; chunks are whole blocks. `next` has each. */
  readChunks(offset: number, length: number, next: Step): void {
    this.offset = offset;
    this.left = length;
    this.done = 0;
    this.#readChunk(next);
  }

  /** Prepares the chunk behind the one that was read, or written again; false when there is none. */
  nextChunk(next: Step): boolean {
    const { length } = this.request;
    this.offset += length;
    this.done += length;
    this.left -= length;
    if (this.left > 0) this.#readChunk(next);
    return this.left > 0;
  }

  #readChunk(next: Step): void {
    const length = Math.min(this.left, CHUNK);
    this.prepare("read", this.offset, length, next);
    this.useBytes(this.buffer, length);
  }

  /** The next request moves `length` bytes to or from the beginning of `bytes`. */
  useBytes(bytes: Uint8Array, length: number): void {
    this.places.clear();
    this.places.add(bytes, 0, length);
    this.request.places = this.places;
  }
}

/** Keeps what excludes and what writes apart (SBC-3 5.2: COMPARE AND WRITE reads and writes as one uninterrupted sequence). */
export class Gate {
  #writers = 0;
  #excluding = false;
  readonly #queue: Work[] = [];
  #waking = false;

  /** Lets a work in now (true), or keeps it until `leave` of another starts it. */
  enter(work: Work): boolean {
    if (this.#queue.length === 0 && this.#admit(work)) return true;
    this.#queue.push(work);
    return false;
  }

  #admit({ sharing }: Work): boolean {
    if (this.#excluding || (sharing === "excludes" && this.#writers > 0)) return false;
    if (sharing === "excludes") this.#excluding = true;
    else this.#writers += 1;
    return true;
  }

  leave(sharing: Sharing, start: (work: Work) => void): void {
    if (sharing === "excludes") this.#excluding = false;
    else this.#writers -= 1;
    if (this.#queue.length > 0) this.#wake(start);
  }

  /** Starting one may end it at once, which comes back here: one loop starts all. */
  #wake(start: (work: Work) => void): void {
    if (this.#waking) return;
    this.#waking = true;
    while (this.#queue.length > 0 && this.#admit(this.#queue[0])) start(this.#queue.shift() as Work);
    this.#waking = false;
  }

  /** Takes out a work that has not been let in; false when it has. Those behind it may begin. */
  withdraw(work: Work, start: (work: Work) => void): boolean {
    const index = this.#queue.indexOf(work);
    if (index < 0) return false;
    this.#queue.splice(index, 1);
    this.#wake(start);
    return true;
  }
}
