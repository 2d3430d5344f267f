// Knows what is sent with commands that take lists: UNMAP, reservations, copies and mode pages as they should be, but for
// their values, and any bytes with all others.

import { COMMANDS } from "@pvscsi/scsi";
import type { Random } from "@pvscsi/wire";

/** Keys that initiators register by: few, so that one meets another's. */
const KEYS = 4;
const RESERVATION_LIST = 24;
const CONTROL: readonly number[] = [0x0a, 10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0];
const CACHING: readonly number[] = [0x08, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const D_SENSE_OR_WCE = 0x04;

/** `length` bytes for a CDB. */
export function randomParameters(random: Random, cdb: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  switch (cdb[0]) {
    case COMMANDS.unmap.opcode:
      unmapList(random, view);
      break;
    case COMMANDS.register.opcode:
      reservationList(random, view);
      break;
    case COMMANDS.extendedCopy.opcode:
      copyList(random, view);
      break;
    case COMMANDS.modeSelect6.opcode:
      modeList(random, bytes, 4);
      break;
    case COMMANDS.modeSelect10.opcode:
      modeList(random, bytes, 8);
      break;
    default:
      bytes.fill(random.below(256));
  }
  for (let wounds = random.chance(0.3) ? 1 + random.below(4) : 0; wounds > 0 && length > 0; wounds--) {
    bytes[random.below(length)] = random.below(256);
  }
  return bytes;
}

/** SBC-3 table 124. */
function unmapList(random: Random, view: DataView): void {
  if (view.byteLength < 24) return;
  const count = Math.floor((view.byteLength - 8) / 16);
  view.setUint16(0, view.byteLength - 2);
  view.setUint16(2, count * 16);
  for (let i = 0; i < count; i++) {
    view.setUint32(8 + 16 * i + 4, random.below(2048));
    view.setUint32(8 + 16 * i + 8, random.below(64));
  }
}

/** SPC-4 table 214. */
function reservationList(random: Random, view: DataView): void {
  if (view.byteLength < RESERVATION_LIST) return;
  view.setUint32(4, random.below(KEYS));
  view.setUint32(12, random.below(KEYS));
  view.setUint8(20, random.chance(0.1) ? random.below(16) : 0);
}

/** SPC-4 tables 111 and 112, with designators and a segment from block to block. */
function copyList(random: Random, view: DataView): void {
  if (view.byteLength < 108) return;
  view.setUint8(0, random.below(4));
  view.setUint16(2, 64);
  view.setUint32(8, 28);
  for (const at of [16, 48]) {
    view.setUint8(at, 0xe4);
    view.setUint8(at + 4, 1);
    view.setUint8(at + 5, 3);
    view.setUint8(at + 7, 8);
    view.setBigUint64(at + 8, 0x5000c50012345678n);
    view.setUint8(at + 29, 0x02);
  }
  view.setUint8(80, 0x02);
  view.setUint16(82, 24);
  view.setUint16(86, random.below(2));
  view.setUint16(90, random.below(64));
  view.setUint32(96, random.below(4096));
  view.setUint32(104, random.below(4096));
}

/** After a header without block descriptors: the control page by the short command, the caching page by the long one. */
function modeList(random: Random, bytes: Uint8Array, header: 4 | 8): void {
  const page = header === 4 ? CONTROL : CACHING;
  if (bytes.length < header + page.length) return;
  bytes.set(page, header);
  if (random.chance(0.5)) bytes[header + 2] = D_SENSE_OR_WCE;
}
