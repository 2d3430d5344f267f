// Knows where the head is, and how REWIND, LOCATE and SPACE move it. What was written becomes durable before it goes away from there
// (SSC-3 4.2.7).

import { get16, get24, get32, get64, put16, put24, put32, put64 } from "../big-endian.js";
import { invalidField, reply } from "../device-server.js";
import { SENSE, Stream } from "../sense.js";
import type { Task } from "../task.js";
import type { Records, Run } from "./records.js";
import type { Tape } from "./tape.js";
import { synchronize } from "./writing.js";

/** REWIND (SSC-3 7.10), to the beginning of partition 0. IMMED changes nothing: there is nothing to wind. */
export function rewind(tape: Tape, task: Task): void {
  synchronize(tape, tape.take(task), () => {
    tape.medium.rewind();
    tape.succeed();
  });
}

const CHANGE_PARTITION = 0x02;

/** LOCATE(10) (SSC-3 7.3). BT asks for a vendor's own addresses, and the objects' are given for them. */
export function locate10(tape: Tape, task: Task): void {
  const { cdb } = task;
  const partition = (cdb[1] & CHANGE_PARTITION) === 0 ? null : cdb[8];
  locate(tape, task, { partition, byte: 8, to: (records) => records.object(get32(cdb, 3)) });
}

/** DEST_TYPE. */
const Destination = { object: 0, file: 1, endOfData: 3 } as const;

/** LOCATE(16) (SSC-3 7.4): an object, the beginning of a file, or the end of data. */
export function locate16(tape: Tape, task: Task): void {
  const { cdb } = task;
  const type = (cdb[1] >>> 3) & 0x07;
  const partition = (cdb[1] & CHANGE_PARTITION) === 0 ? null : cdb[3];
  const number = get64(cdb, 4);
  if (type === Destination.object) locate(tape, task, { partition, byte: 3, to: (place) => place.object(number) });
  else if (type === Destination.file) locate(tape, task, { partition, byte: 3, to: (place) => place.file(number) });
  else if (type === Destination.endOfData) locate(tape, task, { partition, byte: 3, to: (place) => place.end });
  else invalidField(tape, task, 1, 5);
}

/** Where one can be on a partition; undefined where there is no such place. */
interface Places {
  readonly end: number;
  object(number: number): number | undefined;
  file(number: number): number | undefined;
}

interface Search {
  /** Null for the one where the head is. */
  readonly partition: number | null;
  /** Where the CDB has it. */
  readonly byte: number;
  readonly to: (places: Places) => number | undefined;
}

function locate(tape: Tape, task: Task, { partition, byte, to }: Search): void {
  const { medium } = tape;
  const wanted = partition ?? medium.partition;
  if (wanted >= medium.partitions.length) return invalidField(tape, task, byte, null);
  synchronize(tape, tape.take(task), () => {
    medium.partition = wanted;
    const { records } = medium;
    const { objects: end } = records;
    const found = to({
      end,
      object: (number) => (number <= end ? number : undefined),
      file: (number) => (number === 0 ? 0 : behind(records.objectOfMark(number - 1))),
    });
    medium.object = found ?? end;
    if (found === undefined) tape.fail(SENSE.endOfDataDetected);
    else tape.succeed();
  });
}

const behind = (object: number | undefined): number | undefined => (object === undefined ? undefined : object + 1);

/** What SPACE counts; setmarks (4 and 5) there are none. */
const Code = { blocks: 0, filemarks: 1, sequentialFilemarks: 2, endOfData: 3 } as const;

/** SPACE(6) (SSC-3 7.11). */
export function space6(tape: Tape, task: Task): void {
  const count = get24(task.cdb, 2);
  space(tape, task, count >= 0x80_0000 ? count - 0x100_0000 : count);
}

/** SPACE(16) (SSC-3 7.12). */
export function space16(tape: Tape, task: Task): void {
  if (get16(task.cdb, 12) !== 0) return invalidField(tape, task, 12, null);
  // In two's complement.
  const high = get32(task.cdb, 4) | 0;
  space(tape, task, high * 0x1_0000_0000 + get32(task.cdb, 8));
}

function space(tape: Tape, task: Task, count: number): void {
  const code = task.cdb[1] & 0x0f;
  if (code > Code.endOfData) return invalidField(tape, task, 1, 3);
  const work = tape.take(task);
  synchronize(tape, work, () => MOVES[code](tape, count));
}

/** By code. */
const MOVES = [spaceBlocks, spaceFilemarks, spaceSequentialFilemarks, spaceToEndOfData];

/** It stops behind a filemark, or before it on the way back. */
function spaceBlocks(tape: Tape, count: number): void {
  const { medium } = tape;
  const { records } = medium;
  const here = records.marksBefore(medium.object);
  const wanted = medium.object + count;
  if (count >= 0) {
    const mark = records.objectOfMark(here);
    const end = records.objects;
    if (mark !== undefined && wanted > mark) return stopAtFilemark(tape, mark + 1, wanted - mark);
    if (wanted > end) return stopAtEndOfData(tape, wanted - end);
  } else {
    const mark = records.objectOfMark(here - 1);
    if (mark !== undefined && wanted <= mark) return stopAtFilemark(tape, mark, mark + 1 - wanted);
    if (wanted < 0) return stopAtBeginning(tape, -wanted);
  }
  medium.object = wanted;
  tape.succeed();
}

/** Behind the last one, or before it on the way back. */
function spaceFilemarks(tape: Tape, count: number): void {
  const { medium } = tape;
  const { records } = medium;
  if (count === 0) return tape.succeed();
  const here = records.marksBefore(medium.object);
  const mark = records.objectOfMark(count > 0 ? here + count - 1 : here + count);
  if (mark === undefined) {
    return count > 0 ? stopAtEndOfData(tape, count - (records.marks - here)) : stopAtBeginning(tape, -count - here);
  }
  medium.object = count > 0 ? mark + 1 : mark;
  tape.succeed();
}

/** To so many filemarks without a record between them: behind the last, or before the first on the way back. */
function spaceSequentialFilemarks(tape: Tape, count: number): void {
  const { medium } = tape;
  const { records } = medium;
  const length = Math.abs(count);
  if (length === 0) return tape.succeed();
  const before = records.marksBefore(medium.object);
  const found = count > 0 ? sequenceBehind(records, before, length) : sequenceBefore(records, before, length);
  if (found !== undefined) {
    medium.object = found;
    return tape.succeed();
  }
  if (count > 0) stopAtEndOfData(tape, length);
  else stopAtBeginning(tape, length);
}

/** The object behind `length` filemarks that follow one another, of those from number `mark` on. */
function sequenceBehind(records: Records, mark: number, length: number): number | undefined {
  let together = 0;
  for (let next = mark, end = -1; ; ) {
    const first = records.objectOfMark(next);
    if (first === undefined) return undefined;
    const { object, count } = records.runOf(first) as Run;
    const here = object + count - first;
    together = first === end ? together : 0;
    if (together + here >= length) return first + length - together;
    together += here;
    next += here;
    end = object + count;
  }
}

/** The first of `length` filemarks that follow one another, of those before number `mark`. */
function sequenceBefore(records: Records, mark: number, length: number): number | undefined {
  let together = 0;
  for (let next = mark - 1, begin = -1; ; ) {
    const last = records.objectOfMark(next);
    if (last === undefined) return undefined;
    const { object } = records.runOf(last) as Run;
    const here = last + 1 - object;
    together = last + 1 === begin ? together : 0;
    if (together + here >= length) return last + 1 - (length - together);
    together += here;
    next -= here;
    begin = object;
  }
}

function spaceToEndOfData(tape: Tape): void {
  tape.medium.object = tape.medium.records.objects;
  tape.succeed();
}

/** INFORMATION is what was not spaced over. */
function stopAtFilemark(tape: Tape, object: number, information: number): void {
  tape.medium.object = object;
  tape.fail(SENSE.filemarkDetected, { stream: Stream.filemark, information });
}

function stopAtEndOfData(tape: Tape, information: number): void {
  tape.medium.object = tape.medium.records.objects;
  tape.fail(SENSE.endOfDataDetected, { information });
}

function stopAtBeginning(tape: Tape, information: number): void {
  tape.medium.object = 0;
  tape.fail(SENSE.beginningOfPartition, { stream: Stream.endOfMedium, information });
}

const BOP = 0x80;
const EOP = 0x40;
/** LOCU and BYCU, of the short and extended forms: how many objects and bytes the buffer has is not known. */
const BUFFER_UNKNOWN = 0x30;
/** LOLU and PERR, of the short form: a number does not fit. */
const LOLU = 0x04;

/** BOP and EOP. */
function flagsOf({ medium }: Tape): number {
  return (medium.atBeginning ? BOP : 0) | (medium.warned ? EOP : 0);
}

/** Long and extended forms' length; the short one's is 20. */
const SHORT = 20;
const LONG = 32;

/** READ POSITION, short form (SSC-3 7.6.2), also with a vendor's own addresses, which are the same. */
export function readPositionShort(tape: Tape, task: Task): void {
  const bytes = cleared(tape, SHORT);
  const { object, partition } = tape.medium;
  bytes[0] = flagsOf(tape) | BUFFER_UNKNOWN;
  bytes[1] = partition;
  if (object > 0xffff_ffff) bytes[0] |= LOLU;
  else {
    put32(bytes, 4, object);
    put32(bytes, 8, object);
  }
  reply(task, bytes, SHORT, SHORT);
}

/** Long form (SSC-3 7.6.3): the file as well, which is the number of filemarks before the head. */
export function readPositionLong(tape: Tape, task: Task): void {
  const bytes = cleared(tape, LONG);
  const { object, partition, records } = tape.medium;
  bytes[0] = flagsOf(tape);
  put32(bytes, 4, partition);
  put64(bytes, 8, object);
  put64(bytes, 16, records.marksBefore(object));
  reply(task, bytes, LONG, LONG);
}

/** Extended form (SSC-3 7.6.4), alone with an allocation length. */
export function readPositionExtended(tape: Tape, task: Task): void {
  const bytes = cleared(tape, LONG);
  const { object, partition } = tape.medium;
  bytes[0] = flagsOf(tape) | BUFFER_UNKNOWN;
  bytes[1] = partition;
  put16(bytes, 2, LONG - 4);
  put24(bytes, 5, 0);
  put64(bytes, 8, object);
  put64(bytes, 16, object);
  reply(task, bytes, LONG, get16(task.cdb, 7));
}

function cleared({ scratch }: Tape, length: number): Uint8Array {
  return scratch.fill(0, 0, length);
}
