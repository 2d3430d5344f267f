// Knows which way a command's data goes where the initiator's buffer may be used either way, as vscsiif's bidirectional one may: a real
// device has to be told one way, and only the opcode says which.

import type { DataDirection, Task } from "../task.js";

/** Opcodes whose data goes to the device (SPC-4, SBC-3, SSC-4, MMC-6, SMC-3); all others fetch it. */
const SENDS: ReadonlySet<number> = new Set([
  0x04, 0x07, 0x0a, 0x15, 0x1d, 0x24, 0x2a, 0x2e, 0x30, 0x31, 0x32, 0x38, 0x39, 0x3a, 0x3b, 0x3d, 0x3f, 0x40, 0x41,
  0x42, 0x4c, 0x53, 0x55, 0x5d, 0x5f, 0x7f, 0x83, 0x87, 0x89, 0x8a, 0x8b, 0x8d, 0x8e, 0x93, 0x9c, 0x9f, 0xa4, 0xaa,
  0xae, 0xb0, 0xb1, 0xb2, 0xb6, 0xbf,
]);

/** VERIFY takes data where BYTCHK is set (SBC-3 5.29). */
const VERIFIES: ReadonlySet<number> = new Set([0x2f, 0x8f, 0xaf]);
const BYTCHK = 0x06;

export function directionOf({ direction, cdb }: Task): DataDirection {
  if (direction !== "bidirectional") return direction;
  const sends = VERIFIES.has(cdb[0]) ? (cdb[1] & BYTCHK) !== 0 : SENDS.has(cdb[0]);
  return sends ? "to-device" : "from-device";
}
