// Knows how a block device's request can end: Linux's words for it, and what a store calls it.

import type { StoreFailure } from "@pvscsi/scsi";

export interface BlockStatus {
  /** In the kernel's line, before ` error, dev sda`. */
  readonly words: string;
  readonly failure: StoreFailure;
}

/** Linux's blk_errors, as far as a SCSI disk can cause them. */
export const BLOCK_STATUS = {
  notSupported: { words: "operation not supported", failure: "hardware" },
  noSpace: { words: "critical space allocation", failure: "no-space" },
  transport: { words: "recoverable transport", failure: "hardware" },
  target: { words: "critical target", failure: "hardware" },
  nexus: { words: "critical nexus", failure: "hardware" },
  medium: { words: "critical medium", failure: "medium" },
  protection: { words: "protection", failure: "medium" },
  io: { words: "I/O", failure: "hardware" },
  resource: { words: "kernel resource", failure: "no-memory" },
  offline: { words: "device offline", failure: "hardware" },
  // The block layer refuses these two itself, without a line.
  readOnly: { words: "I/O", failure: "read-only" },
  outOfRange: { words: "I/O", failure: "out-of-range" },
  cancelled: { words: "I/O", failure: "cancelled" },
} as const satisfies { readonly [name: string]: BlockStatus };
