// Knows what every disk of a guest is, whatever its driver: blocks that can be read and written. Knows no SCSI.

import type { BlockRequest } from "./block-request.js";
import { BLOCK_STATUS, type BlockStatus } from "./block-status.js";
import type { LbaRun } from "./lba-status.js";

/** All in logical blocks unless it says bytes. */
export interface BlockParameters {
  /** Bytes. */
  readonly blockSize: number;
  /** Bytes. */
  readonly physicalBlockSize: number;
  readonly blocks: number;
  readonly readOnly: boolean;
  /** A write that has ended may not be on the medium. */
  readonly writeCache: boolean;
  /** How blocks are given back; "none" where they cannot be. */
  readonly discard: string;
  readonly discardGranularity: number;
  /** Blocks that are given back read as zeros. */
  readonly discardReadsZeros: boolean;
}

export interface BlockDevice {
  /** `sda` or `vda`. */
  readonly name: string;
  readonly parameters: BlockParameters;
  /** Bytes. */
  readonly size: number;
  /** Called after the number of blocks has changed. */
  readonly resizeListeners: Set<() => void>;
  /** The adapter's pages, for places that requests may point into. */
  allocate(pages: number): Uint8Array[];
  free(pages: readonly Uint8Array[]): void;
  /** Takes a request; its `completed` runs exactly once. */
  submit(request: BlockRequest): void;
  /** The request that waits with this context, if it does. */
  findWaiting(context: unknown): BlockRequest | null;
  /** Ends a request nothing of which has begun; false when something has, or when it is not here. */
  cancel(request: BlockRequest): boolean;
  /** Which blocks are backed, from `block` on, as far as one answer reaches; null when the disk cannot tell. */
  lbaStatus(block: number): Promise<LbaRun[] | null>;
}

/** What the block layer refuses by itself, without a line in the log. */
export function refusalOf(request: BlockRequest, { parameters, size }: BlockDevice): BlockStatus | null {
  const { operation, offset, length } = request;
  const { blockSize, readOnly, discard } = parameters;
  if (operation === "flush") return null;
  if (offset % blockSize !== 0 || length % blockSize !== 0 || offset < 0 || offset + length > size) {
    return BLOCK_STATUS.outOfRange;
  }
  if (operation !== "read" && readOnly) return BLOCK_STATUS.readOnly;
  return operation === "discard" && discard === "none" ? BLOCK_STATUS.notSupported : null;
}

/** Ends a request that nothing was done of. */
export function failRequest(request: BlockRequest, failure: BlockStatus): void {
  request.failure = failure;
  request.failedAt = request.offset;
  request.completed(request);
}

/** Notes a failure; the first byte that failed is the one that counts. */
export function noteFailure(request: BlockRequest, failure: BlockStatus, at: number): void {
  if (request.failure !== null && request.failedAt <= at) return;
  request.failure = failure;
  request.failedAt = at;
}
