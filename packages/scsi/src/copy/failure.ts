// Knows how the sense data of a failed EXTENDED COPY says at which segment, and what the source or destination itself said
// (SPC-4 6.4.3 and 4.5.2.7).

import { put16, put32 } from "../big-endian.js";
import { FIXED_SENSE_LENGTH, type Sense, writeSense } from "../sense.js";
import { MAX_SENSE, Status } from "../task.js";

export interface CopyFailure {
  readonly sense: Sense;
  /** Which segment was being copied, from 0 on. */
  readonly segment: number;
  /** The one that ended its command with something else than GOOD; null where none did. */
  readonly party: Party | null;
}

export interface Party {
  readonly role: "source" | "destination";
  readonly status: number;
  /** Empty where the status is not CHECK CONDITION. */
  readonly sense: Uint8Array;
}

/** Writes it in the format that is asked for; returns its length. */
export function writeCopyFailure(bytes: Uint8Array, failure: CopyFailure, descriptor: boolean): number {
  return descriptor ? writeDescriptors(bytes, failure) : writeFixed(bytes, failure);
}

/** COMMAND-SPECIFIC INFORMATION: where the status and sense data of source and destination begin, and the segment. */
function writeFixed(bytes: Uint8Array, { sense, segment, party }: CopyFailure): number {
  writeSense(bytes, sense);
  put16(bytes, 10, segment);
  if (party === null) return FIXED_SENSE_LENGTH;
  bytes[party.role === "source" ? 8 : 9] = FIXED_SENSE_LENGTH;
  bytes[FIXED_SENSE_LENGTH] = party.status;
  const told = party.sense.subarray(0, MAX_SENSE - FIXED_SENSE_LENGTH - 1);
  bytes.set(told, FIXED_SENSE_LENGTH + 1);
  const length = FIXED_SENSE_LENGTH + 1 + told.length;
  bytes[7] = length - 8;
  return length;
}

const COMMAND_SPECIFIC = 0x01;
const FORWARDED = 0x0c;
const SENSE_SOURCE = { source: 1, destination: 2 } as const;

function writeDescriptors(bytes: Uint8Array, { sense, segment, party }: CopyFailure): number {
  let end = writeSense(bytes, sense, { descriptor: true });
  bytes.fill(0, end, end + 12);
  bytes[end] = COMMAND_SPECIFIC;
  bytes[end + 1] = 10;
  put32(bytes, end + 8, segment);
  end += 12;
  if (party !== null) {
    const told = party.sense.subarray(0, MAX_SENSE - end - 4);
    bytes.set([FORWARDED, 2 + told.length, SENSE_SOURCE[party.role], party.status], end);
    bytes.set(told, end + 4);
    end += 4 + told.length;
  }
  bytes[7] = end - 8;
  return end;
}

/** The party whose command has ended so; its sense data is copied. */
export function partyOf(role: Party["role"], status: number, sense: Uint8Array): Party {
  return { role, status, sense: status === Status.checkCondition ? sense.slice() : new Uint8Array(0) };
}
