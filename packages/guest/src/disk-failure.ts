// Knows what the sense data of a failed disk command says about its block request. Prints nothing, changes nothing.

import { type Command, SenseKey } from "@pvscsi/scsi";
import type { BlockRequest } from "./block-request.js";
import { movesData } from "./disk-commands.js";
import type { DiskParameters } from "./disk-parameters.js";
import { senseOf } from "./disposition.js";
import type { Request } from "./request.js";

/**
 * The first byte on the disk that failed: medium and hardware errors tell the bad block in their INFORMATION field, and
 * what lies before it is good (sd_completed_bytes). Without it, all is bad.
 */
export function firstBadByte(request: Request, work: BlockRequest, disk: DiskParameters): number {
  const start = work.offset + request.from;
  const sense = senseOf(request.command);
  if (sense === null || sense.information === null || !movesData(work.operation)) return start;
  if (sense.key !== SenseKey.mediumError && sense.key !== SenseKey.hardwareError) return start;
  const bad = sense.information * disk.blockSize;
  return bad < start || bad >= start + request.bytes ? start : bad;
}

/** The target does not know the command, or not with these fields. */
export function isUnknownCommand(command: Command): boolean {
  const sense = senseOf(command);
  return sense?.key === SenseKey.illegalRequest && (sense.asc === 0x20 || sense.asc === 0x24);
}
