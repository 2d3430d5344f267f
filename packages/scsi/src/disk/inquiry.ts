// Knows INQUIRY and the standard data of a disk (SPC-4 6.6).

import { ACCESS_STATES } from "../alua/states.js";
import { get16, put16, putText } from "../big-endian.js";
import { invalidField, reply } from "../device-server.js";
import type { Task } from "../task.js";
import type { Disk } from "./disk.js";
import { writeVpdPage } from "./vpd-pages.js";

const STANDARD_LENGTH = 96;
/** SAM-5, SPC-4 and SBC-3, no version claimed (SPC-4 annex E). */
const VERSION_DESCRIPTORS = [0x00a0, 0x0460, 0x04c0];

export function inquiry(disk: Disk, task: Task): void {
  const { cdb } = task;
  const allocationLength = get16(cdb, 3);
  if ((cdb[1] & 0x01) === 0) {
    if (cdb[2] !== 0) return invalidField(disk, task, 2, null);
    writeStandard(disk, disk.scratch, task);
    return reply(task, disk.scratch, STANDARD_LENGTH, allocationLength);
  }
  const length = writeVpdPage(disk, cdb[2], disk.scratch, task);
  if (length === null) return invalidField(disk, task, 2, null);
  disk.scratch[0] = peripheral(disk, task);
  reply(task, disk.scratch, length, allocationLength);
}

/** Peripheral qualifier 001b: the unit is not connected to this port now (SPC-4 5.15.2.4.5). */
const APART = 0x20;

/** The first byte of standard data and of every VPD page. */
function peripheral({ deviceType, portGroups }: Disk, task: Task): number {
  const group = portGroups?.groupOf(task);
  return group !== undefined && ACCESS_STATES[group.state].apart ? APART | deviceType : deviceType;
}

/** TPGS, of the group that was asked. */
function tpgs({ portGroups }: Disk, task: Task): number {
  const group = portGroups?.groupOf(task);
  return (group?.implicit ? 0x10 : 0) | (group?.explicit ? 0x20 : 0);
}

function isMultiPort({ portGroups }: Disk): boolean {
  return portGroups !== null && portGroups.all.flatMap(({ ports }) => ports).length > 1;
}

function writeStandard(disk: Disk, bytes: Uint8Array, task: Task): void {
  const { vendor, product, revision } = disk.identity;
  bytes.fill(0, 0, STANDARD_LENGTH);
  bytes[0] = peripheral(disk, task);
  bytes[1] = disk.removable ? 0x80 : 0;
  bytes[2] = 0x06; // SPC-4
  bytes[3] = 0x02; // response data format
  bytes[4] = STANDARD_LENGTH - 5;
  bytes[5] = tpgs(disk, task) | (disk.features.thirdPartyCopy ? 0x08 : 0); // 3PC
  bytes[6] = isMultiPort(disk) ? 0x10 : 0; // MULTIP
  bytes[7] = 0x02; // CMDQUE
  putText(bytes, 8, 8, vendor);
  putText(bytes, 16, 16, product);
  putText(bytes, 32, 4, revision);
  for (const [index, version] of VERSION_DESCRIPTORS.entries()) put16(bytes, 58 + 2 * index, version);
}
