// Knows how far the one command is that moves the tape: a drive has one head, so its commands run one after the other. Knows no command.

import { Places } from "@pvscsi/wire";
import { type StoreOperation, StoreRequest } from "../store.js";
import type { Task } from "../task.js";
import { putWord, WORD } from "./records.js";
import type { Tape } from "./tape.js";

/** What comes after a request that succeeded, or after all that was written is durable. */
export type Step = (tape: Tape, work: Work) => void;

/** Bytes that are read for nobody at a time. */
const DISCARDED = 64 * 1024;

export class Work {
  /** Null while nothing moves the tape. */
  task: Task | null = null;
  readonly request = new StoreRequest();
  next: Step = idle;
  /** What comes when everything is durable. */
  synchronized: Step = idle;
  /** The next partition to flush. */
  partition = 0;
  /** Blocks or filemarks that are to be moved, and that were. */
  left = 0;
  done = 0;
  /** What INFORMATION says when nothing more can be written. */
  residue = 0;
  readonly #places = new Places();
  /** A length, a byte of padding, and the length again. */
  readonly #frame = new Uint8Array(2 * WORD + 1);
  #discarded: Uint8Array | null = null;

  constructor() {
    this.request.places = this.#places;
  }

  /** Begins a request without places. */
  prepare(operation: StoreOperation, offset: number, next: Step): void {
    const { request } = this;
    request.operation = operation;
    request.offset = offset;
    request.fua = false;
    request.length = 0;
    this.#places.clear();
    this.next = next;
  }

  add(page: Uint8Array, offset: number, length: number): void {
    this.#places.add(page, offset, length);
    this.request.length += length;
  }

  /** Adds bytes of the task's data from `from` on; what there is no room for is read for nobody. */
  addData(data: Places, from: number, length: number): void {
    let skip = from;
    let left = length;
    for (let i = 0; i < data.count && left > 0; i++) {
      const size = data.size(i);
      if (skip >= size) {
        skip -= size;
        continue;
      }
      const take = Math.min(size - skip, left);
      this.add(data.page(i), data.offset(i) + skip, take);
      left -= take;
      skip = 0;
    }
    this.addDiscarded(left);
  }

  /** Adds room for bytes that nobody looks at. */
  addDiscarded(length: number): void {
    for (let left = length; left > 0; left -= DISCARDED) {
      this.#discarded ??= new Uint8Array(DISCARDED);
      this.add(this.#discarded, 0, Math.min(left, DISCARDED));
    }
  }

  /** Says how long the records are that `addHead` and `addTail` are around. */
  frame(size: number): void {
    putWord(this.#frame, 0, size);
    this.#frame[WORD] = 0;
    putWord(this.#frame, WORD + 1, size);
  }

  addHead(): void {
    this.add(this.#frame, 0, WORD);
  }

  addTail(size: number): void {
    const padding = size & 1;
    this.add(this.#frame, WORD + 1 - padding, WORD + padding);
  }
}

function idle(): never {
  throw new Error("a step of a command that is none");
}
