// Knows INQUIRY and its standard data (SPC-4 6.6).

import { ACCESS_STATES } from "../alua/states.js";
import { get16, put16, putText } from "../big-endian.js";
import { invalidField, reply } from "../device-server.js";
import type { Task } from "../task.js";
import type { Device } from "./device.js";
import type { ControlSettings } from "./mode-pages.js";
import type { DeviceModel } from "./model.js";
import { writeVpdPage } from "./vpd-pages.js";

const STANDARD_LENGTH = 96;

export function inquiry<D extends Device<S>, S extends ControlSettings>(
  device: D,
  task: Task,
  model: DeviceModel<D, S>,
): void {
  const { cdb } = task;
  const allocationLength = get16(cdb, 3);
  if ((cdb[1] & 0x01) === 0) {
    if (cdb[2] !== 0) return invalidField(device, task, 2, null);
    writeStandard(device, task, model);
    return reply(task, device.scratch, STANDARD_LENGTH, allocationLength);
  }
  const length = writeVpdPage(device, model.vpdPages, task);
  if (length === null) return invalidField(device, task, 2, null);
  device.scratch[0] = peripheral(device, task);
  reply(task, device.scratch, length, allocationLength);
}

/** Peripheral qualifier 001b: the unit is not connected to this port now (SPC-4 5.15.2.4.5). */
const APART = 0x20;

/** The first byte of standard data and of every VPD page. */
function peripheral({ deviceType, portGroups }: Device, task: Task): number {
  const group = portGroups?.groupOf(task);
  return group !== undefined && ACCESS_STATES[group.state].apart ? APART | deviceType : deviceType;
}

/** TPGS, of the group that was asked. */
function tpgs({ portGroups }: Device, task: Task): number {
  const group = portGroups?.groupOf(task);
  return (group?.implicit ? 0x10 : 0) | (group?.explicit ? 0x20 : 0);
}

function isMultiPort({ portGroups }: Device): boolean {
  return portGroups !== null && portGroups.all.flatMap(({ ports }) => ports).length > 1;
}

function writeStandard<D extends Device<S>, S extends ControlSettings>(
  device: D,
  task: Task,
  { versions, writeFlags }: DeviceModel<D, S>,
): void {
  const bytes = device.scratch;
  const { vendor, product, revision } = device.identity;
  bytes.fill(0, 0, STANDARD_LENGTH);
  bytes[0] = peripheral(device, task);
  bytes[1] = device.removable ? 0x80 : 0;
  bytes[2] = 0x06; // SPC-4
  bytes[3] = 0x02; // response data format
  bytes[4] = STANDARD_LENGTH - 5;
  bytes[5] = tpgs(device, task);
  bytes[6] = isMultiPort(device) ? 0x10 : 0; // MULTIP
  bytes[7] = 0x02; // CMDQUE
  writeFlags?.(device, bytes);
  putText(bytes, 8, 8, vendor);
  putText(bytes, 16, 16, product);
  putText(bytes, 32, 4, revision);
  for (const [index, version] of versions.entries()) put16(bytes, 58 + 2 * index, version);
}
