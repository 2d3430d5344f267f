// Knows SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS (SPC-4 6.42, 6.28): the default self-test, the page that lists the others, and how a
// device type's own pages are found.

import { get16 } from "../big-endian.js";
import { check, invalidField, invalidParameter, reply, takeParameters } from "../device-server.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import type { Device } from "./device.js";
import type { WrongField } from "./mode-pages.js";

/** A diagnostic page of a device type. */
export interface DiagnosticPage<D extends Device> {
  readonly code: number;
  readonly name: string;
  /** The whole page, its header as well. */
  readonly read: (device: D) => Uint8Array;
  /** Does what a page of this code asks for, or says what is wrong with it; a page that cannot be sent has none. */
  readonly write?: (device: D, page: Uint8Array) => WrongField | null;
}

/** What of a device type diagnostics need. */
export interface Diagnostics<D extends Device> {
  readonly diagnosticPages?: readonly DiagnosticPage<D>[];
  /** The default self-test; ends the task. */
  readonly selfTest: (device: D, task: Task) => void;
}

const PF = 0x10;
const SELF_TEST = 0x04;
const PAGE_HEADER = 4;

/** DEVOFFL and UNITOFFL allow what is not done here; self-tests with a code of their own are none of the row's. */
export function sendDiagnostic<D extends Device>(
  device: D,
  task: Task,
  { selfTest, diagnosticPages = [] }: Diagnostics<D>,
): void {
  const { cdb } = task;
  const length = get16(cdb, 3);
  if ((cdb[1] & SELF_TEST) !== 0) return length === 0 ? selfTest(device, task) : invalidField(device, task, 3, null);
  if (length === 0) return task.end(Status.good);
  // Without PF the list would be in a vendor's own format.
  if ((cdb[1] & PF) === 0) return invalidField(device, task, 1, 4);
  if (!takeParameters(device, task, length)) return;
  if (length < PAGE_HEADER) return check(device, task, SENSE.parameterListLengthError);
  const wrong = take(device, device.scratch.subarray(0, length), diagnosticPages);
  if (wrong !== null) return invalidParameter(device, task, wrong.byte, wrong.bit);
  task.transferLength = length;
  task.end(Status.good);
}

/** The page that lists pages asks for nothing. */
function take<D extends Device>(device: D, list: Uint8Array, pages: readonly DiagnosticPage<D>[]): WrongField | null {
  const [code] = list;
  if (code === 0) return get16(list, 2) === 0 ? null : { byte: 2, bit: null };
  const page = pages.find((row) => row.code === code);
  if (page?.write === undefined) return { byte: 0, bit: null };
  if (PAGE_HEADER + get16(list, 2) !== list.length) return { byte: 2, bit: null };
  return page.write(device, list);
}

const PCV = 0x01;

/** Without PCV it answers the last SEND DIAGNOSTIC as if that had asked for the list of pages. */
export function receiveDiagnosticResults<D extends Device>(
  device: D,
  task: Task,
  { diagnosticPages = [] }: Diagnostics<D>,
): void {
  const { cdb } = task;
  if (cdb[2] !== 0 && (cdb[1] & PCV) === 0) return invalidField(device, task, 1, 0);
  const answer =
    cdb[2] === 0 ? listOf(diagnosticPages) : diagnosticPages.find(({ code }) => code === cdb[2])?.read(device);
  if (answer === undefined) return invalidField(device, task, 2, null);
  reply(task, answer, answer.length, get16(cdb, 3));
}

/** Supported diagnostic pages (SPC-4 7.2.3), itself among them. */
function listOf(pages: readonly { readonly code: number }[]): Uint8Array {
  return Uint8Array.of(0, 0, 0, 1 + pages.length, 0, ...pages.map(({ code }) => code));
}
