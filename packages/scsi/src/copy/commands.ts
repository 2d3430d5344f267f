// Knows EXTENDED COPY(LID1) and what asks about it: the rows of the opcode table for devices with a copy manager.

import { get32 } from "../big-endian.js";
import { COMMANDS } from "../cdb.js";
import {
  type CommandRow,
  check,
  type DeviceServer,
  endWithField,
  invalidField,
  invalidParameter,
  reply,
  row,
  takeParameters,
} from "../device-server.js";
import { SENSE, type Sense } from "../sense.js";
import { Status, type Task, type TaskNexus } from "../task.js";
import type { CopyFailure } from "./failure.js";
import { type CopyJob, type CopyManager, type CopyUnit, endWithFailure } from "./manager.js";
import { type CopyList, type CopyRefusal, type CopyTarget, readCopyList, type Segment } from "./parameters.js";
import { type CopyResult, writeCopyStatus, writeFailureDetails, writeOperatingParameters } from "./results.js";

/** A device with a copy manager, which is itself something to copy from and to. */
export interface CopyingDevice extends DeviceServer {
  readonly blockSize: number;
  readonly copies: CopyManager;
}

/** Seconds that the longest list may take over a slow store. */
const LONG = 600;

/** The rows, in the order of their opcodes. */
export function copyRows(): CommandRow<CopyingDevice>[] {
  const list = "00 00 00 00 00 00 00 00 00 ff ff ff ff 00 00";
  const asked = "00 ff 00 00 00 00 00 00 00 ff ff ff ff 00 00";
  const IN = { data: "in", access: "waits" } as const;
  return [
    row(COMMANDS.extendedCopy, list, extendedCopy, { data: "out", access: "writes", timeout: LONG }),
    row(COMMANDS.receiveCopyStatus, asked, receiveCopyStatus, IN),
    row(COMMANDS.receiveCopyParameters, asked, receiveCopyParameters, IN),
    row(COMMANDS.receiveCopyFailure, asked, receiveCopyFailure, IN),
  ];
}

function extendedCopy(device: CopyingDevice, task: Task): void {
  const length = get32(task.cdb, 10);
  if (length === 0 || task.nexus === null) return task.end(Status.good);
  if (!takeParameters(device, task, length)) return;
  const list = readCopyList(device.scratch, length);
  if ("sense" in list) return refuse(device, task, list);
  const units = list.targets.map((target) => findUnit(task.nexus as TaskNexus, target));
  const wrong = list.targets.find(({ blockSize }, index) => differs(units[index], blockSize));
  if (wrong !== undefined) return invalidParameter(device, task, wrong.blockSizeByte, null);
  task.transferLength = length;
  begin(device, task, list, units);
}

function begin(device: CopyingDevice, task: Task, { identifier, segments }: CopyList, units: readonly Found[]): void {
  const { copies } = device;
  const nexus = task.nexus as TaskNexus;
  if (identifier !== null && copies.results.find(nexus, identifier)?.state === "in-progress") {
    return check(device, task, SENSE.operationInProgress);
  }
  if (copies.full) {
    task.transferLength = 0;
    return task.end(Status.busy);
  }
  const result: CopyResult = { state: "in-progress", segments: 0, bytes: 0, failure: null };
  if (identifier !== null) copies.results.add(nexus, identifier, result);
  const jobs = findJobs(segments, units);
  if (Array.isArray(jobs)) return copies.begin(task, jobs, result, device.descriptorSense);
  result.state = "failed";
  result.failure = jobs;
  endWithFailure(task, jobs, device.descriptorSense);
}

function refuse(device: CopyingDevice, task: Task, { sense, byte, bit = null }: CopyRefusal): void {
  if (byte === undefined) check(device, task, sense);
  else endWithField(device, task, sense, { in: "parameter-list", byte, bit });
}

/** A unit to copy from or to, or why there is none. */
type Found = CopyUnit | Sense;

/** The segments with their units, or the first that cannot be copied: nothing is copied then. */
function findJobs(segments: readonly Segment[], units: readonly Found[]): CopyJob[] | CopyFailure {
  const jobs: CopyJob[] = [];
  for (const [index, segment] of segments.entries()) {
    const source = units.at(segment.source) ?? SENSE.unreachableCopyTarget;
    const destination = units.at(segment.destination) ?? SENSE.unreachableCopyTarget;
    const job = "key" in source ? source : "key" in destination ? destination : jobOf(segment, source, destination);
    if ("key" in job) return { sense: job, segment: index, party: null };
    jobs.push(job);
  }
  return jobs;
}

/** The unit of that name among those that the initiator can reach, or why there is none. */
function findUnit(nexus: TaskNexus, { designator, deviceType }: CopyTarget): Found {
  const lun = nexus.findLun((unit) => unit.copyable?.(designator) === true);
  const unit = lun === undefined ? undefined : nexus.unitAt(lun);
  if (lun === undefined || unit === undefined) return SENSE.copyTargetDeviceNotReachable;
  if (unit.deviceType !== deviceType || unit.blockSize === undefined) return SENSE.incorrectCopyTargetDeviceType;
  return { lun, unit, blockSize: unit.blockSize };
}

function differs(found: Found, blockSize: number): boolean {
  return !("key" in found) && found.blockSize !== blockSize;
}

function jobOf(segment: Segment, source: CopyUnit, destination: CopyUnit): CopyJob | Sense {
  const { sourceLba, destinationLba, blocks, countsDestination } = segment;
  const bytes = blocks * (countsDestination ? destination : source).blockSize;
  // Residual data is not kept: neither CAT nor PAD has anything to act on.
  if (bytes % source.blockSize !== 0 || bytes % destination.blockSize !== 0) return SENSE.unexpectedInexactSegment;
  return { source, destination, sourceLba, destinationLba, bytes };
}

const LIST_IDENTIFIER = 2;

/** What is remembered of the copy that is asked for; null when nothing is and the task is ended. */
function askedFor(device: CopyingDevice, task: Task): CopyResult | null {
  const { nexus } = task;
  const result = nexus === null ? undefined : device.copies.results.find(nexus, task.cdb[LIST_IDENTIFIER]);
  if (result === undefined) invalidField(device, task, LIST_IDENTIFIER, null);
  return result ?? null;
}

function receiveCopyStatus(device: CopyingDevice, task: Task): void {
  const result = askedFor(device, task);
  if (result === null) return;
  reply(task, device.scratch, writeCopyStatus(device.scratch, result), get32(task.cdb, 10));
}

function receiveCopyFailure(device: CopyingDevice, task: Task): void {
  const result = askedFor(device, task);
  if (result === null) return;
  const length = writeFailureDetails(device.scratch, result, device.descriptorSense);
  const allocationLength = get32(task.cdb, 10);
  // Whoever has all of the details does not need them twice (SPC-4 6.25).
  const told = result.failure !== null && length <= allocationLength && length <= task.data.length;
  if (told && task.nexus !== null) device.copies.results.forget(task.nexus, task.cdb[LIST_IDENTIFIER]);
  reply(task, device.scratch, length, allocationLength);
}

/** The list identifier does not matter. */
function receiveCopyParameters(device: CopyingDevice, task: Task): void {
  const length = writeOperatingParameters(device.scratch, device.blockSize);
  reply(task, device.scratch, length, get32(task.cdb, 10));
}
