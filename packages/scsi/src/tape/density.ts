// Knows what a drive says of the media that it takes: READ BLOCK LIMITS and REPORT DENSITY SUPPORT.

import { get16, put16, put24, put32, putText } from "../big-endian.js";
import { check, invalidField, reply } from "../device-server.js";
import type { Task } from "../task.js";
import { DENSITY } from "./mode-pages.js";
import type { Tape } from "./tape.js";
import { MAX_BLOCK } from "./transfer.js";

/** READ BLOCK LIMITS (SSC-3 7.5): any length up to the longest. */
export function readBlockLimits({ scratch }: Tape, task: Task): void {
  scratch.fill(0, 0, 6);
  put24(scratch, 1, MAX_BLOCK);
  put16(scratch, 4, 1);
  reply(task, scratch, 6, 6);
}

const MEDIA = 0x01;
const MEDIUM_TYPE = 0x02;
const DESCRIPTOR = 52;
const WRTOK = 0x80;
const DEFLT = 0x20;
const MEGABYTE = 1e6;

/** REPORT DENSITY SUPPORT (SSC-3 7.8): the one density; of the medium in the drive with MEDIA. There are no medium types. */
export function reportDensitySupport(tape: Tape, task: Task): void {
  const { cdb } = task;
  const { scratch: bytes } = tape;
  if ((cdb[1] & MEDIUM_TYPE) !== 0) return invalidField(tape, task, 1, 1);
  const reason = (cdb[1] & MEDIA) === 0 ? null : tape.notReady();
  if (reason !== null) return check(tape, task, reason);
  bytes.fill(0, 0, 4 + DESCRIPTOR);
  put16(bytes, 0, 2 + DESCRIPTOR);
  bytes[4] = DENSITY;
  bytes[5] = DENSITY;
  bytes[6] = WRTOK | DEFLT;
  put16(bytes, 14, 1); // TRACKS
  put32(bytes, 16, Math.min(0xffff_ffff, Math.floor((tape.tape?.cartridge.capacity ?? 0) / MEGABYTE)));
  putText(bytes, 20, 8, tape.identity.vendor);
  putText(bytes, 28, 8, "SIMH TAP");
  putText(bytes, 36, 20, "records in a file");
  reply(task, bytes, 4 + DESCRIPTOR, get16(cdb, 7));
}
