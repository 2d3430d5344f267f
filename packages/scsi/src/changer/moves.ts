// Knows the commands that have the robot do something (SMC-3 6.2 to 6.7): which elements their CDBs name.

import { get16 } from "../big-endian.js";
import { check, endWithField, invalidField } from "../device-server.js";
import { SENSE } from "../sense.js";
import type { Task } from "../task.js";
import type { Changer } from "./changer.js";
import type { Element } from "./elements.js";

/** The element that a CDB names at a byte; null, and the task is ended, where there is none. */
function elementIn(changer: Changer, task: Task, byte: number): Element | null {
  const element = changer.library.elementAt(get16(task.cdb, byte));
  return element ?? noElement(changer, task, byte);
}

/** Likewise one that cartridges are put into and taken from: a transport element keeps none (STORMT of mode page 1Fh). */
function placeIn(changer: Changer, task: Task, byte: number): Element | null {
  const element = elementIn(changer, task, byte);
  if (element?.kind !== "transport") return element;
  invalidField(changer, task, byte, null);
  return null;
}

function noElement(changer: Changer, task: Task, byte: number): null {
  endWithField(changer, task, SENSE.invalidElementAddress, { in: "cdb", byte, bit: null });
  return null;
}

const TRANSPORT = 2;

/** False, and the task is ended, where the CDB names another transport element than there is. */
function hasTransport(changer: Changer, task: Task): boolean {
  if (changer.library.transportAt(get16(task.cdb, TRANSPORT)) !== undefined) return true;
  noElement(changer, task, TRANSPORT);
  return false;
}

export function moveMedium(changer: Changer, task: Task): void {
  if (!hasTransport(changer, task)) return;
  const from = placeIn(changer, task, 4);
  const to = from === null ? null : placeIn(changer, task, 6);
  if (from === null || to === null) return;
  changer.employ(task, () => changer.library.move(from, to));
}

export function exchangeMedium(changer: Changer, task: Task): void {
  if (!hasTransport(changer, task)) return;
  const from = placeIn(changer, task, 4);
  const first = from === null ? null : placeIn(changer, task, 6);
  const second = first === null ? null : placeIn(changer, task, 8);
  if (from === null || first === null || second === null) return;
  // What is to be exchanged with itself, or to go where it is, is no exchange (SMC-3 6.2).
  if (first === from) return invalidField(changer, task, 6, null);
  if (second === first) return invalidField(changer, task, 8, null);
  changer.employ(task, () => changer.library.exchange(from, first, second));
}

/** The robot is where it is wanted as soon as it has nothing else to do. */
export function positionToElement(changer: Changer, task: Task): void {
  if (!hasTransport(changer, task) || elementIn(changer, task, 4) === null) return;
  changer.employ(task, async () => null);
}

/** What is where is always known; it is over when what the robot does now is. */
export function initializeElementStatus(changer: Changer, task: Task): void {
  changer.employ(task, async () => null);
}

const RANGE = 0x01;

/** SMC-3 6.4: from an element on; a number of zero, and no RANGE, is all. */
export function initializeRange(changer: Changer, task: Task): void {
  if ((task.cdb[1] & RANGE) !== 0 && elementIn(changer, task, 2) === null) return;
  changer.employ(task, async () => null);
}

const OPEN = 0;
const CLOSE = 1;

/** SMC-3 6.7: lets an operator have an import/export element, or takes it back. */
export function openCloseImportExport(changer: Changer, task: Task): void {
  const { cdb } = task;
  const element = elementIn(changer, task, 2);
  if (element === null) return;
  if (element.kind !== "importExport") return invalidField(changer, task, 2, null);
  const action = cdb[4];
  if (action > CLOSE) return invalidField(changer, task, 4, 4);
  if (action === OPEN && changer.prevented) return check(changer, task, SENSE.mediumRemovalPrevented);
  changer.employ(task, async () => {
    element.open = action === OPEN;
    return null;
  });
}
