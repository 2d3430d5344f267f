// Knows how to measure what a piece of code allocates on the JavaScript heap, garbage included.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Forces a full collection; works without `--expose-gc` too. */
export const collectGarbage: () => void = globalThis.gc ?? exposedGc();

const ROUNDS = 100;
const RECORDS = 10_000;
/** Rounds left out, those that took most: the compiler's code lies on the heap too, and it works when it likes. */
const COMPILING = 10;

/**
 * The bytes of heap, collected later or not, that `work(records)` allocates for one record: over 10^6 records, after a
 * warm-up of half as many (code that is not optimised yet boxes numbers). Each 10^4 records start after a full
 * collection, so that none falls among them: what is measured should allocate well below 100 bytes a record.
 */
export function allocatedPerRecord(work: (records: number) => void): number {
  for (let i = 0; i < ROUNDS / 2; i++) work(RECORDS);
  const rounds: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    work(RECORDS);
    rounds.push(process.memoryUsage().heapUsed - before);
  }
  const kept = rounds.sort((a, b) => a - b).slice(0, ROUNDS - COMPILING);
  return kept.reduce((sum, bytes) => sum + bytes, 0) / (kept.length * RECORDS);
}

function exposedGc(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
