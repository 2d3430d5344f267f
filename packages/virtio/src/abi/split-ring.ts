// Knows the split virtqueue's layout (virtio 1.3, 2.7; linux/virtio_ring.h). All numbers are little endian.

import { struct, u16, u32 } from "@pvscsi/wire";

/** Struct virtq_desc. The 64-bit address is two words, since it is hostile and need not be a safe number. */
export const Descriptor = struct("virtq_desc", 16, {
  addrLow: u32(0),
  addrHigh: u32(4),
  len: u32(8),
  flags: u16(12),
  next: u16(14),
});

export const DescriptorFlag = { next: 1, write: 2, indirect: 4 } as const;

/** Of the available ring: the driver needs no interrupts. A hint, and 0 with EVENT_IDX. */
export const AVAIL_NO_INTERRUPT = 1;
/** Of the used ring: the device needs no notifications. A hint, and 0 with EVENT_IDX. */
export const USED_NO_NOTIFY = 1;

/** The most descriptors a split ring may have. */
export const MAX_QUEUE_SIZE = 32768;

/** Bytes of the three parts of a queue of `size` descriptors, and what each begins on a multiple of. */
export const RING_PARTS = {
  descriptors: { align: 16, bytes: (size: number) => 16 * size },
  driver: { align: 2, bytes: (size: number) => 6 + 2 * size },
  device: { align: 4, bytes: (size: number) => 6 + 8 * size },
} as const;
