// Knows how a command may end with one target otherwise than with the other, whichever command it is.

import { BLOCK_OUTCOMES } from "./block-classes.js";
import type { DifferenceClass } from "./classes.js";
import { type Difference, isGood } from "./difference.js";
import { firstReserved, layoutOf } from "./layouts.js";
import { LIST_OUTCOMES, UNIT_OUTCOMES } from "./list-classes.js";
import { FIELD, OPCODE, outcome, UNIT } from "./outcome.js";
import { field, isNamed, isTurned, pointsAt, says } from "./predicates.js";
import { REPORT_OUTCOMES } from "./report-classes.js";

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
  ...BLOCK_OUTCOMES,
  ...LIST_OUTCOMES,
  ...UNIT_OUTCOMES,
  ...REPORT_OUTCOMES,
];
