// Knows READ CAPACITY(10) and (16).

import { get32, put32, put64 } from "../big-endian.js";
import { reply } from "../device-server.js";
import type { Task } from "../task.js";
import type { Disk } from "./disk.js";

/** READ CAPACITY(10): FFFFFFFFh says that (16) is needed (SBC-3 5.16). */
export function readCapacity10(disk: Disk, task: Task): void {
  put32(disk.scratch, 0, Math.min(lastBlock(disk), 0xffff_ffff));
  put32(disk.scratch, 4, disk.blockSize);
  reply(task, disk.scratch, 8, 8);
}

const LBPME = 0x80;
const LBPRZ = 0x40;

/** READ CAPACITY(16) (SBC-3 5.17). */
export function readCapacity16(disk: Disk, task: Task): void {
  const answer = disk.scratch;
  answer.fill(0, 0, 32);
  put64(answer, 0, lastBlock(disk));
  put32(answer, 8, disk.blockSize);
  answer[13] = Math.log2(disk.limits.physical);
  if (disk.thin) answer[14] = LBPME | (disk.features.unmapZeroes ? LBPRZ : 0);
  reply(task, answer, 32, get32(task.cdb, 10));
}

/** A medium without a block has no last one: 0, as there is no other way to say it. */
function lastBlock({ blocks }: Disk): number {
  return Math.max(0, blocks - 1);
}
