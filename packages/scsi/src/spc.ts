// Knows the commands that every device type has: REQUEST SENSE, REPORT LUNS, and what the device says it supports.

import { get16, get32, put16, put32 } from "./big-endian.js";
import { type CommandRow, type CommandTable, type DeviceServer, invalidField, reply } from "./device-server.js";
import { writeLun } from "./lun.js";
import { SENSE, type Sense, writeSense } from "./sense.js";
import type { Task } from "./task.js";

/** A device that can report its own table. */
export interface DescribedDevice extends DeviceServer {
  readonly table: CommandTable<never>;
}

/**
 * Of INQUIRY's row. SCSI-2 has the LUN in bits 5 to 7 of byte 1 (7.2.2), and whoever does not know yet which standard a target
 * follows puts it there: Linux does while it has seen no unit of that target, and without an answer it sees none.
 */
export const INQUIRY_OPTIONS = { data: "in", ignored: 0xe0, access: "asks", reach: "always" } as const;

/**
 * REQUEST SENSE (SPC-4 6.39): what keeps the device from its commands and how far that is, which initiators ask for again and
 * again; else a pending unit attention, why the port does not lead to it, why the device is not ready, or no sense.
 */
export function requestSense(device: DeviceServer, task: Task): void {
  const { condition, paths, scratch } = device;
  const attention = condition?.sense ?? task.nexus?.takeAttention(task.lun);
  const pending: Sense = attention ?? paths?.refusal(task, "active") ?? device.notReady() ?? SENSE.none;
  const descriptor = (task.cdb[1] & 0x01) !== 0;
  reply(task, scratch, writeSense(scratch, pending, { descriptor, progress: condition?.progress }), task.cdb[4]);
}

/** SELECT REPORT: units by their own LUNs, well known ones alone, or all. */
const Select = { addressed: 0x00, wellKnown: 0x01, all: 0x02 } as const;

/** REPORT LUNS (SPC-4 6.33): what the initiator can reach. */
export function reportLuns(device: DeviceServer, task: Task): void {
  const select = task.cdb[2];
  if (select > Select.all) return invalidField(device, task, 2, null);
  const luns = task.nexus?.reportLuns() ?? [];
  const wellKnown = task.nexus?.wellKnownLuns ?? [];
  if (select === Select.wellKnown) return replyLuns(task, wellKnown);
  replyLuns(task, select === Select.all ? [...luns, ...wellKnown] : luns);
}

function replyLuns(task: Task, luns: readonly number[]): void {
  const answer = new Uint8Array(8 + 8 * luns.length);
  put32(answer, 0, 8 * luns.length);
  for (const [index, lun] of luns.entries()) writeLun(answer, 8 + 8 * index, lun);
  reply(task, answer, answer.length, get32(task.cdb, 6));
}

/** REPORT SUPPORTED OPERATION CODES (SPC-4 6.35), from the same table that executes. */
export function reportSupportedOpcodes(device: DescribedDevice, task: Task): void {
  const options = task.cdb[2] & 0x07;
  const timeouts = (task.cdb[2] & 0x80) !== 0;
  const opcode = task.cdb[3];
  const action = get16(task.cdb, 4);
  if (options === 0) return reportAll(device, task, timeouts);
  if (options > 3) return invalidField(device, task, 2, 2);
  const actions = device.table.hasActions(opcode);
  const found = device.table.find(opcode, action);
  if (options === 1 ? actions : options === 2 && found !== undefined && !actions) {
    return invalidField(device, task, 2, 2);
  }
  const matches = options === 1 || actions || action === 0;
  reportOne(task, matches ? found : undefined, timeouts);
}

const ROW_SIZE = 8;
const TIMEOUTS_SIZE = 12;

function reportAll({ table }: DescribedDevice, task: Task, timeouts: boolean): void {
  const size = timeouts ? ROW_SIZE + TIMEOUTS_SIZE : ROW_SIZE;
  const answer = new Uint8Array(4 + table.rows.length * size);
  put32(answer, 0, answer.length - 4);
  for (const [index, entry] of table.rows.entries()) {
    const at = 4 + index * size;
    const { opcode, serviceAction, length } = entry.command;
    answer[at] = opcode;
    put16(answer, at + 2, serviceAction ?? 0);
    answer[at + 5] = (timeouts ? 0x02 : 0) | (serviceAction === null ? 0 : 0x01);
    put16(answer, at + 6, length);
    if (timeouts) writeTimeouts(answer, at + ROW_SIZE, entry);
  }
  reply(task, answer, answer.length, get32(task.cdb, 6));
}

function reportOne(task: Task, entry: CommandRow<never> | undefined, timeouts: boolean): void {
  const usage = entry?.usage ?? new Uint8Array(0);
  const answer = new Uint8Array(4 + usage.length + (entry !== undefined && timeouts ? TIMEOUTS_SIZE : 0));
  answer[1] = entry === undefined ? 0x01 : 0x03;
  put16(answer, 2, usage.length);
  answer.set(usage, 4);
  if (entry !== undefined && timeouts) {
    answer[1] |= 0x80;
    writeTimeouts(answer, 4 + usage.length, entry);
  }
  reply(task, answer, answer.length, get32(task.cdb, 6));
}

/** Command timeouts descriptor (SPC-4 6.35.4): no nominal time, but one to wait before error recovery. */
function writeTimeouts(bytes: Uint8Array, at: number, entry: CommandRow<never>): void {
  put16(bytes, at, TIMEOUTS_SIZE - 2);
  put32(bytes, at + 8, entry.timeout);
}

/**
 * What the task manager does, whether or not the initiator's wire has a word for it: ABORT TASK, ABORT TASK SET, CLEAR TASK SET,
 * LOGICAL UNIT RESET, QUERY TASK, TARGET RESET; QUERY ASYNCHRONOUS EVENT, QUERY TASK SET, I_T NEXUS RESET. Not CLEAR ACA.
 */
const SUPPORTED_TMFS = [0xc0 | 0x10 | 0x08 | 0x04 | 0x02, 0x04 | 0x02 | 0x01];

/** REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-4 6.36); REPD asks for the long form, whose timeouts are none. */
export function reportSupportedTmfs(device: DeviceServer, task: Task): void {
  const long = (task.cdb[2] & 0x80) !== 0;
  const answer = device.scratch;
  answer.fill(0, 0, 16);
  answer.set(SUPPORTED_TMFS);
  answer[3] = long ? 0x0c : 0;
  reply(task, answer, long ? 16 : 4, get32(task.cdb, 6));
}
