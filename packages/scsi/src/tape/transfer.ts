// Knows READ(6), WRITE(6) and VERIFY(6): data goes between the partition and the initiator's places, without a copy.

import { get24 } from "../big-endian.js";
import { check, invalidField } from "../device-server.js";
import { SENSE, Stream } from "../sense.js";
import { Status, type Task } from "../task.js";
import { type Run, strideOf, WORD } from "./records.js";
import type { Tape } from "./tape.js";
import type { Work } from "./work.js";
import { endDataHere, finishWriting, mayWrite, wrote } from "./writing.js";

const FIXED = 0x01;
const SILI = 0x02;
/** The longest block that is read or written, as READ BLOCK LIMITS says. */
export const MAX_BLOCK = 0x80_0000;
/** Blocks of one request to the store. */
const BATCH = 64;

/** READ(6) (SSC-3 6.4). */
export function read(tape: Tape, task: Task): void {
  const { cdb } = task;
  // In fixed block mode there is no incorrect length that could be suppressed.
  if ((cdb[1] & (FIXED | SILI)) === (FIXED | SILI)) return invalidField(tape, task, 1, 1);
  passOver(tape, task);
}

/** VERIFY(6) (SSC-3 6.12) without BYTCMP: what READ would do, and nobody gets the data. */
export function verify(tape: Tape, task: Task): void {
  passOver(tape, task);
}

function passOver(tape: Tape, task: Task): void {
  const fixed = (task.cdb[1] & FIXED) !== 0;
  const length = get24(task.cdb, 2);
  if (fixed && tape.settings.blockLength === 0) return invalidField(tape, task, 1, 0);
  if (length === 0) return task.end(Status.good);
  const work = tape.take(task);
  work.left = fixed ? length : 1;
  if (fixed) readBlocks(tape, work);
  else readRecord(tape, work, length);
}

/** What keeps a record from being read: the end of data or a filemark, which is passed. True, and the task is ended, if there is one. */
function stopped(tape: Tape, run: Run | undefined, information: number, moved: number): boolean {
  if (run === undefined) {
    tape.fail(SENSE.endOfDataDetected, { information, moved });
    return true;
  }
  if (run.size !== 0 && !run.bad) return false;
  tape.medium.object += 1;
  if (run.bad) tape.fail(SENSE.unrecoveredReadError, { information, moved });
  else tape.fail(SENSE.filemarkDetected, { stream: Stream.filemark, information, moved });
  return true;
}

function readRecord(tape: Tape, work: Work, length: number): void {
  const { medium } = tape;
  const { run } = medium;
  if (stopped(tape, run, length, 0) || run === undefined) return;
  work.prepare("read", medium.records.offsetOf(medium.object) + WORD, recordRead);
  addDestination(work, 0, Math.min(length, run.size));
  tape.issue(work);
}

/** READ takes the data, VERIFY does not. */
function addDestination(work: Work, from: number, length: number): void {
  const { cdb, data } = work.task as Task;
  if (cdb[0] === READ_OPCODE) work.addData(data, from, length);
  else work.addDiscarded(length);
}

const READ_OPCODE = 0x08;

function moved({ cdb }: Task, length: number): number {
  return cdb[0] === READ_OPCODE ? length : 0;
}

/** INFORMATION is what was asked for less what there was, in two's complement where there was more. */
function recordRead(tape: Tape, work: Work): void {
  const { medium } = tape;
  const task = work.task as Task;
  const { size } = medium.run as Run;
  const length = get24(task.cdb, 2);
  medium.object += 1;
  task.transferLength = moved(task, Math.min(length, size));
  tape.counters.read += task.transferLength;
  if (size === length || !tellsLength(tape, task, size > length)) return tape.succeed();
  const details = { stream: Stream.incorrectLength, information: length - size, moved: task.transferLength };
  tape.fail(SENSE.none, details);
}

/** SILI: what is shorter is no error, nor what is longer, unless there is a block length that it should have had. */
function tellsLength({ settings }: Tape, { cdb }: Task, longer: boolean): boolean {
  if (cdb[0] !== READ_OPCODE || (cdb[1] & SILI) === 0) return true;
  return longer && settings.blockLength !== 0;
}

/** Reads as many blocks as lie behind one another, and then the rest. */
function readBlocks(tape: Tape, work: Work): void {
  const { medium } = tape;
  const { blockLength } = tape.settings;
  const { run } = medium;
  const task = work.task as Task;
  if (stopped(tape, run, work.left, moved(task, work.done * blockLength)) || run === undefined) return;
  if (run.size !== blockLength) {
    medium.object += 1;
    const all = moved(task, work.done * blockLength);
    return tape.fail(SENSE.none, { stream: Stream.incorrectLength, information: work.left, moved: all });
  }
  const count = Math.min(work.left, BATCH, run.object + run.count - medium.object);
  work.prepare("read", medium.records.offsetOf(medium.object) + WORD, blocksRead);
  const between = strideOf(blockLength) - blockLength;
  for (let i = 0; i < count; i++) {
    if (i > 0) work.addDiscarded(between);
    addDestination(work, (work.done + i) * blockLength, blockLength);
  }
  tape.issue(work);
}

function blocksRead(tape: Tape, work: Work): void {
  const { blockLength } = tape.settings;
  const stride = strideOf(blockLength);
  const count = Math.ceil(work.request.length / stride);
  const task = work.task as Task;
  tape.medium.object += count;
  work.left -= count;
  work.done += count;
  task.transferLength = moved(task, work.done * blockLength);
  tape.counters.read += moved(task, count * blockLength);
  if (work.left > 0) readBlocks(tape, work);
  else tape.succeed();
}

/** WRITE(6) (SSC-3 6.13). What there is no data for is not written: no block is ever torn. */
export function write(tape: Tape, task: Task): void {
  const { cdb } = task;
  const fixed = (cdb[1] & FIXED) !== 0;
  const length = get24(cdb, 2);
  const { blockLength } = tape.settings;
  if (fixed && blockLength === 0) return invalidField(tape, task, 1, 0);
  if (!fixed && length > MAX_BLOCK) return invalidField(tape, task, 2, null);
  if (length === 0) return task.end(Status.good);
  const size = fixed ? blockLength : length;
  const blocks = fixed ? length : 1;
  if (task.data.length < size * blocks) return check(tape, task, SENSE.invalidFieldInInformationUnit);
  if (!mayWrite(tape, task)) return;
  const work = tape.take(task);
  work.left = blocks;
  endDataHere(tape, work, writeBlocks);
}

/** Bytes of each block that a WRITE has. */
function sizeOf(tape: Tape, { cdb }: Task): number {
  return (cdb[1] & FIXED) !== 0 ? tape.settings.blockLength : get24(cdb, 2);
}

function writeBlocks(tape: Tape, work: Work): void {
  const { medium } = tape;
  const task = work.task as Task;
  const size = sizeOf(tape, task);
  const count = Math.min(work.left, BATCH, Math.floor(medium.room / strideOf(size)));
  work.residue = (task.cdb[1] & FIXED) !== 0 ? work.left : size;
  if (count <= 0) return tape.endOfPartition();
  work.prepare("write", medium.records.end, blocksWritten);
  work.frame(size);
  for (let i = 0; i < count; i++) {
    work.addHead();
    work.addData(task.data, (work.done + i) * size, size);
    work.addTail(size);
  }
  // Should it fail, what is there by then is dropped before anything else is written.
  medium.here.written = Number.POSITIVE_INFINITY;
  tape.issue(work);
}

function blocksWritten(tape: Tape, work: Work): void {
  const task = work.task as Task;
  const size = sizeOf(tape, task);
  const count = work.request.length / strideOf(size);
  wrote(tape, size, count);
  work.left -= count;
  work.done += count;
  tape.counters.written += count * size;
  task.transferLength = work.done * size;
  if (work.left > 0) writeBlocks(tape, work);
  else finishWriting(tape, task.transferLength);
}
