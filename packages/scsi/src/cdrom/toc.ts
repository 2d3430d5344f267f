// Knows what READ TOC/PMA/ATIP and READ SUB-CHANNEL tell of a disc with one data track (MMC-6, MMC-5).

import { get16, put16 } from "../big-endian.js";
import { check, invalidField, reply } from "../device-server.js";
import { SENSE } from "../sense.js";
import type { Task } from "../task.js";
import type { Cdrom } from "./cdrom.js";
import { CD, type Disc } from "./disc.js";
import { PREGAP, putAddress, putMsf } from "./msf.js";

const MSF = 0x02;
/** ADR 1h: Q has the current position; CONTROL 4h: a data track, copying prohibited, as for what is stamped. */
const DATA_TRACK = 0x14;
const LEAD_OUT = 0xaa;

/** Fills in what is behind the two bytes of length; returns where it ends. */
type Format = (bytes: Uint8Array, disc: Disc, msf: boolean) => number;

/** By format; what is not here, a drive that does not write has not. */
const FORMATS: readonly { readonly last: number; readonly cdOnly?: true; readonly write: Format }[] = [
  { last: LEAD_OUT, write: writeTracks },
  { last: 0xff, write: writeSessions },
  { last: 1, cdOnly: true, write: writeRawToc },
];

/** READ TOC/PMA/ATIP. What begins behind the last track or session is an error. */
export function readToc(drive: Cdrom, task: Task): void {
  const { cdb } = task;
  const disc = drive.disc as Disc;
  const number = cdb[2] & 0x0f;
  const format = FORMATS.at(number);
  if (format === undefined) return invalidField(drive, task, 2, 3);
  if (format.cdOnly && disc.kind !== CD) return check(drive, task, SENSE.incompatibleMedium);
  const first = cdb[6];
  if (first > format.last || (number === 0 && first > 1 && first !== LEAD_OUT))
    return invalidField(drive, task, 6, null);
  const bytes = drive.scratch;
  bytes.fill(0, 0, 64);
  bytes[2] = 1;
  bytes[3] = 1;
  let end = format.write(bytes, disc, (cdb[1] & MSF) !== 0);
  if (number === 0 && first === LEAD_OUT) {
    bytes.copyWithin(4, 12, 20);
    end = 12;
  }
  put16(bytes, 0, end - 2);
  reply(task, bytes, end, get16(cdb, 7));
}

/** Format 0: the tracks, and the lead-out as one. */
function writeTracks(bytes: Uint8Array, { blocks }: Disc, msf: boolean): number {
  for (const [index, [track, lba]] of [
    [1, 0],
    [LEAD_OUT, blocks],
  ].entries()) {
    const at = 4 + 8 * index;
    bytes[at + 1] = DATA_TRACK;
    bytes[at + 2] = track;
    putAddress(bytes, at + 4, lba, msf);
  }
  return 20;
}

/** Format 1: where the last complete session begins. */
function writeSessions(bytes: Uint8Array, _disc: Disc, msf: boolean): number {
  bytes[5] = DATA_TRACK;
  bytes[6] = 1;
  putAddress(bytes, 8, 0, msf);
  return 12;
}

/** Format 2: what Q has in the lead-in: first and last track, where the lead-out begins, the track. Times are minutes, seconds, frames. */
function writeRawToc(bytes: Uint8Array, { blocks }: Disc): number {
  let at = 4;
  for (const point of [0xa0, 0xa1, 0xa2, 1]) {
    bytes[at] = 1;
    bytes[at + 1] = DATA_TRACK;
    bytes[at + 3] = point;
    if (point === 0xa0 || point === 0xa1) bytes[at + 8] = 1;
    else putMsf(bytes, at + 8, point === 1 ? 0 : blocks);
    at += 11;
  }
  return at;
}

const SUBQ = 0x40;
/** Nothing is played: there is no audio (MMC-5, audio status codes). */
const NO_AUDIO_STATUS = 0x15;

/** READ SUB-CHANNEL: the position; neither a catalogue number nor one of the recording, as an image has none. */
export function readSubChannel(drive: Cdrom, task: Task): void {
  const { cdb } = task;
  if ((drive.disc as Disc).kind !== CD) return check(drive, task, SENSE.incompatibleMedium);
  const format = cdb[3];
  const wanted = (cdb[2] & SUBQ) !== 0;
  if (wanted && (format < 1 || format > 3)) return invalidField(drive, task, 3, null);
  if (wanted && format === 3 && cdb[6] !== 1) return invalidField(drive, task, 6, null);
  const bytes = drive.scratch;
  bytes.fill(0, 0, 24);
  bytes[1] = NO_AUDIO_STATUS;
  const length = wanted ? writeSubQ(drive, bytes, format, (cdb[1] & MSF) !== 0) : 4;
  put16(bytes, 2, length - 4);
  reply(task, bytes, length, get16(cdb, 7));
}

function writeSubQ(drive: Cdrom, bytes: Uint8Array, format: number, msf: boolean): number {
  bytes[4] = format;
  if (format === 2) return 24;
  bytes[5] = DATA_TRACK;
  bytes[6] = 1;
  if (format === 3) return 24;
  bytes[7] = 1;
  putAddress(bytes, 8, drive.position, msf);
  // The track begins at block 0, and its own time at 00:00:00.
  putAddress(bytes, 12, msf ? drive.position - PREGAP : drive.position, msf);
  return 16;
}
