// Knows one request to a disk: a range of bytes and what is to be done with it. Knows no SCSI.

import { Places } from "@pvscsi/wire";
import type { BlockStatus } from "./block-status.js";

export type BlockOperation = "read" | "write" | "flush" | "discard" | "write-zeroes";

/**
 * A request as a pooled record: fill it in, `BlockDevice.submit` it, and get it back through `completed` exactly once, perhaps
 * before `submit` returns.
 */
export class BlockRequest {
  pooled = true;
  operation: BlockOperation = "read";
  /** Bytes; both are multiples of the disk's blocks, and unused by "flush". */
  offset = 0;
  length = 0;
  /** For "read" and "write", `length` bytes. */
  places: Places = new Places();
  /**
   * Whether the places lie in pages of the disk's adapter: commands then point straight into them, and the request ends
   * only when the adapter let go of them. Data that lies elsewhere is copied.
   */
  adapterPages = false;
  /** For "write" and "write-zeroes": ended means durable. */
  fua = false;
  /** Null when it succeeded. */
  failure: BlockStatus | null = null;
  /** The first byte that failed, on the disk. */
  failedAt = 0;
  completed: (request: BlockRequest) => void = () => {};
  /** The submitter's own record for this request. */
  context: unknown = null;

  /** For the disk: whether parts of it are still to become commands, what comes after it, bytes that became commands. */
  queued = false;
  next: BlockRequest | null = null;
  issued = 0;
  /** For the disk: commands under way. */
  commands = 0;
  /** For the disk: a "flush" has no data; another request may need one after its data, to be durable. */
  stage: "data" | "flush" = "data";
  /** For the disk: what makes it durable where that was asked for: the FUA bit, or a flush behind its data. */
  forceUnitAccess = false;
  flushAfter = false;
}

/** Linux's req_op and the flags of direct, synchronous I/O, as a failed request's line has them. */
export const OPERATION_TEXT: { readonly [Operation in BlockOperation]: string } = {
  read: "0x0:(READ) flags 0x0",
  write: "0x1:(WRITE) flags 0x8800",
  // An empty write that asks for a flush first.
  flush: "0x1:(WRITE) flags 0x800",
  discard: "0x3:(DISCARD) flags 0x800",
  "write-zeroes": "0x9:(WRITE_ZEROES) flags 0x800",
};
