// Knows how something of a LUN is kept in a file beside it, and what a person hears who has to mend that.

import { type Keeper, StoreError } from "@pvscsi/scsi";
import { openKeeper } from "./kept-file.js";
import { type NamedLun, titleOf } from "./names.js";

/**
 * A file where something of the LUN is kept, if it has one. What `read` throws a `StoreError` for, a person has to look at: without its
 * reservations it would let in whom they keep out.
 */
export async function openKept(
  named: NamedLun,
  path: string | null,
  what: string,
  read: (text: string) => unknown,
): Promise<Keeper | undefined> {
  if (path === null) return undefined;
  const keeper = await openKeeper(path, what);
  try {
    if (keeper.kept !== null) read(keeper.kept);
    return keeper;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const advice = "mend it, or remove it if nobody relies on it";
    throw new StoreError("hardware", `${what} of ${titleOf(named)} in ${path}: ${error.message}; ${advice}`);
  }
}
