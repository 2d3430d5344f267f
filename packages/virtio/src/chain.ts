// Knows one buffer that a driver made available: a chain of descriptors as the bytes it lies in.

import { Places } from "@pvscsi/wire";

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
