// Knows the commands that look at the medium themselves: VERIFY, WRITE AND VERIFY, COMPARE AND WRITE.

import { blocksByte, blocksOf, lbaOf } from "../cdb.js";
import { check, invalidField, moves } from "../device-server.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import { type Disk, succeed } from "./disk.js";
import { onMedium, prepareTransfer, writtenLength } from "./transfer.js";
import { CHUNK, repeat, type Work } from "./work.js";

/** BYTCHK (SBC-3 5.29): only whether it can be read, against all the data, or each block against the one block sent. */
const Check = { none: 0, all: 1, reserved: 2, one: 3 } as const;

function byteCheck(cdb: Uint8Array): number {
  return (cdb[1] >>> 1) & 0x03;
}

/** VERIFY(10), (12), (16). */
export function verify(disk: Disk, task: Task): void {
  const { cdb } = task;
  const blocks = blocksOf(cdb);
  if (!verifiable(disk, task, lbaOf(cdb), blocks)) return;
  const how = byteCheck(cdb);
  if (blocks === 0) return task.end(Status.good);
  if (how !== Check.none) {
    const length = (how === Check.one ? 1 : blocks) * disk.blockSize;
    if (!hasData(disk, task, length)) return;
    task.transferLength = length;
  }
  const work = disk.take(task, blocks * disk.blockSize > CHUNK ? "writes" : "reads");
  work.readChunks(lbaOf(cdb) * disk.blockSize, blocks * disk.blockSize, compareChunk);
  disk.begin(work);
}

function verifiable(disk: Disk, task: Task, lba: number, blocks: number): boolean {
  if (!onMedium(disk, task, lba, blocks)) return false;
  const { cdb } = task;
  if (byteCheck(cdb) === Check.reserved) {
    invalidField(disk, task, 1, 2);
    return false;
  }
  // Also without data: a store that answers at once would be read for as long as the initiator likes, in one go.
  if (blocks <= disk.limits.transfer) return true;
  invalidField(disk, task, blocksByte(cdb), null);
  return false;
}

/** What compares needs just its data: with less, or more, the initiator and its CDB do not mean the same. */
export function hasData(disk: Disk, task: Task, length: number): boolean {
  if (moves(task, "to-device") && task.data.length === length) return true;
  check(disk, task, SENSE.invalidFieldInInformationUnit);
  return false;
}

function compareChunk(disk: Disk, work: Work): void {
  const { length } = work.request;
  const how = byteCheck((work.task as Task).cdb);
  if (how !== Check.none) {
    takeExpected(disk, work, how === Check.one);
    const differs = firstDifference(work.buffer, work.copy, length);
    // Where it is in the initiator's data.
    const offset = how === Check.one ? differs % disk.blockSize : work.done + differs;
    if (differs >= 0) return disk.fail(work, SENSE.miscompareDuringVerify, offset);
  }
  if (!work.nextChunk(compareChunk)) return disk.succeed(work);
  disk.issue(work);
}

/** Copies what this chunk has to be from the initiator's data; one block for all is copied for the first chunk only. */
function takeExpected(disk: Disk, work: Work, oneBlock: boolean): void {
  const { length } = work.request;
  const { data } = work.task as Task;
  if (!oneBlock) data.read(work.copy.subarray(0, length), work.done);
  else if (work.done === 0) {
    data.read(work.copy.subarray(0, disk.blockSize));
    repeat(work.copy, disk.blockSize, length);
  }
}

/** The first of `length` bytes (whole blocks) in which two buffers differ, -1 when none does; by words, for speed. */
function firstDifference(left: Uint8Array, right: Uint8Array, length: number): number {
  const leftWords = new Int32Array(left.buffer, left.byteOffset, length / 4);
  const rightWords = new Int32Array(right.buffer, right.byteOffset, length / 4);
  let word = 0;
  while (word < leftWords.length && leftWords[word] === rightWords[word]) word += 1;
  if (word === leftWords.length) return -1;
  let byte = 4 * word;
  while (left[byte] === right[byte]) byte += 1;
  return byte;
}

/** WRITE AND VERIFY(10), (12), (16): on the medium, then read back from it. Less data: as WRITE does. */
export function writeAndVerify(disk: Disk, task: Task): void {
  const { cdb } = task;
  const blocks = blocksOf(cdb);
  if (!onMedium(disk, task, lbaOf(cdb), blocks)) return;
  if (byteCheck(cdb) > Check.all) return invalidField(disk, task, 1, 2);
  if (blocks > disk.limits.transfer) return invalidField(disk, task, blocksByte(cdb), null);
  const length = writtenLength(disk, task, blocks);
  if (length === 0) return task.end(Status.good);
  const work = disk.take(task, "writes");
  prepareTransfer(work, task, "write", lbaOf(cdb) * disk.blockSize, length);
  work.request.fua = true;
  work.next = verifyWritten;
  disk.begin(work);
}

function verifyWritten(disk: Disk, work: Work): void {
  work.readChunks(work.request.offset, work.request.length, compareChunk);
  disk.issue(work);
}

const BLOCKS_BYTE = 13;
const FUA = 0x08;

/**
 * COMPARE AND WRITE (SBC-3 5.2): the first half of the data is compared, the second half written if it is the same. No blocks
 * with data are 256 that do not fit into the field: whoever sent them must not hear that they were compared and written.
 */
export function compareAndWrite(disk: Disk, task: Task): void {
  const { cdb } = task;
  const lba = lbaOf(cdb);
  const blocks = cdb[BLOCKS_BYTE];
  if (!onMedium(disk, task, lba, blocks)) return;
  const cut = blocks === 0 && task.data.length > 0;
  if (cut || blocks > disk.limits.compareAndWrite) return invalidField(disk, task, BLOCKS_BYTE, null);
  if (blocks === 0) return task.end(Status.good);
  const length = blocks * disk.blockSize;
  if (!hasData(disk, task, 2 * length)) return;
  task.transferLength = 2 * length;
  const work = disk.take(task, "excludes");
  task.data.read(work.copy.subarray(0, 2 * length));
  work.prepare("read", lba * disk.blockSize, length, compareThenWrite);
  work.useBytes(work.buffer, length);
  disk.begin(work);
}

function compareThenWrite(disk: Disk, work: Work): void {
  const { copy, buffer, request } = work;
  const { length } = request;
  const differs = firstDifference(buffer, copy, length);
  if (differs >= 0) return disk.fail(work, SENSE.miscompareDuringVerify, differs);
  work.prepare("write", request.offset, length, succeed);
  work.places.clear();
  work.places.add(copy, length, length);
  work.request.fua = disk.writeThrough || ((work.task as Task).cdb[1] & FUA) !== 0;
  disk.issue(work);
}
