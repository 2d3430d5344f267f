// Knows MODE SENSE(6) and (10): headers, the block descriptor, and which pages (SPC-4 6.11, 6.12).

import { get16, put16, put24, put32, put64 } from "../big-endian.js";
import { check, invalidField, reply } from "../device-server.js";
import { SENSE } from "../sense.js";
import type { Task } from "../task.js";
import type { Disk } from "./disk.js";
import { MODE_PAGES, type ModePage, type PageControl, writePage } from "./mode-pages.js";

const CONTROLS: readonly PageControl[] = ["current", "changeable", "default", "saved"];
const DBD = 0x08;
const LLBAA = 0x10;
const ALL_PAGES = 0x3f;
const ALL_SUBPAGES = 0xff;
const WP = 0x80;
const DPOFUA = 0x10;

export function modeSense6(disk: Disk, task: Task): void {
  const { cdb } = task;
  const descriptor = (cdb[1] & DBD) === 0 ? "short" : "none";
  const length = build(disk, task, 4, descriptor);
  if (length === null) return;
  disk.scratch[0] = length - 1;
  reply(task, disk.scratch, length, cdb[4]);
}

export function modeSense10(disk: Disk, task: Task): void {
  const { cdb } = task;
  const descriptor = (cdb[1] & DBD) !== 0 ? "none" : (cdb[1] & LLBAA) !== 0 ? "long" : "short";
  const length = build(disk, task, 8, descriptor);
  if (length === null) return;
  put16(disk.scratch, 0, length - 2);
  reply(task, disk.scratch, length, get16(cdb, 7));
}

type Descriptor = "none" | "short" | "long";
const DESCRIPTOR_LENGTH = { none: 0, short: 8, long: 16 } as const;

/** Builds the answer in the scratch bytes, but for the mode data length; null when the task is ended. */
function build(disk: Disk, task: Task, header: 4 | 8, descriptor: Descriptor): number | null {
  const { cdb } = task;
  const which = CONTROLS[cdb[2] >>> 6];
  const pages = choosePages(cdb[2] & 0x3f, cdb[3]);
  if (pages === null || pages.length === 0) {
    invalidField(disk, task, pages === null ? 3 : 2, pages === null ? null : 5);
    return null;
  }
  if (which === "saved") {
    check(disk, task, SENSE.savingParametersNotSupported);
    return null;
  }
  const bytes = disk.scratch;
  let at = header + DESCRIPTOR_LENGTH[descriptor];
  bytes.fill(0, 0, at);
  bytes[header === 4 ? 2 : 3] = (disk.writeProtection(task) === null ? 0 : WP) | (disk.fua ? DPOFUA : 0);
  if (descriptor === "long") bytes[4] = 0x01;
  bytes[header - 1] = DESCRIPTOR_LENGTH[descriptor];
  writeBlockDescriptor(disk, bytes, header, descriptor);
  for (const page of pages) {
    writePage(page, disk, which, bytes, at);
    at += page.length;
  }
  return at;
}

/** Null for a subpage that does not exist, empty for a page that does not. */
function choosePages(code: number, subpage: number): readonly ModePage[] | null {
  if (code === ALL_PAGES && subpage !== 0 && subpage !== ALL_SUBPAGES) return null;
  const pages = code === ALL_PAGES ? MODE_PAGES : MODE_PAGES.filter((page) => page.code === code);
  if (pages.length === 0 || subpage === ALL_SUBPAGES) return pages;
  const chosen = pages.filter((page) => page.subpage === subpage);
  return chosen.length === 0 ? null : chosen;
}

/** SBC-3 6.5.2: number of blocks, and their length. Without a medium there are none. */
function writeBlockDescriptor(disk: Disk, bytes: Uint8Array, at: number, descriptor: Descriptor): void {
  const blocks = disk.medium === "ejected" ? 0 : disk.blocks;
  if (descriptor === "short") {
    put32(bytes, at, Math.min(blocks, 0xffff_ffff));
    put24(bytes, at + 5, disk.blockSize);
  } else if (descriptor === "long") {
    put64(bytes, at, blocks);
    put32(bytes, at + 12, disk.blockSize);
  }
}
