// Knows READ, WRITE, PRE-FETCH and SYNCHRONIZE CACHE of every length: data goes between the store and the
// initiator's places, without a copy.

import { blocksByte, blocksOf, lbaOf } from "../cdb.js";
import { check, invalidField } from "../device-server.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import { type Disk, succeed } from "./disk.js";
import type { Sharing, Step, Work } from "./work.js";

const FUA = 0x08;

/** Whether a range is on the medium; the task is ended when it is not. Beginning right behind the end is no error. */
export function onMedium(disk: Disk, task: Task, lba: number, blocks: number): boolean {
  if (lba + blocks <= disk.blocks) return true;
  check(disk, task, SENSE.lbaOutOfRange);
  return false;
}

/** The range of a command that moves data, checked; false when the task is ended. */
export function transferable(disk: Disk, task: Task, lba: number, blocks: number): boolean {
  if (!onMedium(disk, task, lba, blocks)) return false;
  if (blocks <= disk.limits.transfer) return true;
  invalidField(disk, task, blocksByte(task.cdb), null);
  return false;
}

/** READ(6), (10), (12), (16). With less room than the CDB asks for, what there is room for is read. */
export function read(disk: Disk, task: Task): void {
  const { cdb } = task;
  const lba = lbaOf(cdb);
  const blocks = blocksOf(cdb);
  if (!transferable(disk, task, lba, blocks)) return;
  task.transferLength = blocks * disk.blockSize;
  const length = Math.min(task.transferLength, task.data.length);
  if (length === 0) return task.end(Status.good);
  const work = disk.take(task, "reads");
  // FUA: what is read must be on the medium, so what is still in a cache is written first (SBC-3 5.8).
  if (cdb[0] >= 0x20 && (cdb[1] & FUA) !== 0 && disk.store.features.writeBack) {
    work.offset = lba * disk.blockSize;
    work.left = length;
    work.prepare("flush", 0, 0, readFlushed);
  } else prepareTransfer(work, task, "read", lba * disk.blockSize, length);
  disk.begin(work);
}

function readFlushed(disk: Disk, work: Work): void {
  prepareTransfer(work, work.task as Task, "read", work.offset, work.left);
  disk.issue(work);
}

/**
 * Bytes that a command over `blocks` writes. With less data than the CDB asks for, the whole blocks that there are data for
 * are written and the residual says so, as tgt does and libiscsi's residual tests want it; no block is ever torn.
 */
export function writtenLength(disk: Disk, task: Task, blocks: number): number {
  task.transferLength = blocks * disk.blockSize;
  return Math.min(blocks, Math.floor(task.data.length / disk.blockSize)) * disk.blockSize;
}

/** WRITE(6), (10), (12), (16). */
export function write(disk: Disk, task: Task): void {
  const { cdb } = task;
  const lba = lbaOf(cdb);
  const blocks = blocksOf(cdb);
  if (!transferable(disk, task, lba, blocks)) return;
  const length = writtenLength(disk, task, blocks);
  if (length === 0) return task.end(Status.good);
  const work = disk.take(task, "writes");
  prepareTransfer(work, task, "write", lba * disk.blockSize, length);
  work.request.fua = disk.writeThrough || (cdb[0] >= 0x20 && (cdb[1] & FUA) !== 0);
  disk.begin(work);
}

/** Moves the first `length` bytes of the task's data; the task's own places where that is all of them. */
export function prepareTransfer(
  work: Work,
  task: Task,
  operation: "read" | "write",
  offset: number,
  length: number,
): void {
  work.prepare(operation, offset, length, succeed);
  if (length === task.data.length) work.request.places = task.data;
  else {
    work.places.select(task.data, 0, length);
    work.request.places = work.places;
  }
}

/** PRE-FETCH: nothing is cached here, so GOOD and not CONDITION MET (SBC-3 5.14). */
export function preFetch(disk: Disk, task: Task): void {
  if (onMedium(disk, task, lbaOf(task.cdb), blocksOf(task.cdb))) task.end(Status.good);
}

/**
 * SYNCHRONIZE CACHE: everything is flushed, whatever the range. Status waits for that with IMMED too, as QEMU's does: a
 * store may tell a failed flush only once, and after GOOD nobody would hear of it, while the next flush succeeds.
 */
export function synchronizeCache(disk: Disk, task: Task): void {
  if (onMedium(disk, task, lbaOf(task.cdb), blocksOf(task.cdb))) flush(disk, task, "reads", succeed);
}

/** Flushes the store and then does `next`; "excludes" covers the writes under way as well. */
export function flush(disk: Disk, task: Task, sharing: Sharing, next: Step): void {
  const work = disk.take(task, sharing);
  work.prepare("flush", 0, 0, next);
  disk.begin(work);
}
