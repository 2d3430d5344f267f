// Knows what is asked of a disk in a benchmark: sizes, patterns, depths. Knows no transport.

export interface Workload {
  readonly name: string;
  readonly operation: "read" | "write";
  /** Bytes a command. */
  readonly size: number;
  readonly pattern: "random" | "sequential";
  /** Commands under way at once. */
  readonly depth: number;
}

const KIB = 1024;

/** The rows of the comparison, in the order of its tables. */
export const WORKLOADS: readonly Workload[] = [
  { name: "4k randread d1", operation: "read", size: 4 * KIB, pattern: "random", depth: 1 },
  { name: "4k randread d15", operation: "read", size: 4 * KIB, pattern: "random", depth: 15 },
  { name: "4k randwrite d15", operation: "write", size: 4 * KIB, pattern: "random", depth: 15 },
  { name: "256k seqread d1", operation: "read", size: 256 * KIB, pattern: "sequential", depth: 1 },
  { name: "256k seqread d8", operation: "read", size: 256 * KIB, pattern: "sequential", depth: 8 },
  { name: "256k seqwrite d8", operation: "write", size: 256 * KIB, pattern: "sequential", depth: 8 },
];

/** The workloads whose names contain one of `words`; all without words. */
export function selectWorkloads(words: readonly string[]): readonly Workload[] {
  if (words.length === 0) return WORKLOADS;
  return WORKLOADS.filter(({ name }) => words.some((word) => name.includes(word)));
}
