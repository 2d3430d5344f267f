// Knows how an operation is written down so that a loss of power does not end it, and read back from whatever stands there.
// How far it was is not kept: it begins again, as nobody knows what was on its way to the medium.

import { StoreError } from "../store.js";
import type { Pass } from "./operation.js";

/** What is kept of an operation. */
export interface KeptOperation {
  readonly kind: "sanitize" | "format";
  /** It did not come to its end, and is not to go on. */
  readonly failed: boolean;
  /** EXIT FAILURE MODE may end that it failed. */
  readonly exits: boolean;
  readonly passes: readonly Pass[];
}

const TITLE = "pvscsi operation, version 1";
const END = "end";
const KINDS = ["sanitize", "format"] as const;
const EMPTY_PASSES = ["discard", "write-zeroes", "change-key"] as const;
/** Patterns are as long as a block, which may be another one by now. */
const PATTERNS: readonly number[] = [512, 4096];
/** OVERWRITE COUNT has five bits. */
const MOST_PASSES = 31;

export function writeOperation({ kind, failed, exits, passes }: KeptOperation): string {
  const lines = passes.map((pass) => {
    return `pass ${pass.operation}${pass.operation === "write" ? ` ${hexOf(pass.pattern)}` : ""}`;
  });
  return [TITLE, `kind ${kind}`, `failed ${failed}`, `exits ${exits}`, ...lines, END, ""].join("\n");
}

/** Reads what `writeOperation` wrote. Throws `StoreError` for everything else, with the line: such a medium is in no known state. */
export function readOperation(text: string): KeptOperation {
  const lines = text.split("\n");
  const fail = (index: number, expected: string): never => {
    const found = (lines[index] ?? "").slice(0, 80);
    throw new StoreError("hardware", `line ${index + 1} is ${JSON.stringify(found)}, expected ${expected}`);
  };
  const value = <Value extends string>(index: number, word: string, values: readonly Value[]): Value => {
    const found = values.find((each) => lines[index] === `${word} ${each}`);
    return found ?? fail(index, `"${word}" and one of ${values.join(", ")}`);
  };
  if (lines[0] !== TITLE) fail(0, `"${TITLE}"`);
  const kind = value(1, "kind", KINDS);
  const failed = value(2, "failed", ["true", "false"]) === "true";
  const exits = value(3, "exits", ["true", "false"]) === "true";
  const last = lines.length - 2;
  if (lines[last] !== END || lines[last + 1] !== "") fail(Math.max(4, last), `"${END}" as the last line`);
  if (last - 4 > MOST_PASSES || last < 5) fail(4, `1 to ${MOST_PASSES} passes`);
  const passes = lines.slice(4, last).map((line, i) => passOf(line) ?? fail(4 + i, '"pass" and what it does'));
  return { kind, failed, exits, passes };
}

function passOf(line: string): Pass | undefined {
  const operation = EMPTY_PASSES.find((each) => line === `pass ${each}`);
  if (operation !== undefined) return { operation };
  const digits = /^pass write ((?:[0-9a-f]{2})+)$/.exec(line)?.[1];
  if (digits === undefined || !PATTERNS.includes(digits.length / 2)) return undefined;
  const pattern = Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
  return { operation: "write", pattern };
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
