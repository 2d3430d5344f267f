// Knows MODE SELECT(6) and (10): every part of the parameter list is checked before anything changes (SPC-4 6.9, 6.10).

import { get16 } from "../big-endian.js";
import { check, invalidField, invalidParameter, takeParameters } from "../device-server.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import type { Device } from "./device.js";
import { type ControlSettings, findPage, type ModePage, type WrongField, writePage } from "./mode-pages.js";
import type { DeviceModel } from "./model.js";

export function modeSelect6<D extends Device<S>, S extends ControlSettings>(
  device: D,
  task: Task,
  model: DeviceModel<D, S>,
): void {
  select(device, task, model, { header: 4, length: task.cdb[4] });
}

export function modeSelect10<D extends Device<S>, S extends ControlSettings>(
  device: D,
  task: Task,
  model: DeviceModel<D, S>,
): void {
  select(device, task, model, { header: 8, length: get16(task.cdb, 7) });
}

const PF = 0x10;
const LONGLBA = 0x01;

/** Bytes of the list, and of the header before it. */
interface List {
  readonly header: 4 | 8;
  readonly length: number;
}

function select<D extends Device<S>, S extends ControlSettings>(
  device: D,
  task: Task,
  model: DeviceModel<D, S>,
  list: List,
): void {
  const { header, length } = list;
  // Without PF the list would be in a vendor's own format.
  if ((task.cdb[1] & PF) === 0) return invalidField(device, task, 1, 4);
  if (length === 0) return task.end(Status.good);
  if (!takeParameters(device, task, length)) return;
  if (length < header) return check(device, task, SENSE.parameterListLengthError);
  const begun = takeDescriptor(device, task, model, list);
  if (begun === null) return;
  const settings = selectPages(device, task, model, { ...begun, length });
  if (settings === null) return;
  task.transferLength = length;
  const before = device.settings;
  device.settings = settings;
  if (differ(settings, before)) device.notify("mode-parameters-changed", task);
  if (model.selected === undefined) task.end(Status.good);
  else model.selected(device, task, before);
}

function differ<S extends ControlSettings>(a: S, b: S): boolean {
  const names = Object.keys(a) as (keyof S)[];
  return names.some((name) => a[name] !== b[name]);
}

function refuse(device: Device, task: Task, { byte, bit }: WrongField, at = 0): null {
  invalidParameter(device, task, at + byte, bit);
  return null;
}

function cut(device: Device, task: Task): null {
  check(device, task, SENSE.parameterListLengthError);
  return null;
}

/** Where pages begin, and the settings so far. */
interface Begun<S> {
  readonly at: number;
  readonly settings: S;
}

/** Takes the block descriptor, if there is one. Null when the task is ended. */
function takeDescriptor<D extends Device<S>, S extends ControlSettings>(
  device: D,
  task: Task,
  { modeHeader: { descriptor } }: DeviceModel<D, S>,
  { header, length }: List,
): Begun<S> | null {
  const { scratch: bytes, settings } = device;
  const long = header === 8 && (bytes[4] & LONGLBA) !== 0;
  const size = header === 4 ? bytes[3] : get16(bytes, 6);
  const fits = size === 0 || (descriptor !== null && size === (long ? 16 : 8));
  if (!fits) return refuse(device, task, { byte: header === 4 ? 3 : 6, bit: null });
  if (header + size > length) return cut(device, task);
  if (size === 0 || descriptor === null) return { at: header, settings };
  const selected = descriptor.select(device, bytes.subarray(header, header + size));
  if ("wrong" in selected) return refuse(device, task, selected.wrong, header);
  return { at: header + size, settings: { ...settings, ...selected.changes } };
}

/** The settings after all pages; null when one of them is wrong and the task is ended. */
function selectPages<D extends Device<S>, S extends ControlSettings>(
  device: D,
  task: Task,
  { modePages }: DeviceModel<D, S>,
  { at: first, settings: begun, length }: Begun<S> & { length: number },
): S | null {
  let settings = begun;
  for (let at = first; at < length; ) {
    const found = findPage(modePages, device.scratch, at);
    if (found === undefined) return refuse(device, task, { byte: at, bit: null });
    const { page } = found;
    if (found.wrong !== null) return refuse(device, task, { byte: found.wrong, bit: null });
    if (at + page.length > length) return cut(device, task);
    const bytes = device.scratch.subarray(at, at + page.length);
    const wrong = firstFixedBit(page, device, bytes) ?? page.wrong?.(bytes, device) ?? null;
    if (wrong !== null) return refuse(device, task, wrong, at);
    settings = { ...settings, ...page.select?.(bytes, settings) };
    at += page.length;
  }
  return settings;
}

/** The first byte that differs from the current value in a bit that cannot be changed, and its highest such bit. */
function firstFixedBit<D extends Device<S>, S extends ControlSettings>(
  page: ModePage<D, S>,
  device: D,
  bytes: Uint8Array,
): WrongField | null {
  const current = new Uint8Array(page.length);
  const changeable = new Uint8Array(page.length);
  writePage(page, device, "current", current, 0);
  writePage(page, device, "changeable", changeable, 0);
  for (let i = page.subpage === 0 ? 2 : 4; i < page.length; i++) {
    const wrong = (bytes[i] ^ current[i]) & ~changeable[i];
    if (wrong !== 0) return { byte: i, bit: 31 - Math.clz32(wrong) };
  }
  return null;
}
