// Knows READ CAPACITY, READ(10), READ(12) and SEEK of a drive: data goes from the store to the initiator's places, without a copy.

import { get32, put32 } from "../big-endian.js";
import { blocksOf, lbaOf } from "../cdb.js";
import { check, reply } from "../device-server.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import type { Cdrom } from "./cdrom.js";
import { type Disc, SECTOR } from "./disc.js";
import type { Reading } from "./reading.js";

/** READ CAPACITY (MMC-6). */
export function readCapacity(drive: Cdrom, task: Task): void {
  const { blocks } = drive.disc as Disc;
  put32(drive.scratch, 0, Math.min(Math.max(0, blocks - 1), 0xffff_ffff));
  put32(drive.scratch, 4, SECTOR);
  reply(task, drive.scratch, 8, 8);
}

/** Whether sectors are on the disc; the task is ended when they are not. */
export function onDisc(drive: Cdrom, task: Task, lba: number, blocks: number): boolean {
  const disc = drive.disc as Disc;
  if (lba >= 0 && lba + blocks <= disc.blocks) return true;
  check(drive, task, SENSE.lbaOutOfRange);
  return false;
}

/** With less room than the CDB asks for, what there is room for is read. */
export function read(drive: Cdrom, task: Task): void {
  readSectors(drive, task, lbaOf(task.cdb), blocksOf(task.cdb));
}

/** Reads the user data of sectors. */
export function readSectors(drive: Cdrom, task: Task, lba: number, blocks: number): void {
  if (!onDisc(drive, task, lba, blocks)) return;
  task.transferLength = blocks * SECTOR;
  const length = Math.min(task.transferLength, task.data.length);
  if (length === 0) return task.end(Status.good);
  drive.position = lba + blocks - 1;
  const reading = drive.take(task, drive.disc as Disc);
  reading.intoTask(task, lba * SECTOR, length, succeed);
  drive.issue(reading);
}

/** The last step of what has nothing left to do. */
export function succeed(drive: Cdrom, reading: Reading): void {
  drive.release(reading).end(Status.good);
}

/** SEEK(10) (MMC-6). */
export function seek(drive: Cdrom, task: Task): void {
  const lba = get32(task.cdb, 2);
  if (!onDisc(drive, task, lba, 1)) return;
  drive.position = lba;
  task.end(Status.good);
}
