// Knows the features of a drive and GET CONFIGURATION, which lists them (MMC-6): one table says and writes them.

import { get16, put16, put32 } from "../big-endian.js";
import { invalidField, reply } from "../device-server.js";
import type { Task } from "../task.js";
import type { Cdrom } from "./cdrom.js";
import { CD, type Disc, DVD, SECTOR } from "./disc.js";

export interface Feature {
  readonly code: number;
  readonly name: string;
  readonly version: number;
  readonly persistent: boolean;
  /** Whether it can be used with what is in the drive. */
  readonly current: (disc: Disc | null) => boolean;
  /** Bytes behind the header: whole words. */
  readonly length: (drive: Cdrom) => number;
  /** Sets these bytes, which are zero. */
  readonly write?: (drive: Cdrom, bytes: Uint8Array) => void;
}

const always = () => true;
const empty = () => 0;
const word = () => 4;
const isCd = (disc: Disc | null): boolean => disc?.kind === CD;
const isDvd = (disc: Disc | null): boolean => disc?.kind === DVD;

/** In ascending order. */
export const FEATURES: readonly Feature[] = [
  {
    code: 0x0000,
    name: "Profile List",
    version: 0,
    persistent: true,
    current: always,
    length: () => 8,
    write: writeProfiles,
  },
  {
    code: 0x0001,
    name: "Core",
    version: 2,
    persistent: true,
    current: always,
    length: () => 8,
    write: (_drive, bytes) => {
      put32(bytes, 0, 0x0000_0001); // SCSI family
      bytes[4] = 0x01; // DBE
    },
  },
  {
    code: 0x0002,
    name: "Morphing",
    version: 1,
    persistent: true,
    current: always,
    length: word,
    write: (_drive, bytes) => {
      bytes[0] = 0x02; // OCEVENT
    },
  },
  {
    code: 0x0003,
    name: "Removable Medium",
    version: 1,
    persistent: true,
    current: always,
    length: word,
    write: (_drive, bytes) => {
      bytes[0] = 0x20 | 0x10 | 0x08 | 0x01; // a tray, LOAD, EJECT, LOCK
    },
  },
  {
    code: 0x0010,
    name: "Random Readable",
    version: 0,
    persistent: false,
    current: (disc) => disc !== null,
    length: () => 8,
    write: ({ disc }, bytes) => {
      put32(bytes, 0, SECTOR);
      put16(bytes, 4, disc?.kind === DVD ? 16 : 1); // blocking: sectors that are read together
      bytes[6] = 0x01; // PP: the error recovery page is there
    },
  },
  { code: 0x001d, name: "Multi-Read", version: 0, persistent: false, current: isCd, length: empty },
  { code: 0x001e, name: "CD Read", version: 2, persistent: false, current: isCd, length: word },
  { code: 0x001f, name: "DVD Read", version: 1, persistent: false, current: isDvd, length: word },
  { code: 0x0100, name: "Power Management", version: 0, persistent: true, current: always, length: empty },
  { code: 0x0105, name: "Timeout", version: 1, persistent: true, current: always, length: word },
  {
    code: 0x0108,
    name: "Drive Serial Number",
    version: 0,
    persistent: true,
    current: always,
    length: ({ identity }) => Math.ceil(identity.serial.length / 4) * 4,
    write: ({ identity }, bytes) => {
      for (let i = 0; i < bytes.length; i++)
        bytes[i] = i < identity.serial.length ? identity.serial.charCodeAt(i) : 0x20;
    },
  },
];

/** The most capable first. */
function writeProfiles({ disc }: Cdrom, bytes: Uint8Array): void {
  for (const [index, kind] of [DVD, CD].entries()) {
    put16(bytes, 4 * index, kind.profile);
    bytes[4 * index + 2] = disc?.kind === kind ? 0x01 : 0;
  }
}

const HEADER = 8;

/** Which features RT asks for: all, those that can be used now, or one. */
const CHOICES: readonly ((feature: Feature, first: number, disc: Disc | null) => boolean)[] = [
  ({ code }, first) => code >= first,
  ({ code, current }, first, disc) => code >= first && current(disc),
  ({ code }, first) => code === first,
];

export function getConfiguration(drive: Cdrom, task: Task): void {
  const { cdb } = task;
  const chosen = CHOICES.at(cdb[1] & 0x03);
  if (chosen === undefined) return invalidField(drive, task, 1, 1);
  const { disc, scratch } = drive;
  const first = get16(cdb, 2);
  scratch.fill(0, 0, HEADER);
  if (disc !== null) put16(scratch, 6, disc.kind.profile);
  let at = HEADER;
  for (const feature of FEATURES) if (chosen(feature, first, disc)) at = writeFeature(drive, feature, at);
  put32(scratch, 0, at - 4);
  reply(task, scratch, at, get16(cdb, 7));
}

/** Writes a feature descriptor into the scratch bytes; returns where it ends. */
function writeFeature(drive: Cdrom, feature: Feature, at: number): number {
  const { scratch } = drive;
  const length = feature.length(drive);
  put16(scratch, at, feature.code);
  scratch[at + 2] = (feature.version << 2) | (feature.persistent ? 0x02 : 0) | (feature.current(drive.disc) ? 0x01 : 0);
  scratch[at + 3] = length;
  const end = at + 4 + length;
  scratch.fill(0, at + 4, end);
  feature.write?.(drive, scratch.subarray(at + 4, end));
  return end;
}
