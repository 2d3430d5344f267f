// Knows READ DEFECT DATA. Defects are handled by whatever is below the store, which tells of none: both lists are empty.

import { get16, get32, put32 } from "../big-endian.js";
import { invalidField, reply } from "../device-server.js";
import type { Task } from "../task.js";
import type { Disk } from "./disk.js";

const FORMAT = 0x07;
const RESERVED_FORMAT = 0x07;
/** REQ_PLIST and REQ_GLIST of a CDB; PLISTV and GLISTV of an answer are the same bits. */
const LISTS = 0x18;

/** READ DEFECT DATA(10) (SBC-3): the header alone. */
export function readDefectData10(disk: Disk, task: Task): void {
  const { cdb } = task;
  replyEmpty(disk, task, { byte: 2, headerLength: 4, allocationLength: get16(cdb, 7) });
}

/** READ DEFECT DATA(12): no descriptor is there, from whichever index on. */
export function readDefectData12(disk: Disk, task: Task): void {
  const { cdb } = task;
  replyEmpty(disk, task, { byte: 1, headerLength: 8, allocationLength: get32(cdb, 6) });
}

interface Asked {
  /** Where the CDB says which lists are wanted, and in which format. */
  readonly byte: number;
  readonly headerLength: number;
  readonly allocationLength: number;
}

/** An empty list is the same in all formats that there are: the one that was asked for. */
function replyEmpty(disk: Disk, task: Task, { byte, headerLength, allocationLength }: Asked): void {
  const asked = task.cdb[byte];
  if ((asked & FORMAT) === RESERVED_FORMAT) return invalidField(disk, task, byte, 2);
  put32(disk.scratch, 0, 0);
  put32(disk.scratch, 4, 0);
  disk.scratch[1] = asked & (LISTS | FORMAT);
  reply(task, disk.scratch, headerLength, allocationLength);
}
