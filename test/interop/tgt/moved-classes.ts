// Knows what may have been moved otherwise by one target than by the other where both ended a command the same.

import type { DifferenceClass } from "./classes.js";
import type { Answer, Difference } from "./difference.js";
import { BLOCK } from "./geometry.js";
import { expected, field, isNamed, isTurned, rangeBytes, says } from "./predicates.js";
import { SELF_DESCRIPTIONS } from "./self-classes.js";

/** A command that failed has moved nothing, as we say. */
function movedNothing(d: Difference): boolean {
  return d.ours.data.length === 0 && d.ours.residual === expected(d);
}

const hasNoResidual = ({ residual }: Answer): boolean => residual === 0;
const NOT_TOLD = "RFC 7143 11.4.5.1: the residual is what was expected and not moved, or more than that";

function moved(name: string, clause: string, holds: (difference: Difference) => boolean): DifferenceClass {
  return { name, right: "ours", clause, aspects: ["residual", "data"], holds };
}

function written(name: string, clause: string, holds: (difference: Difference) => boolean): DifferenceClass {
  return { name, right: "ours", clause, aspects: ["medium"], holds };
}

export const MOVED: readonly DifferenceClass[] = [
  moved(
    "tgt sends what is in its memory for a command that failed, or does not tell that nothing was moved",
    NOT_TOLD,
    (d) => d.ours.status !== 0 && movedNothing(d) && hasNoResidual(d.tgt),
  ),
  moved(
    "tgt sends what is in its memory for a command without data, or does not tell that nothing was moved",
    NOT_TOLD,
    (d) =>
      d.ours.status === 0 &&
      movedNothing(d) &&
      hasNoResidual(d.tgt) &&
      (wants(d) === 0 || field(d, "allocation") === 0),
  ),
  moved(
    "tgt does not tell that more would have been moved, or less was",
    NOT_TOLD,
    (d) =>
      d.ours.status === 0 && hasNoResidual(d.tgt) && d.ours.residual === expected(d) * (isTurned(d) ? 0 : 1) - wants(d),
  ),
  moved(
    "tgt does not tell that there was less room",
    NOT_TOLD,
    (d) => d.ours.status === 0 && hasNoResidual(d.tgt) && d.ours.residual < 0 && d.layout?.data === "room",
  ),
  moved(
    "tgt sends what a READ had before it failed",
    "SPC-4 4.5.1: of data beside CHECK CONDITION nothing is said; we send none, and say so",
    (d) => movedNothing(d) && isNamed(d, "READ") && says(d.tgt, "3/11/00"),
  ),
  moved(
    "tgt sends what is in its memory where READ CAPACITY has no room for all",
    "SPC-4 4.2.5.6, RFC 7143 11.4.5.1: what there is room for is the answer's beginning",
    (d) => d.ours.status === 0 && isNamed(d, "READ CAPACITY(10)") && d.step.command.room < 8,
  ),
  ...SELF_DESCRIPTIONS,
  written(
    "tgt writes a part of a block",
    "SBC-3 4.6.1: what is written is logical blocks",
    (d) => expected(d) % BLOCK !== 0 && expected(d) < rangeBytes(d),
  ),
  written(
    "tgt's ORWRITE goes on behind the CDB's last block",
    "SBC-3 5.7: TRANSFER LENGTH says how many",
    (d) => isNamed(d, "ORWRITE") && expected(d) > rangeBytes(d),
  ),
  written(
    "tgt's WRITE SAME unmaps whatever the pattern is",
    "SBC-3 5.42: unmapped blocks are read as zeros (LBPRZ), so another pattern has to be written",
    (d) => isNamed(d, "WRITE SAME") && (d.step.command.cdb[1] & 0x08) !== 0 && hasPattern(d),
  ),
  written(
    "tgt does not know NDOB",
    "SBC-3 5.43: zeros are written, and no data is taken",
    (d) => isNamed(d, "WRITE SAME") && (d.step.command.cdb[1] & 0x01) !== 0 && hasPattern(d),
  ),
  written(
    "tgt unmaps descriptors behind the length that the list's header tells",
    "SBC-3 5.28.2: UNMAP BLOCK DESCRIPTOR DATA LENGTH says how many there are",
    (d) => isNamed(d, "UNMAP") && d.ours.status === 0 && toldDescriptors(d) < Math.floor((expected(d) - 8) / 16),
  ),
  written(
    "tgt unmaps what its UNMAP then calls refused",
    "SBC-3 5.28.1: a range that is not there is found before the first is unmapped",
    (d) => isNamed(d, "UNMAP") && d.ours.status !== 0 && says(d.tgt, "5/21/00", "5/25/00"),
  ),
  written("tgt's FORMAT UNIT leaves all as it was", "SBC-3 5.3: the medium is initialized", (d) =>
    isNamed(d, "FORMAT UNIT"),
  ),
];

/** Descriptors that the header of UNMAP's list speaks of. */
function toldDescriptors({ step }: Difference): number {
  const { data } = step.command;
  return data === null || data.length < 8 ? 0 : Math.floor(((data[2] << 8) | data[3]) / 16);
}

function hasPattern({ step }: Difference): boolean {
  return step.command.data?.some((byte) => byte !== 0) ?? false;
}

/** Bytes that the command wants to move, as far as its CDB says it. */
function wants(d: Difference): number {
  switch (d.layout?.data) {
    case "blocks-in":
    case "blocks-out":
      return rangeBytes(d);
    case "block":
      return (d.step.command.cdb[1] & 0x01) !== 0 && d.step.command.cdb[0] === 0x93 ? 0 : BLOCK;
    case "compared":
      return [0, rangeBytes(d), 0, rangeBytes(d) === 0 ? 0 : BLOCK][(d.step.command.cdb[1] >>> 1) & 3];
    case "unmap":
    case "mode":
    case "reserve":
    case "bytes":
      return field(d, "length");
    case "room":
      return isNamed(d, "READ CAPACITY") && d.step.command.cdb[0] === 0x25 ? 8 : Number.NaN;
    default:
      return 0;
  }
}
