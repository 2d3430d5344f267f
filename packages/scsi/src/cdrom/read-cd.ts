// Knows READ CD and READ CD MSF (MMC-6): which parts of sectors an initiator asks for, and how they come to it.

import { get24, get32 } from "../big-endian.js";
import { check, invalidField } from "../device-server.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import type { Cdrom } from "./cdrom.js";
import { CD, type Disc, SECTOR } from "./disc.js";
import { getMsf } from "./msf.js";
import { CHUNK, type Reading } from "./reading.js";
import { buildSector, RAW_SECTOR, USER_DATA } from "./sector.js";
import { onDisc, readSectors } from "./transfer.js";

const SYNC = 0x80;
const SUBHEADER = 0x40;
const HEADER = 0x20;
const USER = 0x10;
const CORRECTION = 0x08;
const ERROR_FLAGS = 0x06;

/** The parts of a mode 1 sector, in their order; it has no subheader. */
const PARTS = [
  { flag: SYNC, from: 0, to: 12 },
  { flag: HEADER, from: 12, to: 16 },
  { flag: USER, from: 16, to: 2064 },
  { flag: CORRECTION, from: 2064, to: RAW_SECTOR },
] as const;

export function readCd(drive: Cdrom, task: Task): void {
  transfer(drive, task, get32(task.cdb, 2), get24(task.cdb, 6));
}

/** From one time to before another. */
export function readCdMsf(drive: Cdrom, task: Task): void {
  const first = getMsf(task.cdb, 3);
  const end = getMsf(task.cdb, 6);
  if (first === null) return invalidField(drive, task, 3, null);
  if (end === null || end < first) return invalidField(drive, task, 6, null);
  transfer(drive, task, first, end - first);
}

/** Expected sector types: any, and mode 1. */
const MODE_1_TYPES = [0, 2];

function transfer(drive: Cdrom, task: Task, lba: number, blocks: number): void {
  const { cdb } = task;
  const type = (cdb[1] >>> 2) & 0x07;
  if (type > 5) return invalidField(drive, task, 1, 4);
  // No store has sub-channels, nor pointers to errors.
  if ((cdb[9] & ERROR_FLAGS) !== 0) return invalidField(drive, task, 9, 2);
  if ((cdb[10] & 0x07) !== 0) return invalidField(drive, task, 10, 2);
  const selection = cdb[9] & 0xf8;
  if (!isSelection(selection)) return invalidField(drive, task, 9, 7);
  if (!onDisc(drive, task, lba, blocks)) return;
  if (!MODE_1_TYPES.includes(type)) return check(drive, task, SENSE.illegalModeForTrack);
  const parts = selection & ~SUBHEADER;
  // A subheader alone of sectors that have none is nothing.
  if (parts === 0 || blocks === 0) return task.end(Status.good);
  if (parts === USER) return readSectors(drive, task, lba, blocks);
  if ((drive.disc as Disc).kind !== CD) return check(drive, task, SENSE.incompatibleMedium);
  readRaw(drive, task, { lba, blocks, parts });
}

/** Parts must follow each other: none is left out between two others (MMC-6, READ CD). */
function isSelection(selection: number): boolean {
  if (selection === CORRECTION) return false;
  const flags = PARTS.map(({ flag }) => (selection & flag) !== 0);
  // The subheader is where a header would end.
  if ((selection & (SUBHEADER | HEADER)) === SUBHEADER && (flags[0] || (flags[3] && !flags[2]))) return false;
  return flags.lastIndexOf(true) - flags.indexOf(true) + 1 === flags.filter(Boolean).length || flags.every((f) => !f);
}

const SECTORS = CHUNK / SECTOR;

/** Bytes of a raw sector, of all drives': it is built and given away before anything else runs. */
const RAW = new Uint8Array(RAW_SECTOR);

interface Range {
  readonly lba: number;
  readonly blocks: number;
  readonly parts: number;
}

function readRaw(drive: Cdrom, task: Task, { lba, blocks, parts }: Range): void {
  task.transferLength = blocks * sizeOf(parts);
  drive.position = lba + blocks - 1;
  const reading = drive.take(task, drive.disc as Disc);
  reading.selection = parts;
  reading.done = 0;
  // Sectors that there is no room for are not read.
  reading.left = Math.min(blocks, Math.ceil(task.data.length / sizeOf(parts)));
  if (reading.left === 0) return drive.release(reading).end(Status.good);
  readChunk(drive, reading, lba);
}

function sizeOf(parts: number): number {
  return PARTS.reduce((size, { flag, from, to }) => size + ((parts & flag) === 0 ? 0 : to - from), 0);
}

function readChunk(drive: Cdrom, reading: Reading, lba: number): void {
  reading.intoBuffer(lba * SECTOR, Math.min(reading.left, SECTORS) * SECTOR, giveChunk);
  drive.issue(reading);
}

function giveChunk(drive: Cdrom, reading: Reading): void {
  const { request, buffer, selection, task } = reading;
  const first = request.offset / SECTOR;
  const count = request.length / SECTOR;
  for (let i = 0; i < count; i++) {
    RAW.set(buffer.subarray(i * SECTOR, (i + 1) * SECTOR), USER_DATA);
    buildSector(RAW, first + i);
    for (const { flag, from, to } of PARTS) {
      if ((selection & flag) !== 0) reading.done += (task as Task).data.write(RAW.subarray(from, to), reading.done);
    }
  }
  reading.left -= count;
  if (reading.left > 0) readChunk(drive, reading, first + count);
  else drive.release(reading).end(Status.good);
}
