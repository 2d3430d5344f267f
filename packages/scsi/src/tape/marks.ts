// Knows WRITE FILEMARKS, and ERASE, which ends the data where the head is.

import { get24 } from "../big-endian.js";
import type { Task } from "../task.js";
import { WORD } from "./records.js";
import type { Tape } from "./tape.js";
import type { Work } from "./work.js";
import { endDataHere, finishWriting, mayWrite, synchronize, wrote } from "./writing.js";

const IMMED = 0x01;
/** Filemarks of one request to the store. */
const BATCH = 4096;
const FILEMARKS = new Uint8Array(BATCH * WORD);

/** WRITE FILEMARKS(6) (SSC-3 6.14): without any, and without IMMED, what was written before becomes durable. There are no setmarks. */
export function writeFilemarks6(tape: Tape, task: Task): void {
  const count = get24(task.cdb, 2);
  if (count > 0 && !mayWrite(tape, task)) return;
  const work = tape.take(task);
  work.left = count;
  if (count === 0) synchronize(tape, work, synchronized);
  else endDataHere(tape, work, writeMarks);
}

function writeMarks(tape: Tape, work: Work): void {
  const { medium } = tape;
  const count = Math.min(work.left, BATCH, Math.floor(medium.room / WORD));
  work.residue = work.left;
  if (count <= 0) return tape.endOfPartition();
  work.prepare("write", medium.records.end, marksWritten);
  work.add(FILEMARKS, 0, count * WORD);
  medium.here.written = Number.POSITIVE_INFINITY;
  tape.issue(work);
}

function marksWritten(tape: Tape, work: Work): void {
  const count = work.request.length / WORD;
  wrote(tape, 0, count);
  work.left -= count;
  if (work.left > 0) return writeMarks(tape, work);
  const immediate = ((work.task as Task).cdb[1] & IMMED) !== 0;
  if (immediate) finishWriting(tape, 0);
  else synchronize(tape, work, durable);
}

const durable = (tape: Tape): void => finishWriting(tape, 0);
const synchronized = (tape: Tape): void => tape.succeed();

/** ERASE(6) (SSC-3 6.2): short or long, what is behind the head is gone, durably; the head stays where it is. */
export function erase(tape: Tape, task: Task): void {
  if (!mayWrite(tape, task)) return;
  const work = tape.take(task);
  endDataHere(tape, work, erased);
}

function erased(tape: Tape, work: Work): void {
  synchronize(tape, work, synchronized);
}
