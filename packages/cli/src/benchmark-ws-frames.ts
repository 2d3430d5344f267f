// Knows the frames of the plain WebSocket that bounds a wire: what begins them, and how long they are.

import type { Workload } from "@pvscsi/bench";
import { Places } from "@pvscsi/wire";

const PAGE = 4096;
const BLOCK = 512;
const WRITE = 1;

/** The fields that begin a request; a response begins with its slot. The rest of a head is as long as it has to be. */
export class FrameHead {
  readonly #frame: Buffer;

  constructor(frame: Buffer) {
    this.#frame = frame;
  }

  /** Which of the operations under way it is. */
  get slot(): number {
    return this.#frame.readUInt32LE(0);
  }

  set slot(slot: number) {
    this.#frame.writeUInt32LE(slot, 0);
  }

  get operation(): Workload["operation"] {
    return this.#frame.readUInt32LE(4) === WRITE ? "write" : "read";
  }

  set operation(operation: Workload["operation"]) {
    this.#frame.writeUInt32LE(operation === "write" ? WRITE : 0, 4);
  }

  /** Bytes; a whole number of blocks. */
  get offset(): number {
    return this.#frame.readUInt32LE(8) * BLOCK;
  }

  set offset(offset: number) {
    this.#frame.writeUInt32LE(offset / BLOCK, 8);
  }

  get length(): number {
    return this.#frame.readUInt32LE(12);
  }

  set length(length: number) {
    this.#frame.writeUInt32LE(length, 12);
  }
}

/** Bytes of the frames of one operation. */
export interface FrameSizes {
  readonly request: number;
  readonly requestHead: number;
  readonly response: number;
  readonly responseHead: number;
}

/** What the xenbus sends for a command beside its data: in one direction, so much and so much for each page more. */
const REQUEST_HEAD = { first: 350, more: 40 };
const RESPONSE_HEAD = { first: 370, more: 40 };

/** Frames as long as what the xenbus sends for the same operation, one command at a time. */
export function frameSizes({ operation, size }: Pick<Workload, "operation" | "size">): FrameSizes {
  const more = Math.ceil(size / PAGE) - 1;
  const requestHead = REQUEST_HEAD.first + more * REQUEST_HEAD.more;
  const responseHead = RESPONSE_HEAD.first + more * RESPONSE_HEAD.more;
  return {
    request: requestHead + (operation === "write" ? size : 0),
    requestHead,
    response: responseHead + (operation === "read" ? size : 0),
    responseHead,
  };
}

/** Pages for so many bytes. */
export function pagesOf(size: number): Places {
  const places = new Places();
  for (let at = 0; at < size; at += PAGE) places.add(new Uint8Array(PAGE), 0, Math.min(PAGE, size - at));
  return places;
}
