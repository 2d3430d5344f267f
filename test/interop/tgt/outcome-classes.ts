// Knows how a command may end with one target otherwise than with the other.

import type { DifferenceClass } from "./classes.js";
import { type Difference, isGood } from "./difference.js";
import { BLOCK, BLOCKS, MISSING_LUN } from "./geometry.js";
import { fieldOfKind, firstReserved, layoutOf, rangeOf } from "./layouts.js";
import { byteCheck, expected, field, isNamed, isTurned, pointsAt, rangeBytes, says } from "./predicates.js";

const FIELD = "5/24/00";
const LIST_FIELD = "5/26/00";
const LIST_LENGTH = "5/1a/00";
const RANGE = "5/21/00";
const UNIT = "5/0e/03";
const NO_UNIT = "5/25/00";
const OPCODE = "5/20/00";
const MISCOMPARE = "e/1d/00";

/** Opcodes that tgt 1.0.85 has not. */
const OPCODES_TGT_LACKS: readonly number[] = [
  ...[0x1c, 0x37, 0x3b, 0x3c, 0x48, 0x4c, 0x4d, 0x56, 0x57],
  ...[0x83, 0x84, 0x89, 0x9c, 0xb7],
];
/** Service actions of opcodes that tgt has otherwise. */
const ACTIONS_TGT_LACKS = [
  "PERSISTENT RESERVE IN/READ FULL STATUS",
  "PERSISTENT RESERVE OUT/PREEMPT AND ABORT",
  "REPORT TARGET PORT GROUPS",
  "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
];

/** Commands that tgt refuses a small allocation length of. */
const LEAST_ALLOCATION = [
  "REPORT LUNS",
  "GET LBA STATUS",
  "PERSISTENT RESERVE IN/READ KEYS",
  "PERSISTENT RESERVE IN/READ RESERVATION",
  "PERSISTENT RESERVE IN/REPORT CAPABILITIES",
];

/** Where tgt takes the CONTROL byte to be. */
function controlOf({ step }: Difference): number {
  const { cdb } = step.command;
  if (cdb[0] === 0x7f) return cdb[1];
  return cdb[[5, 9, 9, 11, 15, 11, 15, 15][cdb[0] >>> 5]];
}

function outcome(
  name: string,
  right: DifferenceClass["right"],
  clause: string,
  holds: (difference: Difference) => boolean,
): DifferenceClass {
  return { name, right, clause, aspects: ["outcome"], holds };
}

export const OUTCOMES: readonly DifferenceClass[] = [
  {
    name: "tgt ends at MODE SENSE without room for an answer",
    right: "ours",
    clause: "SPC-4 4.2.5.6: an allocation length of zero is no error",
    aspects: ["end"],
    holds: (d) => isNamed(d, "MODE SENSE") && d.step.command.room === 0,
  },
  outcome(
    "tgt does not have the command",
    "either",
    "SPC-4 table 58, SBC-3 table 13: optional",
    (d) =>
      (says(d.tgt, OPCODE) && OPCODES_TGT_LACKS.includes(d.step.command.cdb[0])) ||
      (says(d.tgt, FIELD) && isNamed(d, ...ACTIONS_TGT_LACKS)),
  ),
  outcome(
    "tgt looks at NACA and LINK before it looks for the command or the unit",
    "either",
    "SAM-5 5.2: CONTROL is the last byte of a CDB, whose length the opcode says",
    (d) => says(d.tgt, FIELD) && (controlOf(d) & 0x05) !== 0 && !says(d.ours, FIELD),
  ),
  outcome(
    "tgt does not look at reserved bits",
    "either",
    "SPC-4 3.3.13: recipients are not required to check them",
    (d) => {
      const layout = layoutOf(d.step.command.cdb);
      return layout !== undefined && says(d.ours, FIELD) && pointsAt(d, firstReserved(d.step.command.cdb, layout));
    },
  ),
  outcome(
    "what is sent or expected goes the other way than the command's data",
    "ours",
    "SPC-4 table 30 (0Eh/03h), RFC 7143 11.3.1: R and W say what the command's data is",
    (d) => says(d.ours, UNIT) && isTurned(d) && !says(d.tgt, UNIT),
  ),
  outcome(
    "tgt wants at least as much room as the CDB allocates",
    "ours",
    "SPC-4 4.2.5.6: an allocation length is a limit, and RFC 7143 11.4.5.1 has overflow",
    (d) => says(d.tgt, FIELD) && d.step.command.room < field(d, "allocation") && !says(d.ours, FIELD),
  ),
  outcome(
    "tgt has a least allocation length",
    "ours",
    "SPC-4 4.2.5.6: what does not fit is cut, and that is no error",
    (d) =>
      says(d.tgt, FIELD) &&
      isGood(d.ours) &&
      isNamed(d, ...LEAST_ALLOCATION) &&
      field(d, "allocation") < (isNamed(d, "REPORT LUNS") ? 16 : 8),
  ),
  outcome(
    "tgt does not tell write protection by software from that of the medium",
    "ours",
    "SBC-3 table 9: LOGICAL UNIT SOFTWARE WRITE PROTECTED where SWP is set",
    (d) => says(d.ours, "7/27/02") && says(d.tgt, "7/27/00"),
  ),
  ...blockOutcomes(),
  ...listOutcomes(),
  ...unitOutcomes(),
  ...reportOutcomes(),
];

/** What moves, compares or gives back blocks. */
function blockOutcomes(): DifferenceClass[] {
  return [
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
      "one block is sent for all, and it is no block, or in the wrong place as well",
      "ours",
      "SPC-4 table 30 (0Eh/03h): the length is of the information unit, no parameter list's",
      (d) => isNamed(d, "WRITE SAME") && says(d.ours, UNIT, RANGE) && expected(d) !== BLOCK,
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
      "tgt reads as much as there is room for, over the end of the disk",
      "ours",
      "SBC-3 5.8: TRANSFER LENGTH says how many",
      (d) => isNamed(d, "READ") && isGood(d.ours) && says(d.tgt, "3/11/00") && d.step.command.room > rangeBytes(d),
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
      "tgt reads UNMAP's list without its header",
      "ours",
      "SBC-3 5.28.2: UNMAP DATA LENGTH and UNMAP BLOCK DESCRIPTOR DATA LENGTH say what there is",
      (d) => isNamed(d, "UNMAP") && says(d.ours, LIST_LENGTH) && says(d.tgt, NO_UNIT, RANGE),
    ),
    outcome(
      "an UNMAP that is out of range",
      "ours",
      "SBC-3 5.28.1: LOGICAL BLOCK ADDRESS OUT OF RANGE",
      (d) => isNamed(d, "UNMAP") && says(d.ours, RANGE) && says(d.tgt, NO_UNIT),
    ),
  ];
}

/** What has a parameter list. */
function listOutcomes(): DifferenceClass[] {
  return [
    outcome(
      "less is sent than the CDB says that the list has",
      "ours",
      "SPC-4 4.2.5.5: PARAMETER LIST LENGTH ERROR",
      (d) => {
        const length = d.layout?.fields.find(({ kind }) => kind === "length");
        const refused = says(d.ours, LIST_LENGTH) || (length !== undefined && pointsAt(d, length.byte));
        return refused && (d.step.command.data?.length ?? 0) < field(d, "length");
      },
    ),
    outcome(
      "tgt has another sense for a PERSISTENT RESERVE OUT list of another length than 24",
      "ours",
      "SPC-4 6.16.2: PARAMETER LIST LENGTH ERROR",
      (d) => d.step.command.cdb[0] === 0x5f && says(d.ours, LIST_LENGTH) && says(d.tgt, FIELD),
    ),
    outcome(
      "tgt calls a field of the list one of the CDB",
      "ours",
      "SPC-4 6.16.3: SPEC_I_PT, ALL_TG_PT, APTPL and TransportIDs are in the list",
      (d) => d.step.command.cdb[0] === 0x5f && says(d.ours, LIST_FIELD) && says(d.tgt, FIELD),
    ),
    outcome(
      "tgt selects no page but the caching and the control page",
      "ours",
      "SPC-4 6.9: a page may be sent back as it was",
      (d) =>
        d.step.command.cdb.length > 0 && isNamed(d, "MODE SELECT") && says(d.ours, "good") && says(d.tgt, LIST_FIELD),
    ),
    outcome(
      "tgt takes any block descriptor",
      "ours",
      "SBC-3 6.5.2: another number or length of blocks would be a FORMAT UNIT's",
      (d) => isNamed(d, "MODE SELECT") && says(d.ours, LIST_FIELD) && isGood(d.tgt),
    ),
    outcome(
      "tgt calls a list that is shorter than its header a field of the CDB",
      "ours",
      "SPC-4 6.9: PARAMETER LIST LENGTH ERROR",
      (d) => isNamed(d, "MODE SELECT") && says(d.ours, LIST_LENGTH) && says(d.tgt, FIELD),
    ),
    outcome(
      "tgt wants a mode parameter list",
      "ours",
      "SPC-4 6.9: a length of zero is no error",
      (d) => isNamed(d, "MODE SELECT") && says(d.ours, "good") && says(d.tgt, FIELD) && field(d, "length") === 0,
    ),
    outcome(
      "tgt has no SEND DIAGNOSTIC but the self-test, and takes anything besides that",
      "ours",
      "SPC-4 6.42: nothing to do is no error, and the self-test has neither code nor list",
      (d) => isNamed(d, "SEND DIAGNOSTIC") && !says(d.ours, UNIT),
    ),
  ];
}

/** What is about the unit as a whole. */
function unitOutcomes(): DifferenceClass[] {
  return [
    outcome(
      "what is vendor specific in FORMAT UNIT has to be zero here",
      "either",
      "SBC-3 table 34: byte 2 is vendor specific",
      (d) => isNamed(d, "FORMAT UNIT") && says(d.ours, FIELD) && pointsAt(d, 2),
    ),
    outcome(
      "tgt's FORMAT UNIT has no list",
      "either",
      "SBC-3 table 36: only without FMTDATA it is mandatory",
      (d) => isNamed(d, "FORMAT UNIT") && says(d.tgt, FIELD) && (d.step.command.cdb[1] & 0x10) !== 0,
    ),
    outcome(
      "tgt does not look at POWER CONDITION MODIFIER",
      "either",
      "SBC-3 table 77: no power condition here has one",
      (d) => isNamed(d, "START STOP UNIT") && says(d.ours, FIELD) && pointsAt(d, 3),
    ),
  ];
}

/** What tells of the target. */
function reportOutcomes(): DifferenceClass[] {
  return [
    outcome(
      "tgt does not look at SELECT REPORT",
      "ours",
      "SPC-4 6.33: values above 02h are reserved",
      (d) => isNamed(d, "REPORT LUNS") && says(d.ours, FIELD) && pointsAt(d, 2) && isGood(d.tgt),
    ),
    outcome(
      "tgt has no REPORT LUNS where no unit is",
      "either",
      "SPC-4 6.33: only where the inventory cannot be told",
      (d) => isNamed(d, "REPORT LUNS") && d.step.command.lun === MISSING_LUN && says(d.tgt, NO_UNIT),
    ),
    {
      name: "tgt has the sense of REQUEST SENSE to a unit that is not there beside its status, or nowhere",
      right: "ours",
      clause: "SPC-4 6.39: it is what the command reads",
      aspects: ["outcome", "residual", "data"],
      holds: (d) => isNamed(d, "REQUEST SENSE") && d.step.command.lun === MISSING_LUN && d.ours.status === 0,
    },
    outcome(
      "tgt has VPD pages of a unit that is not there",
      "either",
      "SPC-4 6.6.1: INQUIRY is processed; which pages, it does not say",
      (d) => isNamed(d, "INQUIRY") && d.step.command.lun === MISSING_LUN && says(d.ours, FIELD) && isGood(d.tgt),
    ),
    outcome(
      "tgt cannot say that a command is not supported",
      "ours",
      "SPC-4 6.35.3: SUPPORT 001b is for that",
      (d) => isNamed(d, "REPORT SUPPORTED OPERATION CODES") && isGood(d.ours) && says(d.tgt, FIELD),
    ),
    outcome(
      "the two have other VPD pages",
      "either",
      "SPC-4 7.8.1: most are optional",
      (d) => isNamed(d, "INQUIRY") && (isGood(d.ours) ? says(d.tgt, FIELD) : isGood(d.tgt) && pointsAt(d, 2)),
    ),
    outcome(
      "the two have other mode pages",
      "either",
      "SPC-4 7.5.1, SBC-3 6.5: most are optional",
      (d) =>
        isNamed(d, "MODE SENSE") &&
        (isGood(d.ours) ? says(d.tgt, FIELD) : isGood(d.tgt) && (pointsAt(d, 2) || pointsAt(d, 3))),
    ),
  ];
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
