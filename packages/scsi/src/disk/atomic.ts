// Knows WRITE ATOMIC. What a write of which all or nothing is seen takes of the store is in store.ts.

import { get16 } from "../big-endian.js";
import { lbaOf } from "../cdb.js";
import { invalidField } from "../device-server.js";
import { Status, type Task } from "../task.js";
import type { Disk } from "./disk.js";
import { onMedium, prepareTransfer } from "./transfer.js";
import { hasData } from "./verify.js";

const FUA = 0x08;
const BLOCKS_BYTE = 12;

/**
 * WRITE ATOMIC(16) (SBC-4). One request, which the store writes whole or not at all; commands that take several come
 * before it or after it. It is never cut to the data there are.
 */
export function writeAtomic(disk: Disk, task: Task): void {
  const { cdb } = task;
  const lba = lbaOf(cdb);
  const blocks = get16(cdb, BLOCKS_BYTE);
  if (!onMedium(disk, task, lba, blocks)) return;
  if (blocks > disk.limits.atomicWrite) return invalidField(disk, task, BLOCKS_BYTE, null);
  if (blocks === 0) return task.end(Status.good);
  const length = blocks * disk.blockSize;
  if (!hasData(disk, task, length)) return;
  task.transferLength = length;
  const work = disk.take(task, "excludes");
  prepareTransfer(work, task, "write", lba * disk.blockSize, length);
  work.request.fua = disk.writeThrough || (cdb[1] & FUA) !== 0;
  disk.begin(work);
}
