// Knows what comes before anything is written or erased, what comes behind it, and how what was written is made durable.

import { check } from "../device-server.js";
import { SENSE, Stream } from "../sense.js";
import type { StoreError } from "../store.js";
import type { Task } from "../task.js";
import type { Tape } from "./tape.js";
import type { Step, Work } from "./work.js";

/** Whether the tape may be written or erased here; the task is ended when it may not. Of WORM nothing is lost that was written. */
export function mayWrite(tape: Tape, task: Task): boolean {
  if (tape.medium.cartridge.label.worm !== true || tape.medium.atEndOfData) return true;
  check(tape, task, SENSE.wormOverwriteAttempted);
  return false;
}

/** Drops what is behind the head, so that data ends here, and then does `next`. */
export function endDataHere(tape: Tape, work: Work, next: Step): void {
  const { here, object, records } = tape.medium;
  if (here.index !== "none") return forgetIndex(tape, work, next);
  const offset = records.offsetOf(object);
  if (here.written <= offset) return next(tape, work);
  here.store.cut(offset, (error) => {
    if (error !== null) return tape.storeFailed(error, false);
    records.cut(object);
    here.written = offset;
    next(tape, work);
  });
}

/** Nothing is written while something is kept that would not say where it is. */
function forgetIndex(tape: Tape, work: Work, next: Step): void {
  const { here } = tape.medium;
  const forgotten = (): void => {
    here.index = "none";
    endDataHere(tape, work, next);
  };
  const failed = (error: StoreError): void => tape.storeFailed(error, false);
  here.store.index?.forget().then(forgotten, failed);
}

/** `count` records of `size` bytes, or filemarks, were written. */
export function wrote(tape: Tape, size: number, count: number): void {
  const { medium } = tape;
  medium.records.append(size, count);
  medium.object += count;
  medium.here.written = medium.records.end;
  tape.buffered = true;
}

/** All was written that was asked for; near the end of the partition the initiator hears of that (SSC-3 4.2.4). */
export function finishWriting(tape: Tape, moved: number): void {
  if (!tape.medium.warned) return tape.succeed();
  tape.fail(SENSE.endOfPartition, { stream: Stream.endOfMedium, information: 0, moved });
}

/** Makes all durable that was written, and then does `next`. */
export function synchronize(tape: Tape, work: Work, next: Step): void {
  if (!tape.buffered) return next(tape, work);
  work.synchronized = next;
  flush(tape, work, 0);
}

function flush(tape: Tape, work: Work, partition: number): void {
  work.prepare("flush", 0, flushed);
  tape.issue(work, partition);
}

function flushed(tape: Tape, work: Work): void {
  const next = work.partition + 1;
  if (next < tape.medium.partitions.length) return flush(tape, work, next);
  tape.buffered = false;
  work.synchronized(tape, work);
}
