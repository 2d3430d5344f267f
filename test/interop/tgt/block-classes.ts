// Knows how commands that move, compare or give back blocks may end otherwise.

import type { DifferenceClass } from "./classes.js";
import { type Difference, isGood } from "./difference.js";
import { BLOCK, BLOCKS } from "./geometry.js";
import { fieldOfKind, rangeOf } from "./layouts.js";
import { FIELD, LIST_LENGTH, MISCOMPARE, NO_UNIT, outcome, RANGE, UNIT } from "./outcome.js";
import { byteCheck, expected, field, isNamed, pointsAt, rangeBytes, says } from "./predicates.js";

/** What moves, compares or gives back blocks. */
export const BLOCK_OUTCOMES: readonly DifferenceClass[] = [
  outcome(
    "no blocks, right behind the last one",
    "either",
    "SBC-3 5.8: LBA and number together do not exceed the capacity; or the LBA alone does",
    (d) => isGood(d.ours) && says(d.tgt, RANGE) && endsAtCapacity(d),
  ),
  outcome(
    "tgt does not look at RARC",
    "either",
    "SBC-3 5.8: rebuild assist mode is optional",
    (d) => says(d.ours, FIELD) && pointsAt(d, 1) && isNamed(d, "READ") && (d.step.command.cdb[1] & 0xe4) === 0x04,
  ),
  outcome(
    "tgt verifies only where BYTCHK asks it to compare",
    "ours",
    "SBC-3 5.29: with BYTCHK 00b the blocks are read, so they have to be there",
    (d) => isNamed(d, "VERIFY") && says(d.ours, RANGE) && says(d.tgt, "good") && (byteCheck(d) & 1) === 0,
  ),
  outcome(
    "tgt takes BYTCHK for one bit",
    "ours",
    "SBC-3 table 101: 10b is reserved, 11b compares each block with the one that is sent",
    (d) =>
      isNamed(d, "VERIFY", "WRITE AND VERIFY") && byteCheck(d) >= 2 && (pointsAt(d, 1) || says(d.ours, MISCOMPARE)),
  ),
  outcome(
    "tgt compares as much as it is sent, not as many blocks as the CDB says",
    "ours",
    "SBC-3 5.29: VERIFICATION LENGTH says how many",
    (d) => isNamed(d, "VERIFY") && byteCheck(d) !== 0 && (says(d.ours, UNIT) || rangeBytes(d) !== expected(d)),
  ),
  outcome(
    "one block is sent for all, and it is no block; or that, and something else is wrong",
    "ours",
    "SPC-4 table 30 (0Eh/03h): the length is of the information unit, no parameter list's",
    (d) => isNamed(d, "WRITE SAME") && says(d.ours, UNIT, RANGE, "7/27/02") && expected(d) !== BLOCK,
  ),
  outcome(
    "tgt's PRE-FETCH is refused where writing is",
    "ours",
    "SBC-3 4.12: it does not write",
    (d) => isNamed(d, "PRE-FETCH") && says(d.tgt, "7/27/00"),
  ),
  outcome(
    "tgt takes no IMMED of SYNCHRONIZE CACHE",
    "ours",
    "SBC-3 5.22: status may come before the blocks are on the medium",
    (d) => isNamed(d, "SYNCHRONIZE CACHE") && says(d.tgt, FIELD) && (d.step.command.cdb[1] & 0x02) !== 0,
  ),
  outcome(
    "tgt synchronizes blocks that are not there",
    "ours",
    "SBC-3 5.22: LOGICAL BLOCK ADDRESS OUT OF RANGE",
    (d) => isNamed(d, "SYNCHRONIZE CACHE") && says(d.ours, RANGE) && says(d.tgt, "good"),
  ),
  outcome(
    "tgt cuts a large LBA of GET LBA STATUS",
    "ours",
    "SBC-3 5.6: LOGICAL BLOCK ADDRESS OUT OF RANGE",
    (d) => isNamed(d, "GET LBA STATUS") && says(d.ours, RANGE) && !says(d.tgt, RANGE) && isLarge(d),
  ),
  outcome(
    "tgt reads as much as there is room or data for, over the end of the disk",
    "ours",
    "SBC-3 5.8: TRANSFER LENGTH says how many",
    (d) => isNamed(d, "READ", "ORWRITE") && isGood(d.ours) && says(d.tgt, "3/11/00") && expected(d) > rangeBytes(d),
  ),
  outcome(
    "tgt wants a block for WRITE SAME with NDOB, or none",
    "ours",
    "SBC-3 5.43: no data is taken",
    (d) => isNamed(d, "WRITE SAME") && (d.step.command.cdb[1] & 0x01) !== 0 && says(d.ours, "good"),
  ),
  {
    name: "tgt has sense data for an UNMAP that succeeded, or calls it failed",
    right: "ours",
    clause: "SAM-5 5.3.1: sense data goes with CHECK CONDITION; its UNMAP runs on into its refusals",
    aspects: ["outcome", "residual"],
    holds: (d) => isNamed(d, "UNMAP") && says(d.tgt, NO_UNIT) && says(d.ours, "good"),
  },
  outcome(
    "tgt reads UNMAP's list without its header, and all that is sent",
    "ours",
    "SBC-3 5.28.2: UNMAP DATA LENGTH and UNMAP BLOCK DESCRIPTOR DATA LENGTH say what there is",
    (d) => isNamed(d, "UNMAP") && (isShort(d) || says(d.ours, LIST_LENGTH)) && says(d.tgt, NO_UNIT, RANGE),
  ),
  outcome(
    "an UNMAP that is out of range",
    "ours",
    "SBC-3 5.28.1: LOGICAL BLOCK ADDRESS OUT OF RANGE",
    (d) => isNamed(d, "UNMAP") && says(d.ours, RANGE) && says(d.tgt, NO_UNIT),
  ),
];

/** Whether the CDB speaks of less of a list than is sent. */
function isShort(d: Difference): boolean {
  return field(d, "length") < expected(d);
}

/** Whether an LBA has bits that are lost when it is made a number of bytes of 64 bits. */
function isLarge({ step, layout }: Difference): boolean {
  return layout !== undefined && (fieldOfKind(step.command.cdb, layout, "lba") ?? 0n) >= 2n ** 55n;
}

/** Whether a range without blocks begins at the first LBA that is not there. */
function endsAtCapacity({ step, layout }: Difference): boolean {
  const range = layout === undefined ? null : rangeOf(step.command.cdb, layout);
  return range !== null && range.blocks === 0n && range.lba === BigInt(BLOCKS);
}
