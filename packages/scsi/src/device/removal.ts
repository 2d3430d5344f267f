// Knows PREVENT ALLOW MEDIUM REMOVAL (SPC-4 6.18), and whether the medium may be removed.

import type { AccessName } from "../reservations/access.js";
import { Status, type Task } from "../task.js";
import type { Device } from "./device.js";

/** Whether any initiator that is still there prevents it. */
export function removalPrevented(device: Device): boolean {
  forgetLost(device);
  return device.preventing.size > 0;
}

/** Nexuses that were lost since do not count (SPC-4 6.18), nor are they kept for one that comes and goes. */
function forgetLost({ preventing }: Device): void {
  for (const nexus of preventing) if (!nexus.open) preventing.delete(nexus);
}

/** To allow is allowed to everybody. */
export function preventAccess(cdb: Uint8Array): AccessName {
  return (cdb[4] & 0x03) === 0 ? "asks" : "writes";
}

export function preventAllow(device: Device, task: Task): void {
  forgetLost(device);
  if (task.nexus !== null && (task.cdb[4] & 0x01) !== 0) device.preventing.add(task.nexus);
  else if (task.nexus !== null) device.preventing.delete(task.nexus);
  task.end(Status.good);
}
