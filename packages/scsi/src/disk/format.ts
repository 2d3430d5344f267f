// Knows FORMAT UNIT (SBC-3 5.3): the medium is initialized, and no list of defects is taken.

import { get16, get32 } from "../big-endian.js";
import { COMMANDS } from "../cdb.js";
import { check, invalidField, invalidParameter, takeParameters } from "../device-server.js";
import { SENSE } from "../sense.js";
import type { Task } from "../task.js";
import type { Disk } from "./disk.js";
import { type OperationKind, operate, type Pass, patternBlock } from "./operation.js";

/** Over a medium that was half initialized only what needs none runs, or what initializes it again. */
export const FORMAT: OperationKind = {
  name: "format",
  inProgress: SENSE.formatInProgress,
  failed: SENSE.formatCommandFailed,
  spoiled: SENSE.mediumFormatCorrupted,
  runsWhenSpoiled: ({ command, needs }) =>
    needs === "nothing" ||
    command.opcode === COMMANDS.formatUnit.opcode ||
    command.opcode === COMMANDS.sanitizeOverwrite.opcode,
};

const FMTDATA = 0x10;
/** DEFECT LIST FORMAT: with no list it has to be zero, and the last one is none (SBC-3 table 36). */
const LIST_FORMAT = 0x07;
const RESERVED_FORMAT = 0x07;
const LONGLIST = 0x20;
const FOV = 0x80;
const IP = 0x08;
const IMMED = 0x02;
/** DPRY, DCRT, STPF and IP: what FOV says is meant. */
const OPTIONS = 0x78;
/** All of those with FOV and IMMED. */
const HEADER_FLAGS = FOV | OPTIONS | IMMED;

/** FORMAT UNIT; without a parameter list with zeros, and status when it is done. */
export function formatUnit(disk: Disk, task: Task): void {
  const [, flags] = task.cdb;
  const listFormat = flags & LIST_FORMAT;
  if (listFormat === RESERVED_FORMAT || ((flags & FMTDATA) === 0 && listFormat !== 0)) {
    return invalidField(disk, task, 1, 2);
  }
  if ((flags & FMTDATA) === 0) return format(disk, task, null, false);
  const header = (flags & LONGLIST) !== 0 ? 8 : 4;
  // The CDB does not say how long the list is.
  const length = Math.min(task.data.length, disk.scratch.length);
  if (length < header) return check(disk, task, SENSE.parameterListLengthError);
  if (!takeParameters(disk, task, length) || !headerAllowed(disk, task, header)) return;
  const options = disk.scratch[1];
  task.transferLength = header;
  const pattern = (options & IP) === 0 ? null : takePattern(disk, task, header, length);
  if (pattern !== "refused") format(disk, task, pattern, (options & IMMED) !== 0);
}

/** No protection information, no bits that are not there, no defects; false when the task is ended. */
function headerAllowed(disk: Disk, task: Task, header: number): boolean {
  const { scratch } = disk;
  const options = scratch[1];
  const defects = header === 8 ? get32(scratch, 4) : get16(scratch, 2);
  if (scratch[0] !== 0) invalidParameter(disk, task, 0, null);
  else if ((options & ~HEADER_FLAGS) !== 0) invalidParameter(disk, task, 1, null);
  else if ((options & FOV) === 0 && (options & OPTIONS) !== 0) invalidParameter(disk, task, 1, 7);
  else if (header === 8 && get16(scratch, 2) !== 0) invalidParameter(disk, task, 2, null);
  else if (defects !== 0) invalidParameter(disk, task, header === 8 ? 4 : 2, null);
  else return true;
  return false;
}

const PATTERN_HEADER = 4;
const PatternType = { default: 0, repeated: 1 } as const;

/** The initialization pattern as a block, null for the default one; "refused" when the task is ended. */
function takePattern(disk: Disk, task: Task, at: number, length: number): Uint8Array | null | "refused" {
  const { scratch, blockSize } = disk;
  if (length < at + PATTERN_HEADER) return refuse(() => check(disk, task, SENSE.parameterListLengthError));
  // SI asks for what SANITIZE is for.
  if (scratch[at] !== 0) return refuse(() => invalidParameter(disk, task, at, null));
  const type = scratch[at + 1];
  if (type > PatternType.repeated) return refuse(() => invalidParameter(disk, task, at + 1, null));
  const size = get16(scratch, at + 2);
  const fits = type === PatternType.default ? size === 0 : size > 0 && size <= blockSize;
  if (!fits) return refuse(() => invalidParameter(disk, task, at + 2, null));
  const begin = at + PATTERN_HEADER;
  if (length < begin + size) return refuse(() => check(disk, task, SENSE.parameterListLengthError));
  task.transferLength = begin + size;
  return size === 0 ? null : patternBlock(scratch.slice(begin, begin + size), blockSize);
}

function refuse(end: () => void): "refused" {
  end();
  return "refused";
}

/** Thinly provisioned, nothing is mapped after the default pattern (SBC-3 4.7.3.2). */
function format(disk: Disk, task: Task, pattern: Uint8Array | null, immediate: boolean): void {
  const zeros: Pass = { operation: disk.thin ? "discard" : "write-zeroes" };
  operate(disk, task, {
    kind: FORMAT,
    passes: [pattern === null ? zeros : { operation: "write", pattern }],
    immediate,
  });
}
