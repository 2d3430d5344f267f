// Knows what two targets may say of themselves that is not the same, and what has to be all the same.

import type { DifferenceClass } from "./classes.js";
import type { Answer, Difference } from "./difference.js";
import { isNamed } from "./predicates.js";

function told(name: string, clause: string, holds: (difference: Difference) => boolean): DifferenceClass {
  return {
    name,
    right: "either",
    clause,
    aspects: ["residual", "data"],
    holds: (d) => d.ours.status === 0 && holds(d),
  };
}

export const SELF_DESCRIPTIONS: readonly DifferenceClass[] = [
  told(
    "INQUIRY: another version, and other features",
    "SPC-4 6.6.2: type, RMB, format, CMDQUE and names are compared",
    (d) => isNamed(d, "INQUIRY") && (d.step.command.cdb[1] & 0x01) === 0 && sameInquiry(d.ours.data, d.tgt.data),
  ),
  told(
    "VPD pages that say what one has and the other has not",
    "SPC-4 7.8, SBC-3 6.6: page codes, serial number and provisioning are compared",
    (d) => isNamed(d, "INQUIRY") && (d.step.command.cdb[1] & 0x01) !== 0 && samePage(d.ours.data, d.tgt.data),
  ),
  told(
    "mode pages that say what one has and the other has not",
    "SPC-4 7.5, SBC-3 6.5: WP, DPOFUA, WCE and SWP are compared",
    (d) => isNamed(d, "MODE SENSE") && sameMode(d) && sameDescriptor(d),
  ),
  {
    name: "tgt's block descriptor says no number of blocks, or what a MODE SELECT has left there that it refused",
    right: "ours",
    clause: "SBC-3 6.5.2: the number of blocks, or FFFFFFFFh; and SPC-4 6.9: nothing is changed by what is refused",
    aspects: ["residual", "data"],
    holds: (d) => d.ours.status === 0 && isNamed(d, "MODE SENSE") && sameMode(d),
  },
  told(
    "REPORT SUPPORTED OPERATION CODES: we have more commands, and other masks",
    "SPC-4 6.35: what tgt lists has to be in ours, with its length",
    (d) => isNamed(d, "REPORT SUPPORTED OPERATION CODES") && sameCommands(d),
  ),
  told(
    "REPORT CAPABILITIES: we can do more",
    "SPC-4 6.15.4: the types have to be the same",
    ({ ours, tgt, ...d }) =>
      isNamed({ ours, tgt, ...d }, "PERSISTENT RESERVE IN/REPORT CAPABILITIES") &&
      same(ours.data.subarray(4), tgt.data.subarray(4)),
  ),
  {
    name: "tgt's REPORT LUNS has all units, whichever are asked for",
    right: "ours",
    clause: "SPC-4 6.33: SELECT REPORT 01h is for well known units",
    aspects: ["residual", "data"],
    holds: (d) => isNamed(d, "REPORT LUNS") && d.step.command.cdb[2] !== 0,
  },
  {
    name: "tgt calls any service action of an opcode supported",
    right: "ours",
    clause: "SPC-4 6.35.3: SUPPORT 001b where it is not",
    aspects: ["residual", "data"],
    holds: (d) =>
      isNamed(d, "REPORT SUPPORTED OPERATION CODES") &&
      d.ours.data[1] === 0x01 &&
      d.tgt.data.subarray(4, 4 + d.tgt.data[3]).every((byte) => byte === 0),
  },
  {
    name: "tgt has fixed sense data only",
    right: "ours",
    clause: "SPC-4 6.39: DESC asks for descriptors",
    aspects: ["residual", "data"],
    holds: (d) => isNamed(d, "REQUEST SENSE") && (d.step.command.cdb[1] & 0x01) !== 0 && sameDecoded(d.ours, d.tgt),
  },
];

function same(ours: Uint8Array, tgt: Uint8Array): boolean {
  const length = Math.min(ours.length, tgt.length);
  return Buffer.compare(ours.subarray(0, length), tgt.subarray(0, length)) === 0;
}

function sameBits(ours: Uint8Array, tgt: Uint8Array, at: number, mask: number): boolean {
  return at >= ours.length || at >= tgt.length || ((ours[at] ^ tgt[at]) & mask) === 0;
}

function sameInquiry(ours: Uint8Array, tgt: Uint8Array): boolean {
  const bits = [
    [0, 0xff],
    [1, 0xff],
    [3, 0x0f],
    [7, 0x02],
  ];
  // Of a unit that is not there only the first byte says something.
  const names = ours[0] !== 0 || same(ours.subarray(8, 36), tgt.subarray(8, 36));
  return names && bits.every(([at, mask]) => sameBits(ours, tgt, at, ours[0] !== 0 && at > 0 ? 0 : mask));
}

const LBPU_LBPWS_LBPRZ = 0xe4;

function samePage(ours: Uint8Array, tgt: Uint8Array): boolean {
  if (!same(ours.subarray(0, 2), tgt.subarray(0, 2)) || ours.length < 5 || tgt.length < 5) return ours.length < 5;
  switch (ours[1]) {
    case 0x00:
      return [...tgt.subarray(4)].every((code) => ours.length < 4 + ours[3] || ours.subarray(4).includes(code));
    case 0x80:
      // tgt fills its field from the right.
      return ours.length < 4 + ours[3] || tgt.length < 4 + tgt[3] || textOf(ours) === textOf(tgt);
    case 0xb2:
      return sameBits(ours, tgt, 5, LBPU_LBPWS_LBPRZ) && sameBits(ours, tgt, 6, 0x07);
    default:
      return true;
  }
}

function textOf(page: Uint8Array): string {
  return Buffer.from(page.subarray(4)).toString("latin1").trim();
}

const [WP, DPOFUA] = [0x80, 0x10];

/** The headers' bits, and of the current values WCE and SWP where both have the page. */
function sameMode({ step, ours, tgt }: Difference): boolean {
  const { cdb } = step.command;
  const [header, specific, lengthAt] = cdb[0] === 0x1a ? [4, 2, 3] : [8, 3, 7];
  if (!sameBits(ours.data, tgt.data, specific, WP | DPOFUA)) return false;
  if (!sameBits(ours.data, tgt.data, lengthAt, 0xff)) return isLong(cdb);
  const descriptor = ours.data[lengthAt] ?? 0;
  if (cdb[2] >>> 6 !== 0) return true;
  const [own, other] = [ours.data, tgt.data].map((data) => settingsOf(data, header + descriptor));
  return [...own].every(([name, bit]) => (other.get(name) ?? bit) === bit);
}

function sameDescriptor({ step, ours, tgt }: Difference): boolean {
  const at = step.command.cdb[0] === 0x1a ? 4 : 8;
  const [own, other] = [ours, tgt].map(({ data }) => data.subarray(at, at + (data[at - 1] ?? 0)));
  return own.length === 16 || same(own, other);
}

/** LLBAA asks for the long descriptor, which tgt does not have. */
function isLong(cdb: Uint8Array): boolean {
  return cdb[0] === 0x5a && (cdb[1] & 0x10) !== 0;
}

function settingsOf(data: Uint8Array, begin: number): Map<string, number> {
  const settings = new Map<string, number>();
  for (let at = begin; at + 5 <= data.length; ) {
    const [code, long] = [data[at] & 0x3f, (data[at] & 0x40) !== 0];
    if (code === 0x08 && !long) settings.set("WCE", data[at + 2] & 0x04);
    if (code === 0x0a && !long) settings.set("SWP", data[at + 4] & 0x08);
    at += long ? 4 + ((data[at + 2] << 8) | data[at + 3]) : 2 + data[at + 1];
  }
  return settings;
}

function sameCommands({ step, ours, tgt }: Difference): boolean {
  const { cdb } = step.command;
  if ((cdb[2] & 0x07) !== 0)
    return sameBits(ours.data, tgt.data, 1, 0x07) && same(ours.data.subarray(2, 5), tgt.data.subarray(2, 5));
  const [own, other] = [ours, tgt].map(({ data }) => rowsOf(data, (cdb[2] & 0x80) !== 0 ? 20 : 8));
  const cut = ours.data.length < 4 || ours.data.length < 4 + Buffer.from(ours.data).readUInt32BE(0);
  return cut || other.every((row) => own.includes(row));
}

/** Opcode, service action and length of each row. */
function rowsOf(data: Uint8Array, size: number): string[] {
  const rows: string[] = [];
  for (let at = 4; at + size <= data.length; at += size) {
    rows.push([data[at], data[at + 2], data[at + 3], data[at + 5] & 0x01, data[at + 7]].join(" "));
  }
  return rows;
}

function sameDecoded(ours: Answer, tgt: Answer): boolean {
  return ours.data.length < 4 || tgt.data.length < 14 || (ours.data[1] & 0x0f) === (tgt.data[2] & 0x0f);
}
