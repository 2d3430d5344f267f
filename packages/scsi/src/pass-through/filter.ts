// Knows which commands may be passed to a real device: those that Linux lets an unprivileged opener of SG_IO send (drivers/scsi/scsi_ioctl.c,
// scsi_cmd_allowed), with their names there, and what of WRITE BUFFER would load firmware (SPC-4 6.49).

/** How much of a real device an initiator may use: all of it, what Linux lets everybody do, or what of that only reads. */
export type PassFilter = "unfiltered" | "filtered" | "readonly";

/** By opcode: whoever may read the device may send these. */
export const READ_SAFE: ReadonlyMap<number, string> = new Map([
  [0x00, "TEST UNIT READY"],
  [0x03, "REQUEST SENSE"],
  [0x08, "READ(6)"],
  [0x12, "INQUIRY"],
  [0x1a, "MODE SENSE(6)"],
  [0x1b, "START STOP UNIT"],
  [0x1c, "RECEIVE DIAGNOSTIC RESULTS"],
  [0x23, "READ FORMAT CAPACITIES"],
  [0x25, "READ CAPACITY(10)"],
  [0x28, "READ(10)"],
  [0x2b, "SEEK(10)"],
  [0x2f, "VERIFY(10)"],
  [0x37, "READ DEFECT DATA(10)"],
  [0x3c, "READ BUFFER"],
  [0x3e, "READ LONG(10)"],
  [0x42, "READ SUB-CHANNEL"],
  [0x43, "READ TOC/PMA/ATIP"],
  [0x44, "READ HEADER"],
  [0x45, "PLAY AUDIO(10)"],
  [0x46, "GET CONFIGURATION"],
  [0x47, "PLAY AUDIO MSF"],
  [0x48, "PLAY AUDIO TRACK INDEX"],
  [0x4a, "GET EVENT STATUS NOTIFICATION"],
  [0x4b, "PAUSE/RESUME"],
  [0x4d, "LOG SENSE"],
  [0x4e, "STOP PLAY/SCAN"],
  [0x51, "READ DISC INFORMATION"],
  [0x52, "READ TRACK INFORMATION"],
  [0x5a, "MODE SENSE(10)"],
  [0x5c, "READ BUFFER CAPACITY"],
  [0x88, "READ(16)"],
  [0x8f, "VERIFY(16)"],
  [0x95, "ZBC IN"],
  [0x9e, "SERVICE ACTION IN(16)"],
  [0xa0, "REPORT LUNS"],
  [0xa3, "MAINTENANCE IN"],
  [0xa4, "REPORT KEY"],
  [0xa8, "READ(12)"],
  [0xac, "GET PERFORMANCE"],
  [0xad, "READ DISC STRUCTURE"],
  [0xb9, "READ CD MSF"],
  [0xba, "SCAN"],
  [0xbc, "PLAY CD"],
  [0xbe, "READ CD"],
]);

/** By opcode: whoever may write the device may send these as well. 0Dh is there by an oversight of Linux: a service action of 7Fh. */
export const WRITE_SAFE: ReadonlyMap<number, string> = new Map([
  [0x04, "FORMAT UNIT"],
  [0x0a, "WRITE(6)"],
  [0x0d, "WRITE SAME(32)"],
  [0x15, "MODE SELECT(6)"],
  [0x19, "ERASE(6)"],
  [0x1e, "PREVENT ALLOW MEDIUM REMOVAL"],
  [0x2a, "WRITE(10)"],
  [0x2e, "WRITE AND VERIFY(10)"],
  [0x35, "SYNCHRONIZE CACHE(10)"],
  [0x3f, "WRITE LONG(10)"],
  [0x41, "WRITE SAME(10)"],
  [0x4c, "LOG SELECT"],
  [0x53, "RESERVE TRACK"],
  [0x54, "SEND OPC INFORMATION"],
  [0x55, "MODE SELECT(10)"],
  [0x58, "REPAIR TRACK"],
  [0x5b, "CLOSE TRACK/SESSION"],
  [0x5d, "SEND CUE SHEET"],
  [0x8a, "WRITE(16)"],
  [0x93, "WRITE SAME(16)"],
  [0x94, "ZBC OUT"],
  [0xa1, "BLANK"],
  [0xa2, "SEND EVENT"],
  [0xa6, "LOAD/UNLOAD MEDIUM"],
  [0xa7, "SET READ AHEAD"],
  [0xaa, "WRITE(12)"],
  [0xae, "WRITE AND VERIFY(12)"],
  [0xb6, "SET STREAMING"],
  [0xbb, "SET CD SPEED"],
  [0xbf, "SEND DISC STRUCTURE"],
  [0xea, "WRITE LONG(16)"],
]);

/** Whether a CDB may be passed on. */
export function passes(filter: PassFilter, cdb: Uint8Array): boolean {
  if (filter === "unfiltered" || READ_SAFE.has(cdb[0])) return true;
  return filter === "filtered" && WRITE_SAFE.has(cdb[0]);
}

const WRITE_BUFFER = 0x3b;
/** Download microcode, with and without saving and offsets, deferred, and activating what was deferred. */
const MICROCODE_MODES: ReadonlySet<number> = new Set([0x04, 0x05, 0x06, 0x07, 0x0d, 0x0e, 0x0f]);

/** Whether a CDB would change the device's firmware. */
export function loadsFirmware(cdb: Uint8Array): boolean {
  return cdb[0] === WRITE_BUFFER && MICROCODE_MODES.has(cdb[1] & 0x1f);
}
