// Knows the parameter list of EXTENDED COPY(LID1) (SPC-4 6.4): all of it is read and checked before anything is copied.

import { get16, get24, get32, get64 } from "../big-endian.js";
import { SENSE, type Sense } from "../sense.js";
import { type Designator, readDesignator } from "./designator.js";
import { BLOCK_TO_BLOCK, COPY_LIMITS, IDENTIFICATION } from "./limits.js";

/** A copy source or destination, as the initiator names it. */
export interface CopyTarget {
  readonly designator: Designator;
  readonly deviceType: number;
  readonly blockSize: number;
  /** Where that is in the list. */
  readonly blockSizeByte: number;
}

/** Blocks to copy; targets are named by their place in the list of targets. */
export interface Segment {
  readonly source: number;
  readonly destination: number;
  readonly sourceLba: number;
  readonly destinationLba: number;
  readonly blocks: number;
  /** The blocks are the destination's, else the source's. */
  readonly countsDestination: boolean;
}

export interface CopyList {
  /** Null where the initiator will not ask how it went. */
  readonly identifier: number | null;
  readonly targets: readonly CopyTarget[];
  readonly segments: readonly Segment[];
}

/** Why a list is refused; `byte` and `bit` where a field is to blame. */
export interface CopyRefusal {
  readonly sense: Sense;
  readonly byte?: number;
  readonly bit?: number | null;
}

const HEADER = 16;
const TARGET_SIZE = 32;
const SEGMENT_HEADER = 4;
const BLOCK_TO_BLOCK_LENGTH = 0x18;
const MAX_DESIGNATOR = 20;

/** A block that no medium has; so far a number counts exactly. */
const BEYOND = 2 ** 52;

/** LIST ID USAGE; in SPC-3 its upper bit was NRCR. */
const Usage = { hold: 0, reserved: 1, discard: 2, none: 3 } as const;

/** Reads the first `length` bytes, which nobody can change any more. */
export function readCopyList(bytes: Uint8Array, length: number): CopyList | CopyRefusal {
  if (length < HEADER) return { sense: SENSE.parameterListLengthError };
  const usage = (bytes[1] >>> 3) & 0x03;
  if (usage === Usage.reserved) return invalid(1, 4);
  if (usage === Usage.none && bytes[0] !== 0) return invalid(0);
  const targetBytes = get16(bytes, 2);
  const segmentBytes = get32(bytes, 8);
  if (get32(bytes, 12) > 0) return { sense: SENSE.inlineDataLengthExceeded, byte: 12 };
  if (targetBytes + segmentBytes > COPY_LIMITS.descriptors) return { sense: SENSE.parameterListLengthError };
  if (HEADER + targetBytes + segmentBytes > length) return { sense: SENSE.parameterListLengthError };
  const targets = readTargets(bytes, targetBytes);
  if ("sense" in targets) return targets;
  const segments = readSegments(bytes, HEADER + targetBytes, HEADER + targetBytes + segmentBytes);
  if ("sense" in segments) return segments;
  return { identifier: usage === Usage.none ? null : bytes[0], targets, segments };
}

function invalid(byte: number, bit: number | null = null): CopyRefusal {
  return { sense: SENSE.invalidFieldInParameterList, byte, bit };
}

function readTargets(bytes: Uint8Array, length: number): CopyTarget[] | CopyRefusal {
  if (length % TARGET_SIZE !== 0) return invalid(2);
  if (length / TARGET_SIZE > COPY_LIMITS.targets) return { sense: SENSE.tooManyTargetDescriptors, byte: 2 };
  const targets: CopyTarget[] = [];
  for (let at = HEADER; at < HEADER + length; at += TARGET_SIZE) {
    if (bytes[at] !== IDENTIFICATION) return { sense: SENSE.unsupportedTargetDescriptor, byte: at };
    if (bytes[at + 7] > MAX_DESIGNATOR) return invalid(at + 7);
    targets.push({
      designator: readDesignator(bytes, at + 4),
      deviceType: bytes[at + 1] & 0x1f,
      blockSize: get24(bytes, at + 29),
      blockSizeByte: at + 29,
    });
  }
  return targets;
}

function readSegments(bytes: Uint8Array, from: number, end: number): Segment[] | CopyRefusal {
  const segments: Segment[] = [];
  for (let at = from; at < end; at += SEGMENT_HEADER + BLOCK_TO_BLOCK_LENGTH) {
    if (segments.length === COPY_LIMITS.segments) return { sense: SENSE.tooManySegmentDescriptors, byte: 8 };
    if (bytes[at] !== BLOCK_TO_BLOCK) return { sense: SENSE.unsupportedSegmentDescriptor, byte: at };
    if (at + SEGMENT_HEADER + BLOCK_TO_BLOCK_LENGTH > end) return { sense: SENSE.parameterListLengthError };
    if (get16(bytes, at + 2) !== BLOCK_TO_BLOCK_LENGTH) return invalid(at + 2);
    segments.push({
      source: get16(bytes, at + 4),
      destination: get16(bytes, at + 6),
      sourceLba: Math.min(get64(bytes, at + 12), BEYOND),
      destinationLba: Math.min(get64(bytes, at + 20), BEYOND),
      blocks: get16(bytes, at + 10),
      countsDestination: (bytes[at + 1] & 0x02) !== 0,
    });
  }
  return segments;
}
