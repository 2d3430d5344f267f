// Knows sense data: the table of what this target says, and both formats byte by byte (SPC-4 4.5).
// What the codes are called is in sense-text.ts.

import { get16, get32, get64, put16, put32, put64 } from "./big-endian.js";
import { Status, type Task } from "./task.js";

export const SenseKey = {
  noSense: 0x0,
  recoveredError: 0x1,
  notReady: 0x2,
  mediumError: 0x3,
  hardwareError: 0x4,
  illegalRequest: 0x5,
  unitAttention: 0x6,
  dataProtect: 0x7,
  blankCheck: 0x8,
  vendorSpecific: 0x9,
  copyAborted: 0xa,
  abortedCommand: 0xb,
  volumeOverflow: 0xd,
  miscompare: 0xe,
  completed: 0xf,
} as const;

/** A sense key with its additional sense code and qualifier. */
export interface Sense {
  readonly key: number;
  readonly asc: number;
  readonly ascq: number;
}

function sense(key: keyof typeof SenseKey, asc: number, ascq: number): Sense {
  return { key: SenseKey[key], asc, ascq };
}

/** Everything the target and its devices say. */
export const SENSE = {
  none: sense("noSense", 0x00, 0x00),
  filemarkDetected: sense("noSense", 0x00, 0x01),
  endOfPartition: sense("noSense", 0x00, 0x02),
  beginningOfPartition: sense("noSense", 0x00, 0x04),
  formatInProgress: sense("notReady", 0x04, 0x04),
  sanitizeInProgress: sense("notReady", 0x04, 0x1b),
  unitNotResponding: sense("notReady", 0x05, 0x00),
  initializingCommandRequired: sense("notReady", 0x04, 0x02),
  accessStateTransition: sense("notReady", 0x04, 0x0a),
  portInStandby: sense("notReady", 0x04, 0x0b),
  portUnavailable: sense("notReady", 0x04, 0x0c),
  unitOffline: sense("notReady", 0x04, 0x12),
  mediumNotPresent: sense("notReady", 0x3a, 0x00),
  mediumNotPresentTrayClosed: sense("notReady", 0x3a, 0x01),
  mediumNotPresentTrayOpen: sense("notReady", 0x3a, 0x02),
  unrecoveredReadError: sense("mediumError", 0x11, 0x00),
  writeError: sense("mediumError", 0x0c, 0x00),
  mediumFormatCorrupted: sense("mediumError", 0x31, 0x00),
  formatCommandFailed: sense("mediumError", 0x31, 0x01),
  sanitizeCommandFailed: sense("mediumError", 0x31, 0x03),
  loadOrEjectFailed: sense("hardwareError", 0x53, 0x00),
  failedSelfTest: sense("hardwareError", 0x3e, 0x03),
  internalTargetFailure: sense("hardwareError", 0x44, 0x00),
  setTargetPortGroupsFailed: sense("hardwareError", 0x67, 0x0a),
  parameterListLengthError: sense("illegalRequest", 0x1a, 0x00),
  invalidOpcode: sense("illegalRequest", 0x20, 0x00),
  lbaOutOfRange: sense("illegalRequest", 0x21, 0x00),
  invalidElementAddress: sense("illegalRequest", 0x21, 0x01),
  invalidFieldInCdb: sense("illegalRequest", 0x24, 0x00),
  logicalUnitNotSupported: sense("illegalRequest", 0x25, 0x00),
  invalidFieldInParameterList: sense("illegalRequest", 0x26, 0x00),
  tooManyTargetDescriptors: sense("illegalRequest", 0x26, 0x06),
  unsupportedTargetDescriptor: sense("illegalRequest", 0x26, 0x07),
  tooManySegmentDescriptors: sense("illegalRequest", 0x26, 0x08),
  unsupportedSegmentDescriptor: sense("illegalRequest", 0x26, 0x09),
  inlineDataLengthExceeded: sense("illegalRequest", 0x26, 0x0b),
  operationInProgress: sense("illegalRequest", 0x00, 0x16),
  invalidReleaseOfPersistentReservation: sense("illegalRequest", 0x26, 0x04),
  invalidFieldInInformationUnit: sense("illegalRequest", 0x0e, 0x03),
  commandSequenceError: sense("illegalRequest", 0x2c, 0x00),
  positionPastBeginningOfMedium: sense("illegalRequest", 0x3b, 0x0c),
  incompatibleMedium: sense("illegalRequest", 0x30, 0x02),
  savingParametersNotSupported: sense("illegalRequest", 0x39, 0x00),
  destinationElementFull: sense("illegalRequest", 0x3b, 0x0d),
  sourceElementEmpty: sense("illegalRequest", 0x3b, 0x0e),
  mediumMagazineNotAccessible: sense("illegalRequest", 0x3b, 0x11),
  invalidMessageError: sense("illegalRequest", 0x49, 0x00),
  mediumRemovalPrevented: sense("illegalRequest", 0x53, 0x02),
  removalPreventedByDrive: sense("illegalRequest", 0x53, 0x03),
  illegalModeForTrack: sense("illegalRequest", 0x64, 0x00),
  /** Another try may find them. */
  insufficientResources: sense("abortedCommand", 0x55, 0x03),
  insufficientRegistrationResources: sense("illegalRequest", 0x55, 0x04),
  mediumMayHaveChanged: sense("unitAttention", 0x28, 0x00),
  importExportAccessed: sense("unitAttention", 0x28, 0x01),
  powerOn: sense("unitAttention", 0x29, 0x00),
  resetOccurred: sense("unitAttention", 0x29, 0x03),
  nexusLossOccurred: sense("unitAttention", 0x29, 0x07),
  modeParametersChanged: sense("unitAttention", 0x2a, 0x01),
  logParametersChanged: sense("unitAttention", 0x2a, 0x02),
  reservationsPreempted: sense("unitAttention", 0x2a, 0x03),
  reservationsReleased: sense("unitAttention", 0x2a, 0x04),
  registrationsPreempted: sense("unitAttention", 0x2a, 0x05),
  accessStateChanged: sense("unitAttention", 0x2a, 0x06),
  capacityChanged: sense("unitAttention", 0x2a, 0x09),
  commandsCleared: sense("unitAttention", 0x2f, 0x00),
  inquiryDataChanged: sense("unitAttention", 0x3f, 0x03),
  reportedLunsChanged: sense("unitAttention", 0x3f, 0x0e),
  writeProtected: sense("dataProtect", 0x27, 0x00),
  wormOverwriteAttempted: sense("dataProtect", 0x30, 0x0c),
  softwareWriteProtected: sense("dataProtect", 0x27, 0x02),
  spaceAllocationFailed: sense("dataProtect", 0x27, 0x07),
  endOfDataDetected: sense("blankCheck", 0x00, 0x05),
  partitionFull: sense("volumeOverflow", 0x00, 0x02),
  copyAborted: sense("copyAborted", 0x00, 0x00),
  unreachableCopyTarget: sense("copyAborted", 0x08, 0x04),
  copyTargetDeviceNotReachable: sense("copyAborted", 0x0d, 0x02),
  incorrectCopyTargetDeviceType: sense("copyAborted", 0x0d, 0x03),
  unexpectedInexactSegment: sense("copyAborted", 0x26, 0x0a),
  abortedCommand: sense("abortedCommand", 0x00, 0x00),
  communicationFailure: sense("abortedCommand", 0x08, 0x00),
  commandLostByReset: sense("abortedCommand", 0x29, 0x00),
  commandLostWithNexus: sense("abortedCommand", 0x29, 0x07),
  commandTimeout: sense("abortedCommand", 0x2e, 0x02),
  miscompareDuringVerify: sense("miscompare", 0x1d, 0x00),
} as const;

/** Which byte, and which bit of it where one is to blame, was wrong (SPC-4 4.5.2.4.2). */
export interface FieldPointer {
  readonly in: "cdb" | "parameter-list";
  readonly byte: number;
  /** 7 is the most significant. */
  readonly bit: number | null;
}

/** What a sequential device says beside the sense key (SPC-4 4.5.2.7): the bits of byte 2 of the fixed format. */
export const Stream = { filemark: 0x80, endOfMedium: 0x40, incorrectLength: 0x20 } as const;

export interface SenseDetails {
  /** Descriptor format, as D_SENSE of the control mode page asks; fixed else. */
  readonly descriptor?: boolean;
  /** The INFORMATION field: an LBA, an offset, or a residue, which may be negative, as the command defines it. */
  readonly information?: number | undefined;
  /** FILEMARK, EOM and ILI, of `Stream`. */
  readonly stream?: number | undefined;
  readonly field?: FieldPointer | undefined;
  /** How far something is, in 65536ths; in the place of a field. */
  readonly progress?: number | undefined;
}

const RESPONSE_FIXED = 0x70;
const RESPONSE_DESCRIPTOR = 0x72;
export const FIXED_SENSE_LENGTH = 18;

/** Writes current sense data into `bytes`; returns its length. */
export function writeSense(bytes: Uint8Array, sense: Sense, details: SenseDetails = {}): number {
  return details.descriptor ? writeDescriptorSense(bytes, sense, details) : writeFixedSense(bytes, sense, details);
}

/** SPC-4 4.5.3. An INFORMATION of more than 32 bits has no room: VALID stays zero. */
function writeFixedSense(bytes: Uint8Array, sense: Sense, details: SenseDetails): number {
  const { information, field, progress, stream = 0 } = details;
  bytes.fill(0, 0, FIXED_SENSE_LENGTH);
  bytes[0] = RESPONSE_FIXED;
  if (information !== undefined && information <= 0xffff_ffff && information >= -0x8000_0000) {
    bytes[0] |= 0x80;
    put32(bytes, 3, information);
  }
  bytes[2] = stream | sense.key;
  bytes[7] = FIXED_SENSE_LENGTH - 8;
  bytes[12] = sense.asc;
  bytes[13] = sense.ascq;
  if (field !== undefined) writeFieldPointer(bytes, 15, field);
  if (progress !== undefined) writeProgress(bytes, 15, progress);
  return FIXED_SENSE_LENGTH;
}

/** SPC-4 4.5.2. */
function writeDescriptorSense(bytes: Uint8Array, sense: Sense, details: SenseDetails): number {
  const { information, field, progress, stream = 0 } = details;
  bytes.fill(0, 0, 32);
  bytes[0] = RESPONSE_DESCRIPTOR;
  bytes[1] = sense.key;
  bytes[2] = sense.asc;
  bytes[3] = sense.ascq;
  let end = 8;
  if (information !== undefined) {
    bytes[end + 1] = 0x0a;
    bytes[end + 2] = 0x80;
    put64(bytes, end + 4, information);
    end += 12;
  }
  if (field !== undefined || progress !== undefined) {
    bytes[end] = 0x02;
    bytes[end + 1] = 0x06;
    if (field !== undefined) writeFieldPointer(bytes, end + 4, field);
    if (progress !== undefined) writeProgress(bytes, end + 4, progress);
    end += 8;
  }
  if (stream !== 0) {
    bytes[end] = 0x04;
    bytes[end + 1] = 0x02;
    bytes[end + 3] = stream;
    end += 4;
  }
  bytes[7] = end - 8;
  return end;
}

/** The three sense key specific bytes: SKSV, C/D, BPV, bit pointer; field pointer. */
function writeFieldPointer(bytes: Uint8Array, at: number, field: FieldPointer): void {
  bytes[at] = 0x80 | (field.in === "cdb" ? 0x40 : 0) | (field.bit === null ? 0 : 0x08 | field.bit);
  put16(bytes, at + 1, field.byte);
}

/** The same three bytes as a progress indication (SPC-4 4.5.2.4.4). */
function writeProgress(bytes: Uint8Array, at: number, progress: number): void {
  bytes[at] = 0x80;
  put16(bytes, at + 1, progress);
}

/** Ends a task with CHECK CONDITION; `moved` bytes count as moved. */
export function endWithSense(task: Task, sense: Sense, details: SenseDetails = {}, moved = 0): void {
  task.senseLength = writeSense(task.sense, sense, details);
  task.transferLength = moved;
  task.end(Status.checkCondition);
}

/** Sense data as its receiver reads it. */
export interface DecodedSense extends Sense {
  readonly format: "fixed" | "descriptor";
  /** It is about an earlier command (response codes 71h and 73h). */
  readonly deferred: boolean;
  readonly information: number | null;
  readonly field: FieldPointer | null;
  /** How far something is, in 65536ths. */
  readonly progress: number | null;
  readonly filemark: boolean;
  readonly endOfMedium: boolean;
  readonly incorrectLength: boolean;
}

/** Reads sense data of either format; null when it is none (wrong response code, or too short to have a key). */
export function decodeSense(bytes: Uint8Array, length = bytes.length): DecodedSense | null {
  const response = length > 0 ? bytes[0] & 0x7f : 0;
  if (response === 0x70 || response === 0x71) return length >= 3 ? decodeFixed(bytes, length) : null;
  if (response === 0x72 || response === 0x73) return length >= 4 ? decodeDescriptors(bytes, length) : null;
  return null;
}

function decodeFixed(bytes: Uint8Array, length: number): DecodedSense {
  const end = length < 8 ? length : Math.min(length, 8 + bytes[7]);
  return {
    format: "fixed",
    deferred: (bytes[0] & 0x7f) === 0x71,
    key: bytes[2] & 0x0f,
    asc: end > 12 ? bytes[12] : 0,
    ascq: end > 13 ? bytes[13] : 0,
    information: bytes[0] & 0x80 && end >= 7 ? get32(bytes, 3) : null,
    ...(end >= 18 ? readSpecific(bytes, 15, bytes[2] & 0x0f) : NOTHING_SPECIFIC),
    filemark: (bytes[2] & 0x80) !== 0,
    endOfMedium: (bytes[2] & 0x40) !== 0,
    incorrectLength: (bytes[2] & 0x20) !== 0,
  };
}

function decodeDescriptors(bytes: Uint8Array, length: number): DecodedSense {
  const end = length < 8 ? length : Math.min(length, 8 + bytes[7]);
  let information: number | null = null;
  let specific: Specific = NOTHING_SPECIFIC;
  let stream = 0;
  for (let at = 8; at + 2 <= end && at + 2 + bytes[at + 1] <= end; at += 2 + bytes[at + 1]) {
    const size = 2 + bytes[at + 1];
    if (bytes[at] === 0x00 && size >= 12 && bytes[at + 2] & 0x80) information = get64(bytes, at + 4);
    if (bytes[at] === 0x02 && size >= 8) specific = readSpecific(bytes, at + 4, bytes[1] & 0x0f);
    if (bytes[at] === 0x04 && size >= 4) stream = bytes[at + 3];
  }
  return {
    format: "descriptor",
    deferred: (bytes[0] & 0x7f) === 0x73,
    key: bytes[1] & 0x0f,
    asc: bytes[2],
    ascq: bytes[3],
    information,
    ...specific,
    filemark: (stream & 0x80) !== 0,
    endOfMedium: (stream & 0x40) !== 0,
    incorrectLength: (stream & 0x20) !== 0,
  };
}

type Specific = Pick<DecodedSense, "field" | "progress">;
const NOTHING_SPECIFIC: Specific = { field: null, progress: null };

/** What the three bytes mean depends on the sense key. */
function readSpecific(bytes: Uint8Array, at: number, key: number): Specific {
  if ((bytes[at] & 0x80) === 0) return NOTHING_SPECIFIC;
  const goesOn = key === SenseKey.notReady || key === SenseKey.noSense;
  if (goesOn) return { field: null, progress: get16(bytes, at + 1) };
  return { field: readFieldPointer(bytes, at), progress: null };
}

function readFieldPointer(bytes: Uint8Array, at: number): FieldPointer {
  return {
    in: bytes[at] & 0x40 ? "cdb" : "parameter-list",
    byte: get16(bytes, at + 1),
    bit: bytes[at] & 0x08 ? bytes[at] & 0x07 : null,
  };
}
