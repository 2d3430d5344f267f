// Knows MODE SELECT(6) and (10): every part of the parameter list is checked before anything changes (SPC-4 6.9, 6.10).

import { get16, get24, get32, get64 } from "../big-endian.js";
import { check, invalidField, invalidParameter, takeParameters } from "../device-server.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import { type Disk, succeed } from "./disk.js";
import { findPage, type ModePage, type ModeSettings, writePage } from "./mode-pages.js";
import { flush } from "./transfer.js";

export function modeSelect6(disk: Disk, task: Task): void {
  select(disk, task, 4, task.cdb[4]);
}

export function modeSelect10(disk: Disk, task: Task): void {
  select(disk, task, 8, get16(task.cdb, 7));
}

const PF = 0x10;
const LONGLBA = 0x01;

function select(disk: Disk, task: Task, header: 4 | 8, length: number): void {
  // Without PF the list would be in a vendor's own format.
  if ((task.cdb[1] & PF) === 0) return invalidField(disk, task, 1, 4);
  if (length === 0) return task.end(Status.good);
  if (!takeParameters(disk, task, length)) return;
  if (length < header) return check(disk, task, SENSE.parameterListLengthError);
  const pages = skipBlockDescriptor(disk, task, header, length);
  if (pages === null) return;
  const settings = selectPages(disk, task, pages, length);
  if (settings === null) return;
  task.transferLength = length;
  const before = disk.settings;
  disk.settings = settings;
  if (differ(settings, before)) disk.notify("mode-parameters-changed", task);
  // Nobody flushes any more what was written while there was a cache; QEMU's disk flushes here too.
  if (before.writeCache && !settings.writeCache) return flush(disk, task, "excludes", succeed);
  task.end(Status.good);
}

function differ(a: ModeSettings, b: ModeSettings): boolean {
  const names = Object.keys(a) as (keyof ModeSettings)[];
  return names.some((name) => a[name] !== b[name]);
}

function refuse(disk: Disk, task: Task, byte: number, bit: number | null): null {
  invalidParameter(disk, task, byte, bit);
  return null;
}

function cut(disk: Disk, task: Task): null {
  check(disk, task, SENSE.parameterListLengthError);
  return null;
}

/** Where the pages begin; a block descriptor may only repeat what is so already. Null when the task is ended. */
function skipBlockDescriptor(disk: Disk, task: Task, header: 4 | 8, length: number): number | null {
  const bytes = disk.scratch;
  const long = header === 8 && (bytes[4] & LONGLBA) !== 0;
  const lengthByte = header === 4 ? 3 : 6;
  const size = header === 4 ? bytes[3] : get16(bytes, 6);
  if (size !== 0 && size !== (long ? 16 : 8)) return refuse(disk, task, lengthByte, null);
  if (header + size > length) return cut(disk, task);
  if (size === 0) return header;
  const blocks = long ? get64(bytes, header) : get32(bytes, header);
  const blockSize = long ? get32(bytes, header + 12) : get24(bytes, header + 5);
  // Zero, and all ones in the short form, leave the number of blocks as it is (SBC-3 6.5.2).
  if (blocks !== 0 && blocks !== disk.blocks && (long || blocks !== 0xffff_ffff)) {
    return refuse(disk, task, header, null);
  }
  if (blockSize !== disk.blockSize) return refuse(disk, task, header + (long ? 12 : 5), null);
  return header + size;
}

/** The settings after all pages from `at` on; null when one of them is wrong and the task is ended. */
function selectPages(disk: Disk, task: Task, at: number, length: number): ModeSettings | null {
  let settings = disk.settings;
  while (at < length) {
    const found = findPage(disk.scratch, at);
    if (found === undefined) return refuse(disk, task, at, null);
    const { page } = found;
    if (found.wrong !== null) return refuse(disk, task, found.wrong, null);
    if (at + page.length > length) return cut(disk, task);
    const fixed = firstFixedBit(page, disk, at);
    if (fixed !== null) return refuse(disk, task, fixed.byte, fixed.bit);
    const bytes = disk.scratch.subarray(at, at + page.length);
    const wrong = page.wrong?.(bytes) ?? null;
    if (wrong !== null) return refuse(disk, task, at + wrong.byte, wrong.bit);
    settings = page.select(bytes, settings);
    at += page.length;
  }
  return settings;
}

/** The first byte that differs from the current value in a bit that cannot be changed, and its highest such bit. */
function firstFixedBit(page: ModePage, disk: Disk, at: number): { byte: number; bit: number } | null {
  const current = new Uint8Array(page.length);
  const changeable = new Uint8Array(page.length);
  writePage(page, disk, "current", current, 0);
  writePage(page, disk, "changeable", changeable, 0);
  for (let i = page.subpage === 0 ? 2 : 4; i < page.length; i++) {
    const wrong = (disk.scratch[at + i] ^ current[i]) & ~changeable[i];
    if (wrong !== 0) return { byte: at + i, bit: 31 - Math.clz32(wrong) };
  }
  return null;
}
