// Knows READ DISC INFORMATION and READ TRACK INFORMATION of a disc that is complete, with one session of one data track (MMC-6).

import { get16, get32, put16, put32 } from "../big-endian.js";
import { check, invalidField, reply } from "../device-server.js";
import { SENSE } from "../sense.js";
import type { Task } from "../task.js";
import type { Cdrom } from "./cdrom.js";
import type { Disc } from "./disc.js";

const DISC_LENGTH = 34;
/** The last session is complete, and so is the disc. */
const COMPLETE = 0x0c | 0x02;
/** URU: it may be used without a restriction. */
const UNRESTRICTED = 0x20;

/** Standard information alone: there are no resources of a drive that writes. */
export function readDiscInformation(drive: Cdrom, task: Task): void {
  const { cdb } = task;
  if ((cdb[1] & 0x07) !== 0) return invalidField(drive, task, 1, 2);
  const bytes = drive.scratch;
  bytes.fill(0, 0, DISC_LENGTH);
  put16(bytes, 0, DISC_LENGTH - 2);
  bytes[2] = COMPLETE;
  bytes.fill(1, 3, 7); // first track, sessions, first and last track of the last session
  bytes[7] = UNRESTRICTED;
  // No session can follow: neither its lead-in nor its lead-out is anywhere.
  bytes.fill(0xff, 16, 24);
  reply(task, bytes, DISC_LENGTH, get16(cdb, 7));
}

const TRACK_LENGTH = 36;
const DATA_TRACK = 0x04;
const MODE_1 = 0x01;

/** What ADDRESS/NUMBER TYPE says that the number is; null for the lead-in, which only a disc that is written has. */
const FINDERS: readonly ((disc: Disc, number: number) => boolean)[] = [
  ({ blocks }, lba) => lba < blocks,
  (_disc, track) => track === 1,
  (_disc, session) => session === 1,
];

export function readTrackInformation(drive: Cdrom, task: Task): void {
  const { cdb } = task;
  const disc = drive.disc as Disc;
  const finds = FINDERS.at(cdb[1] & 0x03);
  // OPEN asks for a track that can be written.
  if (finds === undefined || (cdb[1] & 0x04) !== 0) return invalidField(drive, task, 1, finds === undefined ? 1 : 2);
  const number = get32(cdb, 2);
  if (!finds(disc, number)) {
    if ((cdb[1] & 0x03) === 0) return check(drive, task, SENSE.lbaOutOfRange);
    return invalidField(drive, task, 2, null);
  }
  const bytes = drive.scratch;
  bytes.fill(0, 0, TRACK_LENGTH);
  put16(bytes, 0, TRACK_LENGTH - 2);
  bytes[2] = 1;
  bytes[3] = 1;
  bytes[5] = DATA_TRACK;
  bytes[6] = MODE_1;
  put32(bytes, 24, disc.blocks);
  reply(task, bytes, TRACK_LENGTH, get16(cdb, 7));
}
