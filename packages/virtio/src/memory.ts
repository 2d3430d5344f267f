// Knows the seam between a device and its driver's memory: addresses that the driver writes into descriptors, and the
// bytes that lie there. Knows no ring.

import type { Places } from "@pvscsi/wire";

/** A driver's memory as its device sees it. */
export interface GuestMemory {
  /**
   * Appends the bytes [address, address + length) to `places`, in as many pieces as they lie in; false, and `places`
   * as they were or longer, when not all of them are memory of this driver. An address is the driver's, in bytes.
   */
  places(address: number, length: number, places: Places): boolean;
}

/** The three parts of a virtqueue where they lie (virtio 1.3, 2.6), each exactly as long as the queue's size asks. */
export interface RingAreas {
  /** The descriptor table of a split ring. */
  readonly descriptors: Uint8Array;
  /** What the driver writes: the available ring. */
  readonly driver: Uint8Array;
  /** What the device writes: the used ring. */
  readonly device: Uint8Array;
}

/** The memory of a driver that has none. */
export const noMemory: GuestMemory = { places: () => false };
