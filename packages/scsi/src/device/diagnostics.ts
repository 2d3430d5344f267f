// Knows SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS (SPC-4 6.42, 6.28): the default self-test, and the one page that lists itself.

import { get16 } from "../big-endian.js";
import { check, invalidField, invalidParameter, reply, takeParameters } from "../device-server.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import type { Device } from "./device.js";

const PF = 0x10;
const SELF_TEST = 0x04;
const PAGE_HEADER = 4;

/** DEVOFFL and UNITOFFL allow what is not done here; self-tests with a code of their own are none of the row's. */
export function sendDiagnostic<D extends Device>(
  device: D,
  task: Task,
  selfTest: (device: D, task: Task) => void,
): void {
  const { cdb } = task;
  const length = get16(cdb, 3);
  if ((cdb[1] & SELF_TEST) !== 0) return length === 0 ? selfTest(device, task) : invalidField(device, task, 3, null);
  if (length === 0) return task.end(Status.good);
  // Without PF the list would be in a vendor's own format.
  if ((cdb[1] & PF) === 0) return invalidField(device, task, 1, 4);
  if (!takeParameters(device, task, length)) return;
  if (length < PAGE_HEADER) return check(device, task, SENSE.parameterListLengthError);
  if (device.scratch[0] !== 0) return invalidParameter(device, task, 0, null);
  if (get16(device.scratch, 2) !== 0) return invalidParameter(device, task, 2, null);
  task.transferLength = length;
  task.end(Status.good);
}

const PCV = 0x01;
const SUPPORTED_PAGES = Uint8Array.of(0x00, 0x00, 0x00, 0x01, 0x00);

/** Without PCV it answers the last SEND DIAGNOSTIC, which can have asked for nothing else. */
export function receiveDiagnosticResults(device: Device, task: Task): void {
  const { cdb } = task;
  if (cdb[2] !== 0 && (cdb[1] & PCV) === 0) return invalidField(device, task, 1, 0);
  if (cdb[2] !== 0) return invalidField(device, task, 2, null);
  reply(task, SUPPORTED_PAGES, SUPPORTED_PAGES.length, get16(cdb, 3));
}
