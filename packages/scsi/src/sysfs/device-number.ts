// Knows the numbers by which Linux' drivers of SCSI devices are reached (the kernel's devices.txt). Knows no device.

import { diskIndex } from "../kernel-names.js";

/** The majors of sd, each for 16 disks of 16 minors. What is beyond them goes on in the higher bits of the minor, in the same turn. */
const DISK_MAJORS = [8, 65, 66, 67, 68, 69, 70, 71, 128, 129, 130, 131, 132, 133, 134, 135] as const;
const PER_MAJOR = 16;
const PARTITIONS = 16;
/** What a whole turn through the majors adds to the minor: sd_major and the index's bits 8 to 19 (sd.c). */
const TURN = 256;

/** Of drivers with one major, which it is. st's other minors: bit 7 is the node that does not rewind. */
const MAJORS = { st: 9, nst: 9, sr: 11, sg: 21, sch: 86 } as const;
const NO_REWIND = 0x80;
/** st has 32 tapes in the low bits; bits 5 and 6 are its modes, and further tapes are above bit 7. */
const TAPES = 32;

/** `MAJOR:MINOR` of a kernel name such as sda, st0, nst0, sr0, sch0 or sg0, as sysfs' `dev` has it; throws a RangeError for another. */
export function deviceNumber(name: string): string {
  const disk = diskIndex(name);
  if (disk !== undefined) {
    const major = DISK_MAJORS[Math.floor(disk / PER_MAJOR) % DISK_MAJORS.length];
    const turns = Math.floor(disk / (PER_MAJOR * DISK_MAJORS.length));
    return `${major}:${turns * TURN + (disk % PER_MAJOR) * PARTITIONS}`;
  }
  const [, driver, digits] = /^(st|nst|sr|sg|sch)(\d{1,8})$/.exec(name) ?? [];
  if (driver === undefined) throw new RangeError(`${name} is no name of a SCSI device`);
  const index = Number(digits);
  const major = MAJORS[driver as keyof typeof MAJORS];
  if (major !== MAJORS.st) return `${major}:${index}`;
  const minor = Math.floor(index / TAPES) * TURN + (index % TAPES);
  return `${major}:${minor + (driver === "nst" ? NO_REWIND : 0)}`;
}
