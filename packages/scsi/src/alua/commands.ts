// Knows REPORT TARGET PORT GROUPS and SET TARGET PORT GROUPS (SPC-4 6.37, 6.45): the rows of the opcode table for units that several
// ports lead to.

import { get16, get32, put16, put32 } from "../big-endian.js";
import { COMMANDS } from "../cdb.js";
import {
  type CommandRow,
  check,
  type DeviceServer,
  invalidField,
  invalidParameter,
  reply,
  row,
  takeParameters,
} from "../device-server.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import type { PortGroup, TargetPortGroups } from "./groups.js";
import { ACCESS_STATES, type AccessState, accessStateOf } from "./states.js";

/** A device that target port groups lead to; null where there is one way to it, or none is better than another. */
export interface PortedDevice extends DeviceServer {
  readonly portGroups: TargetPortGroups | null;
}

/** The rows, in the order of their opcodes; an initiator sets states where one group at least lets it. */
export function portGroupRows(explicit: boolean): CommandRow<PortedDevice>[] {
  const rows: CommandRow<PortedDevice>[] = [
    row(COMMANDS.reportTargetPortGroups, "e0 00 00 00 00 ff ff ff ff 00 00", reportTargetPortGroups, {
      data: "in",
      access: "asks",
      reach: "always",
    }),
  ];
  if (explicit) {
    rows.push(
      row(COMMANDS.setTargetPortGroups, "00 00 00 00 00 ff ff ff ff 00 00", setTargetPortGroups, {
        data: "out",
        reach: "unavailable",
      }),
    );
  }
  return rows;
}

/** PARAMETER DATA FORMAT (SPC-4 table 303): the top three bits of byte 1. */
const Format = { lengthOnly: 0, extended: 1 } as const;
const FORMAT_BIT = 7;
const GROUP_SIZE = 8;
const PORT_SIZE = 4;

function reportTargetPortGroups(device: PortedDevice, task: Task): void {
  const { cdb } = task;
  const format = cdb[1] >>> 5;
  if (format > Format.extended) return invalidField(device, task, 1, FORMAT_BIT);
  const portGroups = device.portGroups as TargetPortGroups;
  const groups = portGroups.all.filter(({ ports }) => ports.length > 0);
  const header = format === Format.extended ? 8 : 4;
  const size = groups.reduce((sum, { ports }) => sum + GROUP_SIZE + PORT_SIZE * ports.length, header);
  const answer = new Uint8Array(size);
  put32(answer, 0, size - 4);
  if (format === Format.extended) {
    answer[4] = Format.extended << 4;
    answer[5] = portGroups.groupOf(task)?.transitionTime ?? 0;
  }
  let at = header;
  for (const group of groups) at = writeGroup(answer, at, group);
  reply(task, answer, size, get32(cdb, 6));
}

/** SPC-4 table 305, and where the next one goes. */
function writeGroup(
  bytes: Uint8Array,
  at: number,
  { id, ports, state, preferred, cause, supports }: PortGroup,
): number {
  bytes[at] = (preferred ? 0x80 : 0) | ACCESS_STATES[state].code;
  bytes[at + 1] = supports.reduce((bits, name) => bits | ACCESS_STATES[name].supported, 0);
  put16(bytes, at + 2, id);
  bytes[at + 5] = cause;
  bytes[at + 7] = ports.length;
  for (const [index, port] of ports.entries()) put16(bytes, at + GROUP_SIZE + PORT_SIZE * index + 2, port);
  return at + GROUP_SIZE + PORT_SIZE * ports.length;
}

const LIST_HEADER = 4;
const DESCRIPTOR_SIZE = 4;

/** Nothing is changed unless all that is asked for can be. */
function setTargetPortGroups(device: PortedDevice, task: Task): void {
  const portGroups = device.portGroups as TargetPortGroups;
  if (portGroups.groupOf(task)?.explicit === false) return check(device, task, SENSE.invalidOpcode);
  const length = get32(task.cdb, 6);
  if (length === 0) return task.end(Status.good);
  if (length % DESCRIPTOR_SIZE !== 0) return check(device, task, SENSE.parameterListLengthError);
  if (!takeParameters(device, task, length)) return;
  // While a group is between two states, what comes of another change is not known (SPC-4 6.45).
  if (portGroups.isChanging) return check(device, task, SENSE.accessStateTransition);
  const states = new Map<PortGroup, AccessState>();
  for (let at = LIST_HEADER; at < length; at += DESCRIPTOR_SIZE) {
    const state = accessStateOf(device.scratch[at] & 0x0f);
    const group = portGroups.find(get16(device.scratch, at + 2));
    if (group === undefined || !group.explicit || states.has(group)) {
      return invalidParameter(device, task, at + 2, null);
    }
    if (state === undefined || !ACCESS_STATES[state].settable || !group.supports.includes(state)) {
      return invalidParameter(device, task, at, 3);
    }
    states.set(group, state);
  }
  task.transferLength = length;
  portGroups.change(states, task, (changed, asking) => {
    if (changed) asking?.end(Status.good);
    else if (asking !== null) check(device, asking, SENSE.setTargetPortGroupsFailed);
  });
}
