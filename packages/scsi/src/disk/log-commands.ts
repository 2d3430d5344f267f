// Knows LOG SENSE and LOG SELECT (SPC-4 6.6, 6.7): which values of which page, and setting counters back. Nothing is saved, and there are
// no thresholds.

import { get16, put16 } from "../big-endian.js";
import { invalidField, reply } from "../device-server.js";
import { Status, type Task } from "../task.js";
import { DiskCounters } from "./counters.js";
import type { Disk } from "./disk.js";
import { LOG_PAGES, type LogPage, writeParameter } from "./log-pages.js";

/** PAGE CONTROL. */
const Control = { threshold: 0, cumulative: 1, defaultThreshold: 2, defaultCumulative: 3 } as const;
const ALL_SUBPAGES = 0xff;
const HEADER = 4;
const DISABLE_SAVE = 0x80;
const SUBPAGE_FORMAT = 0x40;
const AT_POWER_ON = new DiskCounters();

export function logSense(disk: Disk, task: Task): void {
  const { cdb } = task;
  const page = LOG_PAGES.find(({ code }) => code === (cdb[2] & 0x3f));
  if (page === undefined) return invalidField(disk, task, 2, 5);
  if (page.parameters === undefined) return listPages(disk, task);
  if (cdb[3] !== 0) return invalidField(disk, task, 3, null);
  const control = cdb[2] >>> 6;
  if (control === Control.threshold || control === Control.defaultThreshold) return invalidField(disk, task, 2, 7);
  const counters = control === Control.cumulative ? disk.counters : AT_POWER_ON;
  // From the one that is asked for on.
  const parameters = page.parameters(counters, disk.blockSize).filter(({ code }) => code >= get16(cdb, 5));
  if (parameters.length === 0) return invalidField(disk, task, 5, null);
  const bytes = disk.scratch;
  let at = HEADER;
  for (const parameter of parameters) at = writeParameter(bytes, at, parameter);
  bytes[0] = DISABLE_SAVE | page.code;
  bytes[1] = 0;
  put16(bytes, 2, at - HEADER);
  reply(task, bytes, at, get16(cdb, 7));
}

/** Supported Log Pages, and with the subpage FFh, which is there besides, Supported Log Pages and Subpages. */
function listPages(disk: Disk, task: Task): void {
  const { cdb } = task;
  const subpage = cdb[3];
  if (subpage !== 0 && subpage !== ALL_SUBPAGES) return invalidField(disk, task, 3, null);
  if (get16(cdb, 5) !== 0) return invalidField(disk, task, 5, null);
  const codes = LOG_PAGES.map(({ code }) => code);
  const list = subpage === 0 ? codes : [0, 0, 0, ALL_SUBPAGES, ...codes.slice(1).flatMap((code) => [code, 0])];
  disk.scratch.set([subpage === 0 ? 0 : SUBPAGE_FORMAT, subpage, 0, list.length, ...list]);
  reply(task, disk.scratch, HEADER + list.length, get16(cdb, 7));
}

const PCR = 0x02;

/** Counters are set back by PCR, or to their defaults; a list of values that they should have is not taken. */
export function logSelect(disk: Disk, task: Task): void {
  const { cdb } = task;
  const chosen = cdb[2] & 0x3f;
  if (get16(cdb, 7) !== 0) return invalidField(disk, task, 7, null);
  if (!LOG_PAGES.some(({ code }) => code === chosen)) return invalidField(disk, task, 2, 5);
  if (cdb[3] !== 0) return invalidField(disk, task, 3, null);
  // Page 0 stands for all (SPC-4 6.6).
  const pages = LOG_PAGES.filter(({ code }) => chosen === 0 || code === chosen);
  if ((cdb[1] & PCR) !== 0 || cdb[2] >>> 6 === Control.defaultCumulative) setBack(disk, task, pages);
  task.end(Status.good);
}

function setBack(disk: Disk, task: Task, pages: readonly LogPage[]): void {
  let changed = false;
  for (const page of pages) {
    const counters = page.counters?.(disk.counters);
    if (counters === undefined || counters.fresh) continue;
    counters.clear();
    changed = true;
  }
  if (changed) disk.notify("log-parameters-changed", task);
}
