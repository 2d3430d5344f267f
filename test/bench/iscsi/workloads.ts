// Knows what is asked of the servers in each row, and which program asks it.

/** What a server's LUN is: answered without a byte moved, or a file in the page cache. */
export type StoreName = "null" | "file";

/** One row of the table. */
export interface Workload {
  readonly name: string;
  readonly store: StoreName;
  readonly operation: "read" | "write";
  readonly pattern: "random" | "sequential";
  /** Bytes of a command. */
  readonly size: number;
  /** Commands under way at once. */
  readonly depth: number;
}

const KIB = 1024;
const SHAPES = [
  { label: "4k rand", pattern: "random", size: 4 * KIB },
  { label: "256k seq", pattern: "sequential", size: 256 * KIB },
] as const;
const STORES = ["null", "file"] as const;
const OPERATIONS = ["read", "write"] as const;
const DEPTHS = [1, 32] as const;

/** All rows, in the order of the table. */
export const WORKLOADS: readonly Workload[] = STORES.flatMap((store) =>
  SHAPES.flatMap(({ label, ...shape }) =>
    OPERATIONS.flatMap((operation) =>
      DEPTHS.map((depth) => ({ name: `${store} ${label}${operation} d${depth}`, store, operation, depth, ...shape })),
    ),
  ),
);

/** The rows whose names contain one of `words`; all without words. */
export function selectWorkloads(words: readonly string[]): readonly Workload[] {
  if (words.length === 0) return WORKLOADS;
  return WORKLOADS.filter(({ name }) => words.some((word) => name.includes(word)));
}
