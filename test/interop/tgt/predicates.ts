// Knows what classes of differences ask of a command and of an answer.

import { type Answer, type Difference, senseCodes } from "./difference.js";
import { BLOCK } from "./geometry.js";
import { type FieldKind, fieldOfKind, rangeOf } from "./layouts.js";

/** Whether the answer's sense data is one of these, as `5/24/00`; "good" is GOOD without any. */
export function says(answer: Answer, ...codes: readonly string[]): boolean {
  const codesOf = senseCodes(answer);
  return codes.includes(codesOf === "" && answer.status === 0 ? "good" : codesOf);
}

/** Whether our sense data points at that byte of the CDB. */
export function pointsAt({ ours }: Difference, byte: number): boolean {
  return ours.decoded?.field?.in === "cdb" && ours.decoded.field.byte === byte;
}

/** Bytes that the initiator expected to be moved. */
export function expected({ step }: Difference): number {
  return step.command.data?.length ?? step.command.room;
}

/** A field of the CDB by its kind, 0 where it has none; large ones are rounded. */
export function field({ step, layout }: Difference, kind: FieldKind): number {
  return layout === undefined ? 0 : Number(fieldOfKind(step.command.cdb, layout, kind) ?? 0n);
}

/** Bytes of the blocks that the CDB speaks of; 0 where it speaks of none. */
export function rangeBytes({ step, layout }: Difference): number {
  return layout === undefined ? 0 : Number(rangeOf(step.command.cdb, layout)?.blocks ?? 0n) * BLOCK;
}

export function isNamed({ layout }: Difference, ...names: readonly string[]): boolean {
  return layout !== undefined && names.some((name) => layout.name === name || layout.name.startsWith(`${name}(`));
}

/** Whether the initiator opened its buffer for the direction that the command does not have. */
export function isTurned({ step, layout }: Difference): boolean {
  if (layout === undefined) return false;
  const { data, room } = step.command;
  const reads = layout.data === "room" || layout.data === "blocks-in";
  return reads ? data !== null : room > 0;
}

/** BYTCHK of VERIFY and WRITE AND VERIFY. */
export function byteCheck({ step }: Difference): number {
  return (step.command.cdb[1] >>> 1) & 3;
}
