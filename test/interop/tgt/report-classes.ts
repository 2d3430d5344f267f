// Knows how commands that tell of the target may end otherwise. What they tell is in self-classes.ts.

import type { DifferenceClass } from "./classes.js";
import { type Difference, isGood } from "./difference.js";
import { MISSING_LUN } from "./geometry.js";
import { FIELD, NO_UNIT, outcome } from "./outcome.js";
import { isNamed, pointsAt, says } from "./predicates.js";

/** VPD pages of ours. */
const VPD_TGT_LACKS = [0x86, 0x87, 0x8f];
/** Mode pages that one of the two has: error recovery is ours, vendor specific and disconnect are tgt's. */
const OTHER_PAGES = [0x01, 0x00, 0x02];

function hasOtherPage({ step }: Difference): boolean {
  return OTHER_PAGES.includes(step.command.cdb[2] & 0x3f);
}

/** What tells of the target. */
export const REPORT_OUTCOMES: readonly DifferenceClass[] = [
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
    "tgt does not have the VPD page",
    "either",
    "SPC-4 7.8.1: most are optional",
    (d) =>
      isNamed(d, "INQUIRY") && isGood(d.ours) && says(d.tgt, FIELD) && VPD_TGT_LACKS.includes(d.step.command.cdb[2]),
  ),
  outcome(
    "tgt takes the page codes below 80h for those above",
    "ours",
    "SPC-4 7.8.1: 01h to 7Fh are ASCII information pages",
    (d) =>
      isNamed(d, "INQUIRY") && isGood(d.tgt) && says(d.ours, FIELD) && pointsAt(d, 2) && d.step.command.cdb[2] < 0x80,
  ),
  outcome(
    "one has the mode page and the other has not",
    "either",
    "SPC-4 7.5.1, SBC-3 6.5: most are optional",
    (d) => isNamed(d, "MODE SENSE") && hasOtherPage(d) && (isGood(d.ours) ? says(d.tgt, FIELD) : pointsAt(d, 2)),
  ),
  outcome(
    "a mode page that there is not, in its saved values",
    "either",
    "SPC-4 6.11.1, 7.5.1: both are wrong",
    (d) => isNamed(d, "MODE SENSE") && says(d.ours, FIELD) && pointsAt(d, 2) && says(d.tgt, "5/39/00"),
  ),
  outcome(
    "tgt has all pages without looking at the subpage code",
    "ours",
    "SPC-4 6.11.1: of page 3Fh the subpage codes 00h and FFh mean something",
    (d) => isNamed(d, "MODE SENSE") && isGood(d.tgt) && pointsAt(d, 3) && (d.step.command.cdb[2] & 0x3f) === 0x3f,
  ),
  outcome(
    "tgt has no subpage FFh",
    "ours",
    "SPC-4 6.11.1: all subpages of a page",
    (d) => isNamed(d, "MODE SENSE") && isGood(d.ours) && says(d.tgt, FIELD) && d.step.command.cdb[3] === 0xff,
  ),
];
