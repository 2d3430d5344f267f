// Knows the word that describes a fault: `OPERATION[@BLOCK[-BLOCK]]:EFFECT[,EFFECT]...`, e.g. `read@1000:medium-error`,
// `write:delay=200ms`, `read@1000-1007:delay=5ms,medium-error,times=2`, `any:hang`.

import type { StoreFailure, StoreOperation, StoreRequest } from "../store.js";

export interface Fault {
  readonly operation: StoreOperation | "any";
  /** First byte, and the one behind the last. */
  readonly first: number;
  readonly end: number;
  /** Milliseconds before anything happens; null: for ever, until it is cancelled. */
  readonly delay: number | null;
  /** Null: nothing fails, it only takes longer. */
  readonly failure: StoreFailure | null;
  /** How many requests it strikes. */
  readonly times: number;
}

const OPERATIONS: readonly string[] = [
  "read",
  "write",
  "flush",
  "discard",
  "write-zeroes",
  "extents",
  "change-key",
  "any",
];
const FAILURES: { readonly [word: string]: StoreFailure } = {
  "medium-error": "medium",
  "hardware-error": "hardware",
  "no-space": "no-space",
  "write-protected": "read-only",
};
const WHERE = /^([a-z-]+)(?:@(\d{1,15})(?:-(\d{1,15}))?)?$/;
const DELAY = /^delay=(\d{1,9}(?:\.\d{1,6})?)(ms|s)$/;
const TIMES = /^times=([1-9]\d{0,8})$/;

/** Reads what stands behind `fault=`; blocks are of `blockSize` bytes. Returns what is wrong, in words, if it is. */
export function parseFault(text: string, blockSize: number): Fault | string {
  const colon = text.indexOf(":");
  if (colon < 0) return `fault "${text}" has no ":EFFECT"`;
  const where = WHERE.exec(text.slice(0, colon));
  if (where === null || !OPERATIONS.includes(where[1])) {
    return `"${text.slice(0, colon)}" is not OPERATION[@BLOCK[-BLOCK]] with one of ${OPERATIONS.join(", ")}`;
  }
  const first = Number(where[2] ?? 0);
  const last = where[2] === undefined ? Number.POSITIVE_INFINITY : Number(where[3] ?? where[2]);
  if (last < first) return `blocks ${first}-${last} are in the wrong order`;
  const fault = {
    operation: where[1] as Fault["operation"],
    first: first * blockSize,
    end: (last + 1) * blockSize,
    delay: 0,
    failure: null,
    times: Number.POSITIVE_INFINITY,
  };
  return parseEffects(fault, text.slice(colon + 1).split(","));
}

function parseEffects(fault: Fault, words: readonly string[]): Fault | string {
  for (const word of words) {
    const delay = DELAY.exec(word);
    const times = TIMES.exec(word);
    if (delay !== null) fault = { ...fault, delay: Number(delay[1]) * (delay[2] === "s" ? 1000 : 1) };
    else if (times !== null) fault = { ...fault, times: Number(times[1]) };
    else if (word === "hang") fault = { ...fault, delay: null };
    else if (Object.hasOwn(FAILURES, word)) fault = { ...fault, failure: FAILURES[word] };
    else return `"${word}" is not delay=Nms, hang, times=N or one of ${Object.keys(FAILURES).join(", ")}`;
  }
  const idle = fault.failure === null && fault.delay === 0;
  return idle ? "a fault needs delay=Nms, hang or an error" : fault;
}

/** What has no place, so that only faults without blocks meet it. */
const EVERYWHERE: readonly StoreOperation[] = ["flush", "change-key"];

/** Whether a fault is about this request. */
export function strikes({ operation, first, end }: Fault, request: StoreRequest): boolean {
  if (operation !== "any" && operation !== request.operation) return false;
  if (EVERYWHERE.includes(request.operation)) return end === Number.POSITIVE_INFINITY;
  return request.offset < end && request.offset + request.length > first;
}
