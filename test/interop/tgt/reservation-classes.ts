// Knows how the two may differ in who may do what, and who hears of it.

import { decodeSense, SenseKey, Status } from "@pvscsi/scsi";
import type { DifferenceClass } from "./classes.js";
import { type Answer, isGood } from "./difference.js";
import { isNamed, says } from "./predicates.js";

const KEYED = ["RESERVE", "RELEASE", "PREEMPT"].map((action) => `PERSISTENT RESERVE OUT/${action}`);

function isAttention({ decoded }: Answer): boolean {
  return decoded?.key === SenseKey.unitAttention;
}

/** The codes of a unit attention, in sense data or read by REQUEST SENSE. */
function told({ decoded, data }: Answer): string {
  const sense = decoded ?? decodeSense(data);
  return [sense?.asc ?? 0, sense?.ascq ?? 0].map((code) => code.toString(16).padStart(2, "0")).join("/");
}

export const RESERVED: readonly DifferenceClass[] = [
  {
    name: "tgt ends REQUEST SENSE with the unit attention instead of reading it",
    right: "ours",
    clause: "SPC-4 6.39, SAM-5 5.14: it is the command's data, and the status is GOOD",
    aspects: ["attention"],
    holds: ({ ours, tgt }) => {
      const read = decodeSense(ours.data);
      const { decoded } = tgt;
      return read !== null && decoded !== null && read.asc === decoded.asc && read.ascq === decoded.ascq;
    },
  },
  {
    name: "tgt tells a unit attention first, and we a reservation",
    right: "either",
    clause: "SAM-5 5.14: a unit attention waits while a command ends with RESERVATION CONFLICT",
    aspects: ["attention"],
    holds: ({ ours, tgt }) => ours.status === Status.reservationConflict && isAttention(tgt),
  },
  {
    name: "a unit attention that has waited for the end of a reservation, which tgt had told before",
    right: "either",
    clause: "SAM-5 5.14: the same, when the reservation has ended",
    aspects: ["attention"],
    holds: (d) => isNamed(d, "RELEASE") && d.situation.legacy && isAttention(d.ours) && isGood(d.tgt),
  },
  {
    name: "tgt's REQUEST SENSE does not say that there is no medium",
    right: "ours",
    clause: "SPC-4 6.39: what keeps the unit from being ready is its sense data",
    aspects: ["attention"],
    holds: (d) => isNamed(d, "START STOP UNIT") && told(d.ours) === "3a/00" && told(d.tgt) === "00/00",
  },
  {
    name: "tgt is never stopped",
    right: "ours",
    clause: "SBC-3 5.25: NOT READY, INITIALIZING COMMAND REQUIRED until it is started",
    aspects: ["attention"],
    holds: (d) => {
      const decoded = d.ours.decoded ?? decodeSense(d.ours.data);
      return isNamed(d, "START STOP UNIT") && decoded?.asc === 0x04 && decoded.ascq === 0x02;
    },
  },
  {
    name: "tgt lets nobody start the unit, or allow that its medium is removed, while another has a reservation of SPC-2",
    right: "ours",
    clause: "SPC-2 table 10: PREVENT of zero and START of one are allowed",
    aspects: ["outcome"],
    holds: (d) =>
      isNamed(d, "PREVENT ALLOW MEDIUM REMOVAL", "START STOP UNIT") && d.situation.legacy && says(d.ours, "good"),
  },
  {
    name: "tgt lets a command through that conflicts with a reservation of SPC-2",
    right: "ours",
    clause: "SPC-2 5.5.1: all but INQUIRY, REPORT LUNS, REQUEST SENSE and RELEASE conflict",
    aspects: ["outcome"],
    holds: ({ ours, tgt, situation }) =>
      situation.legacy && ours.status === Status.reservationConflict && tgt.status !== Status.reservationConflict,
  },
  {
    name: "tgt lets a command through that conflicts with a persistent reservation",
    right: "ours",
    clause: "SPC-4 tables 65 and 66, SBC-3 table 13",
    aspects: ["outcome"],
    holds: ({ ours, tgt, situation }) =>
      situation.reserved && ours.status === Status.reservationConflict && tgt.status !== Status.reservationConflict,
  },
  {
    name: "tgt reserves by RESERVE of SPC-2 beside a persistent reservation",
    right: "ours",
    clause: "SPC-4 5.13.3: for whoever the persistent one lets in it has no effect",
    aspects: ["attention"],
    holds: (d) =>
      isNamed(d, "RESERVE", "RELEASE") && d.ours.status === 0 && d.tgt.status === Status.reservationConflict,
  },
  {
    name: "tgt calls a registration that was preempted a reservation",
    right: "ours",
    clause: "SPC-4 5.13.11.2.4: REGISTRATIONS PREEMPTED to those whose keys are gone",
    aspects: ["attention"],
    holds: (d) => isNamed(d, "PERSISTENT RESERVE OUT/PREEMPT") && told(d.ours) === "2a/05" && told(d.tgt) === "2a/03",
  },
  {
    name: "tgt has MODE SENSE conflict with Write Exclusive",
    right: "ours",
    clause: "SPC-4 table 65: allowed; it reads",
    aspects: ["outcome"],
    holds: (d) => isNamed(d, "MODE SENSE") && d.situation.reserved && d.tgt.status === Status.reservationConflict,
  },
  {
    name: "tgt lets RESERVE and RELEASE of SPC-2 through where there are registrations",
    right: "ours",
    clause: "SPC-4 5.13.1: they end with RESERVATION CONFLICT",
    aspects: ["outcome"],
    holds: (d) => isNamed(d, "RESERVE", "RELEASE") && d.ours.status === Status.reservationConflict && isGood(d.tgt),
  },
  {
    name: "tgt does not look at the key of RESERVE, of a RELEASE of nothing, or of PREEMPT where it is zero",
    right: "ours",
    clause: "SPC-4 5.13.9, 5.13.11.2: RESERVATION CONFLICT where it is nobody's, or another's",
    aspects: ["outcome"],
    holds: (d) => isNamed(d, ...KEYED) && d.ours.status === Status.reservationConflict && isGood(d.tgt),
  },
  {
    name: "a type of reservation that there is not, by a nexus that is not registered",
    right: "either",
    clause: "SPC-4 5.13.9, 6.16.1: both are wrong",
    aspects: ["outcome"],
    holds: (d) =>
      d.step.command.cdb[0] === 0x5f && d.ours.status === Status.reservationConflict && says(d.tgt, "5/24/00"),
  },
  {
    name: "tgt has no ALL_TG_PT, SPEC_I_PT and APTPL",
    right: "either",
    clause: "SPC-4 6.15.4: as REPORT CAPABILITIES says",
    aspects: ["outcome"],
    holds: (d) =>
      d.step.command.cdb[0] === 0x5f &&
      isGood(d.ours) &&
      says(d.tgt, "5/24/00") &&
      (d.step.command.data?.[20] ?? 0) !== 0,
  },
  {
    name: "tgt counts a generation where nothing was registered",
    right: "ours",
    clause: "SPC-4 table 68: unregistered, and a key of zero: nothing is done",
    aspects: ["reservation"],
    holds: ({ step, ours, tgt }) => {
      const { cdb, data } = step.command;
      const isRegister = cdb[1] === 0x00 || cdb[1] === 0x06;
      const takesAway = data?.subarray(8, 16).every((byte) => byte === 0) ?? false;
      return isRegister && takesAway && ours.data[3] + 1 === tgt.data[3];
    },
  },
];
