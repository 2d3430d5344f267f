// Knows ORWRITE: the bits of the initiator's data are set on the medium as well.

import { blocksOf, lbaOf } from "../cdb.js";
import { Status, type Task } from "../task.js";
import type { Disk } from "./disk.js";
import { transferable, writtenLength } from "./transfer.js";
import type { Work } from "./work.js";

const FUA = 0x08;

/** ORWRITE(16) (SBC-3): reading, combining and writing are one sequence that no other write comes into. */
export function orWrite(disk: Disk, task: Task): void {
  const { cdb } = task;
  const lba = lbaOf(cdb);
  const blocks = blocksOf(cdb);
  if (!transferable(disk, task, lba, blocks)) return;
  const length = writtenLength(disk, task, blocks);
  if (length === 0) return task.end(Status.good);
  const work = disk.take(task, "excludes");
  work.readChunks(lba * disk.blockSize, length, combineChunk);
  disk.begin(work);
}

function combineChunk(disk: Disk, work: Work): void {
  const { length } = work.request;
  const task = work.task as Task;
  task.data.read(work.copy.subarray(0, length), work.done);
  combine(work.buffer, work.copy, length);
  work.prepare("write", work.offset, length, chunkWritten);
  work.useBytes(work.buffer, length);
  work.request.fua = disk.writeThrough || (task.cdb[1] & FUA) !== 0;
  disk.issue(work);
}

/** Sets in the first `length` bytes (whole blocks) of `bytes` the bits that are set in `others`; by words, for speed. */
function combine(bytes: Uint8Array, others: Uint8Array, length: number): void {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, length / 4);
  const otherWords = new Int32Array(others.buffer, others.byteOffset, length / 4);
  for (let word = 0; word < words.length; word++) words[word] |= otherWords[word];
}

function chunkWritten(disk: Disk, work: Work): void {
  if (!work.nextChunk(combineChunk)) return disk.succeed(work);
  disk.issue(work);
}
