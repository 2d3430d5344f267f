// Knows one buffer that a driver made available: a chain of descriptors as the bytes it lies in.

import { Places } from "@pvscsi/wire";

/** Who has the chain of a head; a finished one waits until older ones are, with IN_ORDER, and is the device's still. */
export const ChainState = { driver: 0, device: 1, finished: 2 } as const;

/** A pooled record. The descriptors were read once: what the driver writes into them later changes nothing here. */
export class Chain {
  pooled = true;
  /** The index of its first descriptor, by which the driver knows it. */
  head = 0;
  /** What the device may read. */
  readonly readable = new Places();
  /** What the device may write. */
  readonly writable = new Places();
}
