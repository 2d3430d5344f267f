// Knows what a LUN is while somebody uses it. Knows no type of device.

import type { GrowableStore, LogicalUnit } from "@pvscsi/scsi";

export interface Running {
  readonly logicalUnit: LogicalUnit;
  /** What keeps its bytes, without what is around it; null where it has none of its own. */
  readonly bytes: GrowableStore | null;
}

/** Makes a LUN run, again each time its last user has gone. */
export interface Starter {
  /** The file its reservations are kept in; null where they are not. */
  readonly reservations: string | null;
  /** Throws `StoreError` with a reason for the person who named it. */
  start(): Promise<Running>;
  /** Puts another medium in, the file at a path; absent where none is exchanged. Throws `StoreError`. */
  insert?(path: string): Promise<void>;
  /** Takes the medium out. Throws `StoreError`. */
  eject?(): Promise<void>;
}
