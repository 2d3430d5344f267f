// Knows how commands with a parameter list, and those about the unit as a whole, may end otherwise.

import type { DifferenceClass } from "./classes.js";
import { type Difference, isGood } from "./difference.js";
import { FIELD, LIST_FIELD, LIST_LENGTH, outcome } from "./outcome.js";
import { field, isNamed, pointsAt, says } from "./predicates.js";

/** What has a parameter list. */
export const LIST_OUTCOMES: readonly DifferenceClass[] = [
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
    (d) => isNamed(d, "MODE SELECT") && says(d.ours, "good") && says(d.tgt, LIST_FIELD),
  ),
  outcome(
    "tgt takes any block descriptor",
    "ours",
    "SBC-3 6.5.2: another number or length of blocks would be a FORMAT UNIT's",
    (d) => isNamed(d, "MODE SELECT") && says(d.ours, LIST_FIELD) && isGood(d.tgt) && isOfDescriptor(d),
  ),
  outcome(
    "tgt calls a list that is shorter than its header a field of the CDB",
    "ours",
    "SPC-4 6.9: PARAMETER LIST LENGTH ERROR",
    (d) => isNamed(d, "MODE SELECT") && says(d.ours, LIST_LENGTH) && says(d.tgt, FIELD),
  ),
  outcome(
    "a mode page that is cut by the list's end",
    "ours",
    "SPC-4 6.9: PARAMETER LIST LENGTH ERROR",
    (d) => isNamed(d, "MODE SELECT") && says(d.ours, LIST_LENGTH) && says(d.tgt, LIST_FIELD),
  ),
  outcome(
    "tgt wants a mode parameter list",
    "ours",
    "SPC-4 6.9: a length of zero is no error",
    (d) => isNamed(d, "MODE SELECT") && says(d.ours, "good") && says(d.tgt, FIELD) && field(d, "length") === 0,
  ),
  outcome(
    "tgt has no SEND DIAGNOSTIC but the self-test",
    "ours",
    "SPC-4 6.42: nothing to do is no error",
    (d) => isNamed(d, "SEND DIAGNOSTIC") && says(d.tgt, FIELD) && (d.step.command.cdb[1] & 0x04) === 0,
  ),
  outcome(
    "tgt takes a self-test with a code or a list",
    "ours",
    "SPC-4 6.42: with SELFTEST the code is 000b, and the list is empty",
    (d) => isNamed(d, "SEND DIAGNOSTIC") && says(d.ours, FIELD) && (d.step.command.cdb[1] & 0x04) !== 0,
  ),
];

/** What is about the unit as a whole. */
export const UNIT_OUTCOMES: readonly DifferenceClass[] = [
  outcome(
    "what is vendor specific in FORMAT UNIT has to be zero here",
    "either",
    "SBC-3 table 34: byte 2 is vendor specific",
    (d) => isNamed(d, "FORMAT UNIT") && says(d.ours, FIELD) && pointsAt(d, 2),
  ),
  outcome(
    "a wrong FORMAT UNIT while writing is protected",
    "either",
    "SPC-4 4.5.1: which of two errors is told is not said",
    (d) => isNamed(d, "FORMAT UNIT") && says(d.ours, FIELD, LIST_FIELD) && says(d.tgt, "7/27/00"),
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

/** Whether our sense data points into the block descriptor of a mode parameter list, or at its length. */
function isOfDescriptor({ step, ours }: Difference): boolean {
  const header = step.command.cdb[0] === 0x15 ? 4 : 8;
  const byte = ours.decoded?.field?.byte ?? 0;
  const length = header === 4 ? 3 : 6;
  return byte >= length && byte < header + 8;
}
