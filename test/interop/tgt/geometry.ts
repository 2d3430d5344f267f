// Knows what is the same of both disks, whatever serves them.

/** Bytes of a logical block. */
export const BLOCK = 512;
export const BLOCKS = 2048;
export const DISK_SIZE = BLOCK * BLOCKS;

/** Where the disk is; LUN 0 is tgt's own controller, and another disk here. */
export const DISK_LUN = 1;
/** Where nothing is. */
export const MISSING_LUN = 9;

export const IDENTITY = { vendor: "JUDGED", product: "DISK", revision: "1", serial: "0123456789" } as const;

/** The initiators of the two nexuses. */
export const INITIATORS = ["iqn.2026-11.localhost:first", "iqn.2026-11.localhost:second"] as const;
