// Knows how much one EXTENDED COPY may ask for, and which descriptors there are: what RECEIVE COPY OPERATING PARAMETERS and VPD page
// 8Fh say and the copy manager keeps to.

export const COPY_LIMITS = {
  targets: 64,
  segments: 64,
  /** Bytes of all descriptors together. */
  descriptors: 64 * 32 + 64 * 28,
  /** Copies under way at once, of all initiators. */
  concurrent: 16,
  /** Blocks of one segment: the field has 16 bits. */
  segmentBlocks: 0xffff,
} as const;

/** Block device to block device. */
export const BLOCK_TO_BLOCK = 0x02;
/** A target by one of its names. */
export const IDENTIFICATION = 0xe4;

export const DESCRIPTOR_TYPES: readonly number[] = [BLOCK_TO_BLOCK, IDENTIFICATION];
