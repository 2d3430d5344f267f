// Knows the file that a LUN's reservations are kept in through a loss of power (APTPL). Knows nothing of what the text says.

import { type ReservationKeeper, StoreError } from "@pvscsi/scsi";
import { reasonOf } from "./file-errors.js";
import { keepText, readKept } from "./kept-file.js";

/** More than the longest text there is: 1024 nexuses of 500 bytes. */
const MAX_BYTES = 1 << 20;

/** Reads what is kept in a file, which need not be there; throws `StoreError` with a reason. */
export async function openReservationFile(path: string): Promise<ReservationKeeper> {
  try {
    return { kept: await readKept(path, MAX_BYTES), keep: (text) => keepText(path, text) };
  } catch (cause) {
    throw new StoreError("hardware", `cannot read reservations in ${path}: ${reasonOf(cause)}`, { cause });
  }
}
