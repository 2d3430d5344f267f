// Knows SET CD SPEED and GET PERFORMANCE (MMC-6): a speed is remembered and told, and nothing is slowed down.

import { get16, get32, put32 } from "../big-endian.js";
import { check, invalidField, reply } from "../device-server.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import type { Cdrom } from "./cdrom.js";
import { DVD } from "./disc.js";

/** In 1000 bytes a second: what is in it, else the fastest that may be. */
export function fastest({ disc }: Cdrom): number {
  return (disc?.kind ?? DVD).speed;
}

export function currentSpeed(drive: Cdrom): number {
  return Math.min(drive.wantedSpeed, fastest(drive));
}

/** FFFFh asks for the fastest. */
export function setCdSpeed(drive: Cdrom, task: Task): void {
  const speed = get16(task.cdb, 2);
  if (speed === 0) return invalidField(drive, task, 2, null);
  drive.wantedSpeed = speed;
  task.end(Status.good);
}

const HEADER = 8;
const DESCRIPTOR = 16;
/** TOLERANCE: 10 % nominal and 20 % exceptions, the one value there is. */
const TOLERANCE = 0x10;
const WRITES_OR_EXCEPTIONS = 0x07;

/** Performance of reading (type 0): one descriptor, as every block is read alike. */
export function getPerformance(drive: Cdrom, task: Task): void {
  const { cdb, data } = task;
  if (cdb[10] !== 0) return invalidField(drive, task, 10, null);
  if ((cdb[1] & 0x18) !== TOLERANCE) return invalidField(drive, task, 1, 4);
  const { disc, scratch } = drive;
  const end = Math.max(0, (disc?.blocks ?? 0) - 1);
  if (get32(cdb, 2) > end) return check(drive, task, SENSE.lbaOutOfRange);
  // There is no writing, and nothing that is slower than the rest.
  const nominal = (cdb[1] & WRITES_OR_EXCEPTIONS) === 0 && get16(cdb, 8) > 0;
  const length = HEADER + (nominal ? DESCRIPTOR : 0);
  scratch.fill(0, 0, HEADER + DESCRIPTOR);
  put32(scratch, 0, HEADER + DESCRIPTOR - 4);
  const speed = currentSpeed(drive);
  for (const [index, word] of [0, speed, end, speed].entries()) put32(scratch, HEADER + 4 * index, word);
  reply(task, scratch, length, data.length);
}
