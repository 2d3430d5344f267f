// Knows the frames of the plain WebSocket that bounds a wire: what begins them, and how long they are.

import type { Workload } from "@pvscsi/bench";
import { Places } from "@pvscsi/wire";
import { ScsiifSegment, VSCSIIF_ENTRY_SIZE, VSCSIIF_SG_TABLESIZE } from "@pvscsi/xen";
import { EventMessage, GrantMessage, RangeMessage, RevokeMessage, UseMessage } from "@pvscsi/xenbus";

const PAGE = 4096;
const BLOCK = 512;
const WRITE = 1;
/** Bytes of an index of a ring. */
const INDEX = 4;

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

/** What one end of a connection has done for all its operations. */
export class FrameCounts {
  /** Frames sent: each tells the other end to look. */
  notifications = 0;
  /** Bytes of data copied into frames and out of them. */
  copiedBytes = 0;
}

/** Bytes of the frames of one operation. */
export interface FrameSizes {
  readonly request: number;
  readonly requestHead: number;
  readonly response: number;
  readonly responseHead: number;
}

const USE_TWICE = 2 * UseMessage.size;
/** Of the entry and the index that make it visible, of the index where the next event is asked for, and the event. */
const SHOWN = 3 * RangeMessage.size + VSCSIIF_ENTRY_SIZE + 2 * INDEX + EventMessage.size;
/** Of a segment in a page of descriptors, beside its grant and its revocation. */
const DESCRIPTOR = ScsiifSegment.size;

/** Frames as long as what the xenbus sends for the same operation where one command is under way at a time. */
export function frameSizes({ operation, size }: Pick<Workload, "operation" | "size">): FrameSizes {
  const pages = Math.ceil(size / PAGE);
  const granted = GrantMessage.size + RevokeMessage.size;
  const indirect = pages > VSCSIIF_SG_TABLESIZE ? granted + RangeMessage.size + pages * DESCRIPTOR : 0;
  const reading = operation === "read";
  const requestHead = SHOWN + indirect + pages * (granted + (reading ? 0 : RangeMessage.size));
  // What is read is written by the back end: that it maps and unmaps the pages is told.
  const responseHead = SHOWN + (reading ? pages * (USE_TWICE + RangeMessage.size) : 0);
  return {
    request: requestHead + (reading ? 0 : size),
    requestHead,
    response: responseHead + (reading ? size : 0),
    responseHead,
  };
}

/** Pages for so many bytes. */
export function pagesOf(size: number): Places {
  const places = new Places();
  for (let at = 0; at < size; at += PAGE) places.add(new Uint8Array(PAGE), 0, Math.min(PAGE, size - at));
  return places;
}
