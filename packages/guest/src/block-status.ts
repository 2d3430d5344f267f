// Knows how a block device's request can end: Linux's words for it, the errno a program gets, and what a store calls it.

import type { StoreFailure } from "@pvscsi/scsi";

export interface BlockStatus {
  /** In the kernel's line, before ` error, dev sda`. */
  readonly words: string;
  /** What strerror says of the errno that direct I/O returns. */
  readonly errno: string;
  readonly failure: StoreFailure;
}

/** Linux's blk_errors, as far as a SCSI disk can cause them. */
export const BLOCK_STATUS = {
  notSupported: { words: "operation not supported", errno: "Operation not supported", failure: "hardware" },
  noSpace: { words: "critical space allocation", errno: "No space left on device", failure: "no-space" },
  transport: { words: "recoverable transport", errno: "Link has been severed", failure: "hardware" },
  target: { words: "critical target", errno: "Remote I/O error", failure: "hardware" },
  nexus: { words: "critical nexus", errno: "Invalid exchange", failure: "hardware" },
  medium: { words: "critical medium", errno: "No data available", failure: "medium" },
  protection: { words: "protection", errno: "Invalid or incomplete multibyte or wide character", failure: "medium" },
  io: { words: "I/O", errno: "Input/output error", failure: "hardware" },
  offline: { words: "device offline", errno: "No such device", failure: "hardware" },
  // The block layer refuses these two itself, without a line.
  readOnly: { words: "I/O", errno: "Operation not permitted", failure: "read-only" },
  outOfRange: { words: "I/O", errno: "Input/output error", failure: "out-of-range" },
  cancelled: { words: "I/O", errno: "Input/output error", failure: "cancelled" },
} as const satisfies { readonly [name: string]: BlockStatus };
