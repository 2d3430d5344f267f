// Knows how an operation is written down so that a loss of power does not end it, and read back from whatever stands there.
// How far it was is not kept: it begins again, as nobody knows what was on its way to the medium.

import { bytesOfHex, hexDigits } from "@pvscsi/wire";
import { KeptText, writeKeptText } from "../kept-text.js";
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
const KINDS = ["sanitize", "format"] as const;
const EMPTY_PASSES = ["discard", "write-zeroes", "change-key"] as const;
/** Patterns are as long as a block, which may be another one by now. */
const PATTERNS: readonly number[] = [512, 4096];
/** OVERWRITE COUNT has five bits. */
const MOST_PASSES = 31;

export function writeOperation({ kind, failed, exits, passes }: KeptOperation): string {
  const lines = passes.map((pass) => {
    return `pass ${pass.operation}${pass.operation === "write" ? ` ${hexDigits(pass.pattern)}` : ""}`;
  });
  return writeKeptText(TITLE, [`kind ${kind}`, `failed ${failed}`, `exits ${exits}`, ...lines]);
}

/** Reads what `writeOperation` wrote. Throws `StoreError` for everything else, with the line: such a medium is in no known state. */
export function readOperation(text: string): KeptOperation {
  const kept = new KeptText(text, TITLE);
  const { lines } = kept;
  const value = <Value extends string>(index: number, word: string, values: readonly Value[]): Value => {
    const found = values.find((each) => lines[index] === `${word} ${each}`);
    return found ?? kept.fail(index, `"${word}" and one of ${values.join(", ")}`);
  };
  const kind = value(1, "kind", KINDS);
  const failed = value(2, "failed", ["true", "false"]) === "true";
  const exits = value(3, "exits", ["true", "false"]) === "true";
  const last = kept.end(4);
  if (last - 4 > MOST_PASSES || last < 5) kept.fail(4, `1 to ${MOST_PASSES} passes`);
  const passes = lines.slice(4, last).map((line, i) => passOf(line) ?? kept.fail(4 + i, '"pass" and what it does'));
  return { kind, failed, exits, passes };
}

function passOf(line: string): Pass | undefined {
  const operation = EMPTY_PASSES.find((each) => line === `pass ${each}`);
  if (operation !== undefined) return { operation };
  const digits = /^pass write ((?:[0-9a-f]{2})+)$/.exec(line)?.[1];
  if (digits === undefined || !PATTERNS.includes(digits.length / 2)) return undefined;
  return { operation: "write", pattern: bytesOfHex(digits) };
}
