// Knows what one command reads of a disc: a pooled record with one request after the other. Knows no command.

import { Places } from "@pvscsi/wire";
import { StoreRequest } from "../store.js";
import type { Task } from "../task.js";
import type { Cdrom } from "./cdrom.js";
import type { Disc } from "./disc.js";

/** Bytes that are read at a time where the sectors are built around them. */
export const CHUNK = 32 * 1024;

/** What comes after a request that succeeded. */
export type ReadStep = (drive: Cdrom, reading: Reading) => void;

export class Reading {
  pooled = true;
  /** Null while the record is in its pool. */
  task: Task | null = null;
  declare disc: Disc;
  declare next: ReadStep;
  readonly request = new StoreRequest();
  readonly #places = new Places();
  /** Which parts of a sector go to the initiator, where they are not its user data alone. */
  selection = 0;
  /** Bytes that the initiator has. */
  done = 0;
  /** Sectors that are still to be read. */
  left = 0;
  #buffer: Uint8Array | null = null;
  /** The request is the store's now. */
  atStore = false;
  issuing = false;
  again = false;

  get buffer(): Uint8Array {
    this.#buffer ??= new Uint8Array(CHUNK);
    return this.#buffer;
  }

  /** Prepares to read `length` bytes straight into the first of the task's. */
  intoTask(task: Task, offset: number, length: number, next: ReadStep): void {
    this.#prepare(offset, length, next);
    if (length === task.data.length) this.request.places = task.data;
    else {
      this.#places.select(task.data, 0, length);
      this.request.places = this.#places;
    }
  }

  /** Prepares to read `length` bytes into the buffer. */
  intoBuffer(offset: number, length: number, next: ReadStep): void {
    this.#prepare(offset, length, next);
    this.#places.clear();
    this.#places.add(this.buffer, 0, length);
    this.request.places = this.#places;
  }

  #prepare(offset: number, length: number, next: ReadStep): void {
    const { request } = this;
    request.operation = "read";
    request.offset = offset;
    request.length = length;
    request.fua = false;
    this.next = next;
  }
}
