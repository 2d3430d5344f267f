// Knows what a device says of its opcode table, and sends each bit that it says is reserved.

import { COMMANDS, decodeSense, SENSE } from "@pvscsi/scsi";
import { expect } from "chai";
import { type Initiator, toHex } from "./initiator.js";

export interface Reported {
  readonly opcode: number;
  readonly action: number;
  readonly hasAction: boolean;
  readonly length: number;
}

export const number32 = (value: number): string => value.toString(16).padStart(8, "0");
const ALL = `a3 0c 00 00 00 00 ${number32(8192)} 00 00`;

export function reportedBy(initiator: Initiator, step = 8, cdb = ALL): Reported[] {
  const { bytes } = initiator.send(cdb, { room: 8192 });
  const rows: Reported[] = [];
  for (let at = 4; at < bytes.length; at += step) {
    rows.push({
      opcode: bytes[at],
      action: (bytes[at + 2] << 8) | bytes[at + 3],
      hasAction: (bytes[at + 5] & 1) === 1,
      length: bytes[at + 7],
    });
  }
  return rows;
}

/** The usage map of one command, asked for by opcode and service action. */
export function usageOf(initiator: Initiator, { opcode, action, hasAction }: Reported): Uint8Array {
  const options = hasAction ? 2 : 1;
  const cdb = `a3 0c 0${options} ${toHex(Uint8Array.of(opcode, action >> 8, action & 255))} ${number32(512)} 00 00`;
  const { bytes } = initiator.send(cdb, { room: 512 });
  expect(bytes[1]).to.equal(0x03);
  return bytes.slice(4);
}

/** Sends every command with each reserved bit set: the sense must point to it. Returns how many bits that were. */
export function flipReservedBits(initiator: Initiator, rows: readonly Reported[]): number {
  let flipped = 0;
  for (const reported of rows) {
    const usage = usageOf(initiator, reported);
    expect(usage).to.have.length(reported.length);
    for (let byte = 1; byte < usage.length; byte++) {
      for (let bit = 7; bit >= 0; bit--) {
        const isAction = reported.hasAction && byte === 1 && bit < 5;
        // SCSI-2's LUN.
        const isIgnored = reported.opcode === COMMANDS.inquiry.opcode && byte === 1 && bit >= 5;
        if (isAction || isIgnored || usage[byte] & (1 << bit)) continue;
        const cdb = new Uint8Array(usage.length);
        cdb[0] = reported.opcode;
        if (reported.hasAction) cdb[1] = reported.action;
        // Bits below it are wrong too, so that the pointer must be at the highest of the first wrong byte.
        cdb[byte] |= ((2 << bit) - 1) & ~usage[byte] & (reported.hasAction && byte === 1 ? 0xe0 : 0xff);
        const sent = initiator.send(cdb);
        const what = `${toHex(cdb)}: ${sent.sense}`;
        expect(sent.status, what).to.equal(2);
        expect(decodeSense(sent.task.sense)?.field, what).to.deep.equal({ in: "cdb", byte, bit });
        sent.checked(SENSE.invalidFieldInCdb);
        flipped += 1;
      }
    }
  }
  return flipped;
}
