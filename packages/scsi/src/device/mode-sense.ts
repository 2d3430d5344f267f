// Knows MODE SENSE(6) and (10): headers, the block descriptor, and which pages (SPC-4 6.11, 6.12).

import { get16, put16 } from "../big-endian.js";
import { check, invalidField, reply } from "../device-server.js";
import { SENSE } from "../sense.js";
import type { Task } from "../task.js";
import type { Device } from "./device.js";
import { type ControlSettings, type ModePage, type PageControl, writePage } from "./mode-pages.js";
import type { DeviceModel } from "./model.js";

const CONTROLS: readonly PageControl[] = ["current", "changeable", "default", "saved"];
const DBD = 0x08;
const LLBAA = 0x10;
const LONGLBA = 0x01;
const ALL_PAGES = 0x3f;
const ALL_SUBPAGES = 0xff;

export function modeSense6<D extends Device<S>, S extends ControlSettings>(
  device: D,
  task: Task,
  model: DeviceModel<D, S>,
): void {
  const { cdb } = task;
  const length = build(device, task, model, { header: 4, descriptor: descriptorSize(model, cdb[1] & DBD) });
  if (length === null) return;
  device.scratch[0] = length - 1;
  reply(task, device.scratch, length, cdb[4]);
}

export function modeSense10<D extends Device<S>, S extends ControlSettings>(
  device: D,
  task: Task,
  model: DeviceModel<D, S>,
): void {
  const { cdb } = task;
  const length = build(device, task, model, { header: 8, descriptor: descriptorSize(model, cdb[1] & (DBD | LLBAA)) });
  if (length === null) return;
  put16(device.scratch, 0, length - 2);
  reply(task, device.scratch, length, get16(cdb, 7));
}

/** Bytes of what stands before the pages. */
interface Layout {
  readonly header: 4 | 8;
  readonly descriptor: 0 | 8 | 16;
}

function descriptorSize({ modeHeader }: { modeHeader: { descriptor: { long: boolean } | null } }, wanted: number) {
  const { descriptor } = modeHeader;
  if (descriptor === null || (wanted & DBD) !== 0) return 0;
  return descriptor.long && (wanted & LLBAA) !== 0 ? 16 : 8;
}

/** Builds the answer in the scratch bytes, but for the mode data length; null when the task is ended. */
function build<D extends Device<S>, S extends ControlSettings>(
  device: D,
  task: Task,
  { modePages, modeHeader }: DeviceModel<D, S>,
  { header, descriptor }: Layout,
): number | null {
  const { cdb } = task;
  const which = CONTROLS[cdb[2] >>> 6];
  const alone = modeHeader.alone === true && (cdb[2] & 0x3f) === 0 && cdb[3] === 0;
  const pages = alone ? [] : choosePages(modePages, cdb[2] & 0x3f, cdb[3]);
  if (pages === null || (pages.length === 0 && !alone)) {
    invalidField(device, task, pages === null ? 3 : 2, pages === null ? null : 5);
    return null;
  }
  if (which === "saved") {
    check(device, task, SENSE.savingParametersNotSupported);
    return null;
  }
  const bytes = device.scratch;
  let at = header + descriptor;
  bytes.fill(0, 0, at);
  bytes[header === 4 ? 2 : 3] = modeHeader.parameter(device, task);
  if (descriptor === 16) bytes[4] = LONGLBA;
  bytes[header - 1] = descriptor;
  if (descriptor > 0) modeHeader.descriptor?.write(device, bytes.subarray(header, at));
  for (const page of pages) {
    writePage(page, device, which, bytes, at);
    at += page.length;
  }
  return at;
}

/** Null for a subpage that does not exist, empty for a page that does not. */
function choosePages<D extends Device<S>, S extends ControlSettings>(
  all: readonly ModePage<D, S>[],
  code: number,
  subpage: number,
): readonly ModePage<D, S>[] | null {
  if (code === ALL_PAGES && subpage !== 0 && subpage !== ALL_SUBPAGES) return null;
  const pages = code === ALL_PAGES ? all : all.filter((page) => page.code === code);
  if (pages.length === 0 || subpage === ALL_SUBPAGES) return pages;
  const chosen = pages.filter((page) => page.subpage === subpage);
  return chosen.length === 0 ? null : chosen;
}
