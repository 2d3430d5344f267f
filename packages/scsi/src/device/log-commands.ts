// Knows LOG SENSE and LOG SELECT (SPC-4 6.6, 6.7): which values of which page, and setting counters back. Nothing is saved, and there are
// no thresholds.

import { get16, put16 } from "../big-endian.js";
import { invalidField, reply } from "../device-server.js";
import { Status, type Task } from "../task.js";
import type { Device } from "./device.js";
import { type LogPage, writeParameter } from "./log-pages.js";

/** PAGE CONTROL. */
const Control = { threshold: 0, cumulative: 1, defaultThreshold: 2, defaultCumulative: 3 } as const;
const ALL_SUBPAGES = 0xff;
const HEADER = 4;
const DISABLE_SAVE = 0x80;
const SUBPAGE_FORMAT = 0x40;

export function logSense<D extends Device>(device: D, task: Task, pages: readonly LogPage<D>[]): void {
  const { cdb } = task;
  const page = pages.find(({ code }) => code === (cdb[2] & 0x3f));
  if (page === undefined) return invalidField(device, task, 2, 5);
  if (page.parameters === undefined) return listPages(device, task, pages);
  if (cdb[3] !== 0) return invalidField(device, task, 3, null);
  const control = cdb[2] >>> 6;
  if (control === Control.threshold || control === Control.defaultThreshold) return invalidField(device, task, 2, 7);
  const values = control === Control.cumulative ? "cumulative" : "default";
  // From the one that is asked for on.
  const parameters = page.parameters(device, values).filter(({ code }) => code >= get16(cdb, 5));
  if (parameters.length === 0) return invalidField(device, task, 5, null);
  const bytes = device.scratch;
  let at = HEADER;
  for (const parameter of parameters) at = writeParameter(bytes, at, parameter);
  bytes[0] = DISABLE_SAVE | page.code;
  bytes[1] = 0;
  put16(bytes, 2, at - HEADER);
  reply(task, bytes, at, get16(cdb, 7));
}

/** Supported Log Pages, and with the subpage FFh, which is there besides, Supported Log Pages and Subpages. */
function listPages(device: Device, task: Task, pages: readonly { readonly code: number }[]): void {
  const { cdb } = task;
  const subpage = cdb[3];
  if (subpage !== 0 && subpage !== ALL_SUBPAGES) return invalidField(device, task, 3, null);
  if (get16(cdb, 5) !== 0) return invalidField(device, task, 5, null);
  const codes = pages.map(({ code }) => code);
  const list = subpage === 0 ? codes : [0, 0, 0, ALL_SUBPAGES, ...codes.slice(1).flatMap((code) => [code, 0])];
  device.scratch.set([subpage === 0 ? 0 : SUBPAGE_FORMAT, subpage, 0, list.length, ...list]);
  reply(task, device.scratch, HEADER + list.length, get16(cdb, 7));
}

const PCR = 0x02;

/** Counters are set back by PCR, or to their defaults; a list of values that they should have is not taken. */
export function logSelect<D extends Device>(device: D, task: Task, pages: readonly LogPage<D>[]): void {
  const { cdb } = task;
  const chosen = cdb[2] & 0x3f;
  if (get16(cdb, 7) !== 0) return invalidField(device, task, 7, null);
  if (!pages.some(({ code }) => code === chosen)) return invalidField(device, task, 2, 5);
  if (cdb[3] !== 0) return invalidField(device, task, 3, null);
  // Page 0 stands for all (SPC-4 6.6).
  const addressed = pages.filter(({ code }) => chosen === 0 || code === chosen);
  if ((cdb[1] & PCR) !== 0 || cdb[2] >>> 6 === Control.defaultCumulative) setBack(device, task, addressed);
  task.end(Status.good);
}

function setBack<D extends Device>(device: D, task: Task, pages: readonly LogPage<D>[]): void {
  let changed = false;
  for (const page of pages) {
    const counters = page.counters?.(device);
    if (counters === undefined || counters.fresh) continue;
    counters.clear();
    changed = true;
  }
  if (changed) device.notify("log-parameters-changed", task);
}
