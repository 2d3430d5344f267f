// Knows READ DVD STRUCTURE of a DVD-ROM with one layer (MMC-6): one table lists and writes the structures.

import { get16, put16, put24 } from "../big-endian.js";
import { check, invalidField, reply } from "../device-server.js";
import { SENSE } from "../sense.js";
import type { Task } from "../task.js";
import type { Cdrom } from "./cdrom.js";
import { type Disc, DVD } from "./disc.js";

interface Structure {
  readonly code: number;
  readonly name: string;
  /** Bytes behind the header. */
  readonly length: number;
  /** Sets these bytes, which are zero. */
  readonly write?: (bytes: Uint8Array, disc: Disc) => void;
}

/** The physical sector of logical block 0. */
const FIRST_SECTOR = 0x03_0000;

export const STRUCTURES: readonly Structure[] = [
  {
    code: 0x00,
    name: "Physical Format Information",
    length: 2048,
    write: (bytes, { blocks }) => {
      bytes[0] = 0x01; // DVD-ROM, the first part version
      bytes[1] = 0x0f; // 120 mm, no rate is said
      bytes[2] = 0x01; // one layer, parallel track path, embossed
      put24(bytes, 5, FIRST_SECTOR);
      put24(bytes, 9, FIRST_SECTOR + Math.max(0, blocks - 1));
    },
  },
  /** Neither a protection system nor a region. */
  { code: 0x01, name: "DVD-ROM Copyright Information", length: 4 },
  { code: 0x04, name: "Disc Manufacturing Information", length: 2048 },
];

const HEADER = 4;
const LIST = 0xff;
/** RDS: this command has it. */
const READABLE = 0x40;

export function readDvdStructure(drive: Cdrom, task: Task): void {
  const { cdb } = task;
  const disc = drive.disc as Disc;
  if ((cdb[1] & 0x0f) !== 0) return invalidField(drive, task, 1, 3);
  const structure = STRUCTURES.find(({ code }) => code === cdb[7]);
  if (structure === undefined && cdb[7] !== LIST) return invalidField(drive, task, 7, null);
  if (disc.kind !== DVD) return check(drive, task, SENSE.incompatibleMedium);
  if (cdb[6] !== 0) return invalidField(drive, task, 6, null);
  const bytes = drive.scratch;
  const length = HEADER + (structure?.length ?? 4 * STRUCTURES.length);
  bytes.fill(0, 0, length);
  if (structure === undefined) writeList(bytes);
  else structure.write?.(bytes.subarray(HEADER, length), disc);
  put16(bytes, 0, length - 2);
  reply(task, bytes, length, get16(cdb, 8));
}

function writeList(bytes: Uint8Array): void {
  for (const [index, { code, length }] of STRUCTURES.entries()) {
    const at = HEADER + 4 * index;
    bytes[at] = code;
    bytes[at + 1] = READABLE;
    put16(bytes, at + 2, HEADER + length);
  }
}
