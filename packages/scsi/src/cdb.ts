// Knows the commands by number, name and length, and where their CDBs keep what a person wants to see.
// The device types' opcode tables and the trace are made from this one table.

import { hexBytes } from "@pvscsi/wire";
import { get16, get24, get32, get64 } from "./big-endian.js";

/** A number or a flag inside a CDB. */
export interface CdbField {
  readonly name: string;
  readonly byte: number;
  /** Bytes of a number; 0 for a single bit, which is shown by its name when it is set. */
  readonly size: number;
  /** The mask of a flag, or of the first byte of a number. */
  readonly mask: number;
}

export interface CommandDescription {
  readonly name: string;
  readonly opcode: number;
  /** In the low five bits of byte 1, for opcodes that have them; else null. */
  readonly serviceAction: number | null;
  /** Bytes of the CDB. */
  readonly length: number;
  readonly fields: readonly CdbField[];
}

const number = (name: string, byte: number, size: number, mask = 0xff): CdbField => ({ name, byte, size, mask });
const flag = (name: string, byte: number, mask: number): CdbField => ({ name, byte, size: 0, mask });
const FUA = flag("fua", 1, 0x08);
const BYTCHK = number("bytchk", 1, 1, 0x06);
const IMMED = flag("immed", 1, 0x02);
const UNMAP = flag("unmap", 1, 0x08);

/** Where the CDBs of each length keep LBA and number of blocks (SPC-4 4.2.2). */
const RANGE: { readonly [length: number]: readonly CdbField[] } = {
  6: [number("lba", 1, 3, 0x1f), number("blocks", 4, 1)],
  10: [number("lba", 2, 4), number("blocks", 7, 2)],
  12: [number("lba", 2, 4), number("blocks", 6, 4)],
  16: [number("lba", 2, 8), number("blocks", 10, 4)],
};

function command(opcode: number, name: string, fields: readonly CdbField[] = []): CommandDescription {
  return { name, opcode, serviceAction: null, length: cdbLengthOf(opcode), fields };
}

function ranged(opcode: number, name: string, extra: readonly CdbField[] = []): CommandDescription {
  return command(opcode, name, [...RANGE[cdbLengthOf(opcode)], ...extra]);
}

function action(opcode: number, serviceAction: number, name: string, fields: readonly CdbField[] = []) {
  return { name, opcode, serviceAction, length: cdbLengthOf(opcode), fields } as CommandDescription;
}

const TYPE = number("type", 2, 1, 0x0f);

function reserveIn(serviceAction: number, name: string): CommandDescription {
  return action(0x5e, serviceAction, `PERSISTENT RESERVE IN/${name}`, [number("alloc", 7, 2)]);
}

function reserveOut(serviceAction: number, name: string, fields: readonly CdbField[] = []): CommandDescription {
  return action(0x5f, serviceAction, `PERSISTENT RESERVE OUT/${name}`, [...fields, number("length", 5, 4)]);
}

function receiveCopy(serviceAction: number, name: string): CommandDescription {
  return action(0x84, serviceAction, `RECEIVE COPY RESULTS/${name}`, [number("list", 2, 1), number("alloc", 10, 4)]);
}

function sanitize(serviceAction: number, name: string, fields: readonly CdbField[] = []): CommandDescription {
  return action(0x48, serviceAction, `SANITIZE/${name}`, [...fields, flag("immed", 1, 0x80), flag("ause", 1, 0x20)]);
}

/** The length that the group code in an opcode's top three bits gives (SPC-4 4.2.5.1); 0 where it gives none. */
export function cdbLengthOf(opcode: number): number {
  return [6, 10, 10, 0, 16, 12, 0, 0][opcode >>> 5];
}

/** Commands of SPC-4, SBC-3 and those of MMC, SSC and SMC that initiators send to look around. */
export const COMMANDS = {
  testUnitReady: command(0x00, "TEST UNIT READY"),
  rezeroUnit: command(0x01, "REZERO UNIT"),
  requestSense: command(0x03, "REQUEST SENSE", [flag("desc", 1, 0x01), number("alloc", 4, 1)]),
  formatUnit: command(0x04, "FORMAT UNIT", [flag("fmtdata", 1, 0x10)]),
  readBlockLimits: command(0x05, "READ BLOCK LIMITS"),
  reassignBlocks: command(0x07, "REASSIGN BLOCKS"),
  read6: ranged(0x08, "READ(6)"),
  write6: ranged(0x0a, "WRITE(6)"),
  writeFilemarks6: command(0x10, "WRITE FILEMARKS(6)", [number("count", 2, 3)]),
  space6: command(0x11, "SPACE(6)", [number("code", 1, 1, 0x0f), number("count", 2, 3)]),
  inquiry: command(0x12, "INQUIRY", [flag("evpd", 1, 0x01), number("page", 2, 1), number("alloc", 3, 2)]),
  modeSelect6: command(0x15, "MODE SELECT(6)", [flag("sp", 1, 0x01), number("length", 4, 1)]),
  reserve6: command(0x16, "RESERVE(6)"),
  release6: command(0x17, "RELEASE(6)"),
  modeSense6: command(0x1a, "MODE SENSE(6)", [
    number("page", 2, 1, 0x3f),
    number("subpage", 3, 1),
    number("alloc", 4, 1),
  ]),
  startStopUnit: command(0x1b, "START STOP UNIT", [
    flag("start", 4, 0x01),
    flag("loej", 4, 0x02),
    flag("immed", 1, 0x01),
  ]),
  receiveDiagnosticResults: command(0x1c, "RECEIVE DIAGNOSTIC RESULTS", [number("page", 2, 1), number("alloc", 3, 2)]),
  sendDiagnostic: command(0x1d, "SEND DIAGNOSTIC", [flag("selftest", 1, 0x04), number("length", 3, 2)]),
  preventAllow: command(0x1e, "PREVENT ALLOW MEDIUM REMOVAL", [number("prevent", 4, 1, 0x03)]),
  readCapacity10: command(0x25, "READ CAPACITY(10)"),
  read10: ranged(0x28, "READ(10)", [FUA]),
  write10: ranged(0x2a, "WRITE(10)", [FUA]),
  writeAndVerify10: ranged(0x2e, "WRITE AND VERIFY(10)", [BYTCHK]),
  verify10: ranged(0x2f, "VERIFY(10)", [BYTCHK]),
  preFetch10: ranged(0x34, "PRE-FETCH(10)", [IMMED]),
  synchronizeCache10: ranged(0x35, "SYNCHRONIZE CACHE(10)", [IMMED]),
  readDefectData10: command(0x37, "READ DEFECT DATA(10)", [number("format", 2, 1, 0x07), number("alloc", 7, 2)]),
  writeBuffer: command(0x3b, "WRITE BUFFER", [
    number("mode", 1, 1, 0x1f),
    number("offset", 3, 3),
    number("length", 6, 3),
  ]),
  readBuffer: command(0x3c, "READ BUFFER", [number("mode", 1, 1, 0x1f), number("offset", 3, 3), number("alloc", 6, 3)]),
  writeSame10: ranged(0x41, "WRITE SAME(10)", [UNMAP]),
  unmap: command(0x42, "UNMAP", [number("length", 7, 2)]),
  sanitizeOverwrite: sanitize(0x01, "OVERWRITE", [number("length", 7, 2)]),
  sanitizeBlockErase: sanitize(0x02, "BLOCK ERASE"),
  sanitizeCryptographicErase: sanitize(0x03, "CRYPTOGRAPHIC ERASE"),
  sanitizeExitFailureMode: sanitize(0x1f, "EXIT FAILURE MODE"),
  readToc: command(0x43, "READ TOC/PMA/ATIP"),
  getConfiguration: command(0x46, "GET CONFIGURATION"),
  getEventStatus: command(0x4a, "GET EVENT STATUS NOTIFICATION"),
  logSelect: command(0x4c, "LOG SELECT", [flag("pcr", 1, 0x02), number("page", 2, 1, 0x3f), number("length", 7, 2)]),
  logSense: command(0x4d, "LOG SENSE", [number("page", 2, 1, 0x3f), number("subpage", 3, 1), number("alloc", 7, 2)]),
  readDiscInformation: command(0x51, "READ DISC INFORMATION"),
  modeSelect10: command(0x55, "MODE SELECT(10)", [flag("sp", 1, 0x01), number("length", 7, 2)]),
  reserve10: command(0x56, "RESERVE(10)"),
  release10: command(0x57, "RELEASE(10)"),
  modeSense10: command(0x5a, "MODE SENSE(10)", [
    number("page", 2, 1, 0x3f),
    number("subpage", 3, 1),
    number("alloc", 7, 2),
  ]),
  readKeys: reserveIn(0, "READ KEYS"),
  readReservation: reserveIn(1, "READ RESERVATION"),
  reportCapabilities: reserveIn(2, "REPORT CAPABILITIES"),
  readFullStatus: reserveIn(3, "READ FULL STATUS"),
  register: reserveOut(0, "REGISTER"),
  reserve: reserveOut(1, "RESERVE", [TYPE]),
  release: reserveOut(2, "RELEASE", [TYPE]),
  clear: reserveOut(3, "CLEAR"),
  preempt: reserveOut(4, "PREEMPT", [TYPE]),
  preemptAndAbort: reserveOut(5, "PREEMPT AND ABORT", [TYPE]),
  registerAndIgnoreExistingKey: reserveOut(6, "REGISTER AND IGNORE EXISTING KEY"),
  registerAndMove: reserveOut(7, "REGISTER AND MOVE"),
  replaceLostReservation: reserveOut(8, "REPLACE LOST RESERVATION", [TYPE]),
  extendedCopy: action(0x83, 0x00, "EXTENDED COPY", [number("length", 10, 4)]),
  receiveCopyStatus: receiveCopy(0x00, "COPY STATUS"),
  receiveCopyParameters: receiveCopy(0x03, "OPERATING PARAMETERS"),
  receiveCopyFailure: receiveCopy(0x04, "FAILED SEGMENT DETAILS"),
  ataPassThrough16: command(0x85, "ATA PASS-THROUGH(16)"),
  read16: ranged(0x88, "READ(16)", [FUA]),
  compareAndWrite: command(0x89, "COMPARE AND WRITE", [number("lba", 2, 8), number("blocks", 13, 1), FUA]),
  write16: ranged(0x8a, "WRITE(16)", [FUA]),
  orWrite16: ranged(0x8b, "ORWRITE(16)", [FUA]),
  writeAndVerify16: ranged(0x8e, "WRITE AND VERIFY(16)", [BYTCHK]),
  verify16: ranged(0x8f, "VERIFY(16)", [BYTCHK]),
  preFetch16: ranged(0x90, "PRE-FETCH(16)", [IMMED]),
  synchronizeCache16: ranged(0x91, "SYNCHRONIZE CACHE(16)", [IMMED]),
  writeSame16: ranged(0x93, "WRITE SAME(16)", [UNMAP, flag("ndob", 1, 0x01)]),
  writeAtomic16: command(0x9c, "WRITE ATOMIC(16)", [number("lba", 2, 8), number("blocks", 12, 2), FUA]),
  readCapacity16: action(0x9e, 0x10, "READ CAPACITY(16)", [number("alloc", 10, 4)]),
  getLbaStatus: action(0x9e, 0x12, "GET LBA STATUS", [number("lba", 2, 8), number("alloc", 10, 4)]),
  reportLuns: command(0xa0, "REPORT LUNS", [number("select", 2, 1), number("alloc", 6, 4)]),
  ataPassThrough12: command(0xa1, "ATA PASS-THROUGH(12)"),
  reportTargetPortGroups: action(0xa3, 0x0a, "REPORT TARGET PORT GROUPS", [number("alloc", 6, 4)]),
  reportSupportedOpcodes: action(0xa3, 0x0c, "REPORT SUPPORTED OPERATION CODES", [
    number("options", 2, 1, 0x07),
    number("opcode", 3, 1),
    number("action", 4, 2),
    number("alloc", 6, 4),
  ]),
  reportSupportedTmfs: action(0xa3, 0x0d, "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", [number("alloc", 6, 4)]),
  setTargetPortGroups: action(0xa4, 0x0a, "SET TARGET PORT GROUPS"),
  moveMedium: command(0xa5, "MOVE MEDIUM", [number("transport", 2, 2), number("from", 4, 2), number("to", 6, 2)]),
  exchangeMedium: command(0xa6, "EXCHANGE MEDIUM", [
    number("transport", 2, 2),
    number("from", 4, 2),
    number("to", 6, 2),
    number("second", 8, 2),
  ]),
  read12: ranged(0xa8, "READ(12)", [FUA]),
  write12: ranged(0xaa, "WRITE(12)", [FUA]),
  writeAndVerify12: ranged(0xae, "WRITE AND VERIFY(12)", [BYTCHK]),
  verify12: ranged(0xaf, "VERIFY(12)", [BYTCHK]),
  readDefectData12: command(0xb7, "READ DEFECT DATA(12)", [number("format", 1, 1, 0x07), number("alloc", 6, 4)]),
  readElementStatus: command(0xb8, "READ ELEMENT STATUS", [
    number("type", 1, 1, 0x0f),
    number("element", 2, 2),
    number("count", 4, 2),
    number("alloc", 7, 3),
  ]),
} as const satisfies { readonly [name: string]: CommandDescription };

/** Commands of SMC-3. Their codes mean something else to other device types: traces, which do not know the type, call some of them by that. */
export const SMC_COMMANDS = {
  initializeElementStatus: command(0x07, "INITIALIZE ELEMENT STATUS"),
  openCloseImportExport: command(0x1b, "OPEN/CLOSE IMPORT/EXPORT ELEMENT", [
    number("element", 2, 2),
    number("action", 4, 1, 0x1f),
  ]),
  positionToElement: command(0x2b, "POSITION TO ELEMENT", [number("transport", 2, 2), number("element", 4, 2)]),
  initializeElementStatusWithRange: command(0x37, "INITIALIZE ELEMENT STATUS WITH RANGE", [
    number("element", 2, 2),
    number("count", 6, 2),
  ]),
  moveMedium: COMMANDS.moveMedium,
  exchangeMedium: COMMANDS.exchangeMedium,
  readElementStatus: COMMANDS.readElementStatus,
} as const satisfies { readonly [name: string]: CommandDescription };

const CODE = number("code", 1, 1, 0x0f);
const TAPE_RANGE = [flag("fixed", 1, 0x01), number("length", 2, 3)];

function readPosition(serviceAction: number, name: string): CommandDescription {
  return action(0x34, serviceAction, `READ POSITION/${name}`);
}

function readAttribute(serviceAction: number, name: string): CommandDescription {
  return action(0x8c, serviceAction, `READ ATTRIBUTE/${name}`, [number("first", 8, 2), number("alloc", 10, 4)]);
}

/** Commands of SSC-3. Their codes mean something else to other device types: traces, which do not know the type, call them by that. */
export const SSC_COMMANDS = {
  rewind: command(0x01, "REWIND", [flag("immed", 1, 0x01)]),
  formatMedium: command(0x04, "FORMAT MEDIUM", [number("format", 2, 1, 0x0f)]),
  readBlockLimits: COMMANDS.readBlockLimits,
  read6: command(0x08, "READ(6)", [...TAPE_RANGE, flag("sili", 1, 0x02)]),
  write6: command(0x0a, "WRITE(6)", TAPE_RANGE),
  writeFilemarks6: COMMANDS.writeFilemarks6,
  space6: COMMANDS.space6,
  verify6: command(0x13, "VERIFY(6)", TAPE_RANGE),
  erase6: command(0x19, "ERASE(6)", [flag("long", 1, 0x01)]),
  loadUnload: command(0x1b, "LOAD UNLOAD", [flag("load", 4, 0x01), flag("hold", 4, 0x08)]),
  locate10: command(0x2b, "LOCATE(10)", [number("object", 3, 4), number("partition", 8, 1)]),
  readPositionShort: readPosition(0x00, "SHORT FORM -- BLOCK ID"),
  readPositionVendor: readPosition(0x01, "SHORT FORM -- VENDOR-SPECIFIC"),
  readPositionLong: readPosition(0x06, "LONG FORM"),
  readPositionExtended: readPosition(0x08, "EXTENDED FORM"),
  reportDensitySupport: command(0x44, "REPORT DENSITY SUPPORT", [flag("media", 1, 0x01), number("alloc", 7, 2)]),
  readAttributeValues: readAttribute(0x00, "ATTRIBUTE VALUES"),
  readAttributeList: readAttribute(0x01, "ATTRIBUTE LIST"),
  readVolumeList: readAttribute(0x02, "LOGICAL VOLUME LIST"),
  readPartitionList: readAttribute(0x03, "PARTITION LIST"),
  readSupportedAttributes: readAttribute(0x05, "SUPPORTED ATTRIBUTES"),
  space16: command(0x91, "SPACE(16)", [CODE, number("count", 4, 8)]),
  locate16: command(0x92, "LOCATE(16)", [number("type", 1, 1, 0x38), number("object", 4, 8)]),
} as const satisfies { readonly [name: string]: CommandDescription };

/** Commands of MMC-6. Traces call them by these names where their codes mean nothing else. */
export const MMC_COMMANDS = {
  seek10: command(0x2b, "SEEK(10)", [number("lba", 2, 4)]),
  readSubChannel: command(0x42, "READ SUB-CHANNEL", [number("format", 3, 1), number("alloc", 7, 2)]),
  readToc: COMMANDS.readToc,
  getConfiguration: COMMANDS.getConfiguration,
  getEventStatus: COMMANDS.getEventStatus,
  readDiscInformation: COMMANDS.readDiscInformation,
  readTrackInformation: command(0x52, "READ TRACK INFORMATION", [number("lba", 2, 4), number("alloc", 7, 2)]),
  getPerformance: command(0xac, "GET PERFORMANCE", [number("type", 10, 1), number("descriptors", 8, 2)]),
  readDvdStructure: command(0xad, "READ DVD STRUCTURE", [number("format", 7, 1), number("alloc", 8, 2)]),
  readCdMsf: command(0xb9, "READ CD MSF", [number("start", 3, 3), number("end", 6, 3)]),
  setCdSpeed: command(0xbb, "SET CD SPEED", [number("speed", 2, 2)]),
  mechanismStatus: command(0xbd, "MECHANISM STATUS", [number("alloc", 8, 2)]),
  readCd: command(0xbe, "READ CD", [number("lba", 2, 4), number("blocks", 6, 3)]),
} as const satisfies { readonly [name: string]: CommandDescription };

const BY_OPCODE: CommandDescription[][] = Array.from({ length: 256 }, () => []);
for (const table of [COMMANDS, MMC_COMMANDS]) {
  for (const description of Object.values(table)) BY_OPCODE[description.opcode].push(description);
}

/** The command a CDB is, as far as the table knows it. */
export function findCommand(cdb: Uint8Array): CommandDescription | undefined {
  return BY_OPCODE[cdb[0]].find((row) => row.serviceAction === null || row.serviceAction === (cdb[1] & 0x1f));
}

/** A number field's value; LBAs above 2^53 are rounded. */
export function fieldValue(cdb: Uint8Array, { byte, size, mask }: CdbField): number {
  if (size === 1) return (cdb[byte] & mask) / (mask & -mask);
  if (size === 2) return get16(cdb, byte);
  if (size === 3) return get24(cdb, byte) & ((mask << 16) | 0xffff);
  return size === 4 ? get32(cdb, byte) : get64(cdb, byte);
}

/** `READ(10) lba=2048 blocks=8 fua`; an unknown opcode as its bytes. */
export function describeCdb(cdb: Uint8Array, length = cdb.length): string {
  const known = findCommand(cdb);
  if (known === undefined)
    return `opcode 0x${cdb[0].toString(16).padStart(2, "0")} [${hexBytes(cdb.subarray(0, length))}]`;
  if (length < known.length) return `${known.name} cut [${hexBytes(cdb.subarray(0, length))}]`;
  return [known.name, ...known.fields.map((field) => describeField(cdb, field))]
    .filter((word) => word !== "")
    .join(" ");
}

function describeField(cdb: Uint8Array, field: CdbField): string {
  if (field.size === 0) return cdb[field.byte] & field.mask ? field.name : "";
  const value = fieldValue(cdb, field);
  if (field.name === "page" || field.name === "opcode") return `${field.name}=0x${value.toString(16).padStart(2, "0")}`;
  // READ(6) and WRITE(6) say 256 blocks with a zero (SBC-3 5.7).
  if (field.name === "blocks" && cdb[0] < 0x20 && value === 0) return "blocks=256";
  return `${field.name}=${value}`;
}

/** LBA of a read, write or verify kind of CDB of any length. */
export function lbaOf(cdb: Uint8Array): number {
  const group = cdb[0] >>> 5;
  if (group === 4) return get64(cdb, 2);
  return group === 0 ? get24(cdb, 1) & 0x1f_ffff : get32(cdb, 2);
}

/** Number of blocks of such a CDB. */
export function blocksOf(cdb: Uint8Array): number {
  const group = cdb[0] >>> 5;
  if (group === 4) return get32(cdb, 10);
  if (group === 5) return get32(cdb, 6);
  return group === 0 ? cdb[4] || 256 : get16(cdb, 7);
}

/** The byte where such a CDB's number of blocks begins. */
export function blocksByte(cdb: Uint8Array): number {
  return [4, 7, 7, 0, 10, 6, 0, 0][cdb[0] >>> 5];
}
