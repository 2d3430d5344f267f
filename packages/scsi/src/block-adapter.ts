// Knows the seam of a disk that is no SCSI device: what a driver of one kind of block device offers to an operating
// system. A guest does not know which driver it is.

import type { Command } from "./adapter.js";
import type { StoreFeatures, StoreRequest } from "./store.js";

/** How much one request may ask for, and in which units. */
export interface BlockAdapterLimits {
  /** Requests that may be under way at once; what is submitted above that waits inside the adapter. */
  readonly queueDepth: number;
  /** Bytes one request may move, and pieces its data may have after cutting at page edges. */
  readonly maxTransfer: number;
  readonly maxSegments: number;
  /** Bytes that one "discard" or "write-zeroes" may name; 0 where there is no such request. */
  readonly maxDiscard: number;
  readonly maxWriteZeroes: number;
  /** Bytes of a block; offsets and lengths are multiples of it. */
  readonly blockSize: number;
  readonly physicalBlockSize: number;
  /** Bytes that are given back together. */
  readonly discardGranularity: number;
}

export type BlockAdapterEvent = { readonly kind: "resized" } | { readonly kind: "closed"; readonly reason: string };

export interface BlockAdapter {
  /** The driver, and the device as its bus numbers it: `virtio_blk`, `virtio0`. */
  readonly driver: string;
  readonly device: string;
  /** What its disk's name begins with: `vd`. */
  readonly letters: string;
  readonly limits: BlockAdapterLimits;
  /** Bytes. */
  readonly size: number;
  readonly features: StoreFeatures;
  /** Whether `pass` takes SCSI commands. */
  readonly passesCommands: boolean;
  /** Pages of 4096 bytes that requests and commands may point into; throws RangeError when there are no more. */
  allocate(pages: number): Uint8Array[];
  free(pages: readonly Uint8Array[]): void;
  /**
   * Takes a request of whole blocks within the limits whose data lies in pages of `allocate`; it completes exactly once,
   * perhaps before this returns. It has no FUA: durable is what a "flush" behind it covers.
   */
  submit(request: StoreRequest): void;
  /** Takes a SCSI command for the one unit there is, likewise. */
  pass(command: Command): void;
  /** The name that the device gives itself; empty where it has none. Rejects with StoreError. */
  identity(): Promise<string>;
  /** Sets who hears events. Set once. */
  listen(listener: (event: BlockAdapterEvent) => void): void;
  /** Ends every request under way with an error, and lets go of all it holds. */
  close(): Promise<void>;
}
