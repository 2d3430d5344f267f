// Knows the seam between a library and the drives in it: what the robot does to a drive, and what element status says of it.

import type { Designator } from "../copy/designator.js";

export interface LibraryDrive {
  /** What DVCID tells of it: a name that its own VPD page 83h has too; null where it has none now. */
  readonly designator: Designator | null;
  /** It holds its cartridge fast, as nobody has unloaded it: the robot cannot take it. */
  readonly holds: boolean;
  /** Takes in the cartridge with that barcode. Rejects with `StoreError` when it cannot be used; it is in the drive all the same. */
  insert(barcode: string): Promise<void>;
  /** Lets go of its cartridge; resolves when all that was written on it is durable. It is out of the drive even when that rejects. */
  remove(): Promise<void>;
}
