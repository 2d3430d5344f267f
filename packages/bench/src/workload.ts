// Knows what is asked of a disk in a benchmark: sizes, patterns, depths. Knows no transport.

import type { Random } from "@pvscsi/wire";

export interface Workload {
  readonly name: string;
  readonly operation: "read" | "write";
  /** Bytes an operation. */
  readonly size: number;
  readonly pattern: "random" | "sequential";
  /** Operations under way at once. */
  readonly depth: number;
}

const KIB = 1024;

/** The rows of the comparison, in the order of its tables. */
export const WORKLOADS: readonly Workload[] = [
  { name: "4k randread d1", operation: "read", size: 4 * KIB, pattern: "random", depth: 1 },
  { name: "4k randread d16", operation: "read", size: 4 * KIB, pattern: "random", depth: 16 },
  { name: "4k randwrite d1", operation: "write", size: 4 * KIB, pattern: "random", depth: 1 },
  { name: "4k randwrite d16", operation: "write", size: 4 * KIB, pattern: "random", depth: 16 },
  { name: "256k seqread d1", operation: "read", size: 256 * KIB, pattern: "sequential", depth: 1 },
  { name: "256k seqread d16", operation: "read", size: 256 * KIB, pattern: "sequential", depth: 16 },
  { name: "256k seqwrite d1", operation: "write", size: 256 * KIB, pattern: "sequential", depth: 1 },
  { name: "256k seqwrite d16", operation: "write", size: 256 * KIB, pattern: "sequential", depth: 16 },
];

/** The workloads whose names contain one of `words`; all without words. */
export function selectWorkloads(words: readonly string[]): readonly Workload[] {
  if (words.length === 0) return WORKLOADS;
  return WORKLOADS.filter(({ name }) => words.some((word) => name.includes(word)));
}

/** Positions drawn before anything is measured; they are gone through again and again. */
const DRAWN = 65536;

/** Where the operations of a workload begin, in bytes, on a disk of `size` bytes. */
export function positionsOf(workload: Workload, size: number, random: Random): Float64Array {
  const places = Math.floor(size / workload.size);
  if (workload.pattern === "random") {
    return Float64Array.from({ length: DRAWN }, () => random.below(places) * workload.size);
  }
  return Float64Array.from({ length: Math.min(places, DRAWN) }, (_, index) => index * workload.size);
}
