// Knows what RECEIVE COPY STATUS, FAILURE DETAILS and OPERATING PARAMETERS say (SPC-4 6.24 to 6.27), and for how long what became of a
// copy is remembered: until its initiator asked for the details, used the identifier again, or went away.

import { put16, put32 } from "../big-endian.js";
import { Status, type TaskNexus } from "../task.js";
import { type CopyFailure, writeCopyFailure } from "./failure.js";
import { COPY_LIMITS, DESCRIPTOR_TYPES } from "./limits.js";

/** What has become of one copy so far. */
export interface CopyResult {
  state: "in-progress" | "completed" | "failed";
  /** Segments that are done. */
  segments: number;
  bytes: number;
  failure: CopyFailure | null;
}

/** Copies that are remembered for one initiator. */
const REMEMBERED = 32;

/** By initiator and list identifier; a lost nexus is forgotten by itself. */
export class CopyResults {
  #of = new WeakMap<TaskNexus, Map<number, CopyResult>>();

  find(nexus: TaskNexus, identifier: number): CopyResult | undefined {
    return this.#of.get(nexus)?.get(identifier);
  }

  /** Takes the place of an older copy with that identifier. */
  add(nexus: TaskNexus, identifier: number, result: CopyResult): void {
    const results = this.#of.get(nexus) ?? new Map<number, CopyResult>();
    this.#of.set(nexus, results);
    results.delete(identifier);
    results.set(identifier, result);
    if (results.size <= REMEMBERED) return;
    for (const [oldest, { state }] of results) {
      if (state === "in-progress") continue;
      results.delete(oldest);
      return;
    }
  }

  forget(nexus: TaskNexus, identifier: number): void {
    this.#of.get(nexus)?.delete(identifier);
  }

  forgetAll(nexus: TaskNexus): void {
    this.#of.delete(nexus);
  }

  clear(): void {
    this.#of = new WeakMap();
  }
}

const COPY_STATUS = { "in-progress": 0, completed: 1, failed: 2 } as const;
const KIBIBYTES = 1;

/** Writes the answer of RECEIVE COPY STATUS(LID1); returns its length. */
export function writeCopyStatus(bytes: Uint8Array, { state, segments, bytes: moved }: CopyResult): number {
  bytes.fill(0, 0, 12);
  put32(bytes, 0, 8);
  bytes[4] = COPY_STATUS[state];
  put16(bytes, 5, segments);
  const fits = moved <= 0xffff_ffff;
  bytes[7] = fits ? 0 : KIBIBYTES;
  put32(bytes, 8, fits ? moved : Math.floor(moved / 1024));
  return 12;
}

/** Writes the answer of RECEIVE COPY FAILURE DETAILS(LID1); nothing but a length of zero where the copy did not fail. */
export function writeFailureDetails(bytes: Uint8Array, { failure }: CopyResult, descriptor: boolean): number {
  bytes.fill(0, 0, 60);
  if (failure === null) return 4;
  const length = writeCopyFailure(bytes.subarray(60), failure, descriptor);
  bytes[56] = Status.checkCondition;
  put16(bytes, 58, length);
  put32(bytes, 0, 56 + length);
  return 60 + length;
}

const SNLID = 0x01;

/** Writes the answer of RECEIVE COPY OPERATING PARAMETERS for a unit of that block size. */
export function writeOperatingParameters(bytes: Uint8Array, blockSize: number): number {
  const length = 44 + DESCRIPTOR_TYPES.length;
  bytes.fill(0, 0, length);
  put32(bytes, 0, length - 4);
  bytes[4] = SNLID;
  put16(bytes, 8, COPY_LIMITS.targets);
  put16(bytes, 10, COPY_LIMITS.segments);
  put32(bytes, 12, COPY_LIMITS.descriptors);
  put32(bytes, 16, COPY_LIMITS.segmentBlocks * blockSize);
  put16(bytes, 34, COPY_LIMITS.concurrent);
  bytes[36] = COPY_LIMITS.concurrent;
  bytes[37] = Math.log2(blockSize);
  bytes[43] = DESCRIPTOR_TYPES.length;
  bytes.set(DESCRIPTOR_TYPES, 44);
  return length;
}
