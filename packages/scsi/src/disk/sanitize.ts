// Knows SANITIZE (SBC-3 4.11, 5.24): which passes each method makes, and what may follow one that failed.
// It reaches as far as the store: copies that a file system or a medium below keeps of a file's old blocks are not its to erase, unless
// they are encrypted, and the key is no more.

import { get16 } from "../big-endian.js";
import { COMMANDS } from "../cdb.js";
import { check, invalidField, invalidParameter, takeParameters } from "../device-server.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import type { Disk } from "./disk.js";
import { type Operation, type OperationKind, operate, type Pass, patternBlock } from "./operation.js";
import { flush } from "./transfer.js";
import type { Work } from "./work.js";

/** After one that failed, only another one that does not leads back, or EXIT FAILURE MODE where AUSE allowed it. */
export const SANITIZE: OperationKind = {
  name: "sanitize",
  inProgress: SENSE.sanitizeInProgress,
  failed: SENSE.sanitizeCommandFailed,
  spoiled: SENSE.sanitizeCommandFailed,
  runsWhenSpoiled: ({ command }) => command.opcode === COMMANDS.sanitizeOverwrite.opcode,
};

const IMMED = 0x80;
const AUSE = 0x20;

/** The one that failed last, as long as nothing has led back from that. */
function failedBefore({ operation }: Disk): Operation | null {
  return operation?.kind === SANITIZE ? operation : null;
}

/** Whether one may begin: after one without AUSE that failed, none with it may; the task is ended then. */
function allowed(disk: Disk, task: Task): boolean {
  if (failedBefore(disk)?.exits !== false || (task.cdb[1] & AUSE) === 0) return true;
  invalidField(disk, task, 1, 5);
  return false;
}

function sanitize(disk: Disk, task: Task, passes: readonly Pass[]): void {
  const [, flags] = task.cdb;
  operate(disk, task, { kind: SANITIZE, passes, immediate: (flags & IMMED) !== 0, exits: (flags & AUSE) !== 0 });
}

const LIST_HEADER = 4;
const INVERT = 0x80;
const TEST = 0x60;
const COUNT = 0x1f;

/** SANITIZE/OVERWRITE: every block is written with a pattern, as often as the list says. */
export function sanitizeOverwrite(disk: Disk, task: Task): void {
  if (!allowed(disk, task)) return;
  const length = get16(task.cdb, 7);
  if (length <= LIST_HEADER || length > LIST_HEADER + disk.blockSize) return invalidField(disk, task, 7, null);
  if (!takeParameters(disk, task, length)) return;
  const [flags, reserved] = disk.scratch;
  const count = flags & COUNT;
  if ((flags & TEST) !== 0) return invalidParameter(disk, task, 0, 6);
  if (count === 0) return invalidParameter(disk, task, 0, 4);
  if (reserved !== 0) return invalidParameter(disk, task, 1, null);
  const patternLength = get16(disk.scratch, 2);
  if (patternLength === 0 || patternLength > disk.blockSize) return invalidParameter(disk, task, 2, null);
  if (patternLength !== length - LIST_HEADER) return check(disk, task, SENSE.parameterListLengthError);
  task.transferLength = length;
  const pattern = patternBlock(disk.scratch.slice(LIST_HEADER, length), disk.blockSize);
  sanitize(disk, task, overwrites(pattern, count, (flags & INVERT) !== 0));
}

/** With INVERT it is inverted from pass to pass, so that the last one writes it as it is. */
function overwrites(pattern: Uint8Array, count: number, invert: boolean): Pass[] {
  const inverted = pattern.map((byte) => ~byte);
  return Array.from({ length: count }, (_, pass) => {
    const odd = (count - 1 - pass) % 2 === 1;
    return { operation: "write", pattern: invert && odd ? inverted : pattern };
  });
}

const GIVE_BACK: Pass = { operation: "discard" };
const CHANGE_KEY: Pass = { operation: "change-key" };

/** SANITIZE/BLOCK ERASE: every block is given back, and reads as zeros; if it was encrypted the key goes as well. */
export function sanitizeBlockErase(disk: Disk, task: Task): void {
  if (allowed(disk, task)) sanitize(disk, task, disk.changesKey ? [CHANGE_KEY, GIVE_BACK] : [GIVE_BACK]);
}

/** SANITIZE/CRYPTOGRAPHIC ERASE: the key is changed, so that no block that was written is what it was. */
export function sanitizeCryptographicErase(disk: Disk, task: Task): void {
  if (allowed(disk, task)) sanitize(disk, task, [CHANGE_KEY]);
}

/** SANITIZE/EXIT FAILURE MODE; where nothing has failed there is nothing to exit from. */
export function exitFailureMode(disk: Disk, task: Task): void {
  const failed = failedBefore(disk);
  if (failed?.exits === false) return invalidField(disk, task, 1, 4);
  if (failed === null) return task.end(Status.good);
  if (disk.identity.operations !== undefined) return flush(disk, task, "excludes", exitFailed);
  disk.operation = null;
  task.end(Status.good);
}

/** In its turn among those that begin. */
function exitFailed(disk: Disk, work: Work): void {
  const end = (then: () => void): void => {
    if (work.task?.aborted) disk.release(work).end(Status.taskAborted);
    else then();
  };
  const operation = failedBefore(disk);
  // Another one may wait behind it by now.
  const forgiven = operation?.failed ? operation.forgive() : Promise.resolve();
  forgiven.then(
    () => end(() => disk.succeed(work)),
    () => end(() => disk.fail(work, SENSE.internalTargetFailure)),
  );
}
