// Knows the commands about blocks without data of their own: UNMAP, WRITE SAME, GET LBA STATUS.

import { get16, get32, get64, put32, put64 } from "../big-endian.js";
import { blocksByte, blocksOf, COMMANDS, lbaOf } from "../cdb.js";
import { check, invalidField, invalidParameter, reply, takeParameters } from "../device-server.js";
import { SENSE } from "../sense.js";
import type { StoreRequest } from "../store.js";
import { Status, type Task } from "../task.js";
import { type Disk, succeed } from "./disk.js";
import { onMedium } from "./transfer.js";
import { CHUNK, repeat, type Work } from "./work.js";

const LIST_HEADER = 8;
const DESCRIPTOR = 16;

/** UNMAP (SBC-3 5.28): the whole list is checked before the first range is unmapped. */
export function unmap(disk: Disk, task: Task): void {
  const length = get16(task.cdb, 7);
  if (length === 0) return task.end(Status.good);
  if (length > disk.scratch.length) return invalidField(disk, task, 7, null);
  if (!takeParameters(disk, task, length)) return;
  // A descriptor that is not complete is ignored.
  const count = length < LIST_HEADER ? -1 : Math.floor(get16(disk.scratch, 2) / DESCRIPTOR);
  if (count < 0 || LIST_HEADER + count * DESCRIPTOR > length) {
    return check(disk, task, SENSE.parameterListLengthError);
  }
  if (count > disk.limits.unmapDescriptors) return invalidParameter(disk, task, 2, null);
  if (!rangesAllowed(disk, task, count)) return;
  task.transferLength = length;
  if (count === 0) return task.end(Status.good);
  const work = disk.take(task, "writes");
  work.buffer.set(disk.scratch.subarray(LIST_HEADER, LIST_HEADER + count * DESCRIPTOR));
  work.left = count;
  work.done = 0;
  prepareUnmap(disk, work);
  disk.begin(work);
}

function rangesAllowed(disk: Disk, task: Task, count: number): boolean {
  let total = 0;
  for (let i = 0; i < count; i++) {
    const at = LIST_HEADER + i * DESCRIPTOR;
    const blocks = get32(disk.scratch, at + 8);
    if (!onMedium(disk, task, get64(disk.scratch, at), blocks)) return false;
    total += blocks;
    if (total <= disk.limits.unmap) continue;
    invalidParameter(disk, task, at + 8, null);
    return false;
  }
  return true;
}

function prepareUnmap(disk: Disk, work: Work): void {
  const at = work.done * DESCRIPTOR;
  const offset = get64(work.buffer, at) * disk.blockSize;
  work.prepare("discard", offset, get32(work.buffer, at + 8) * disk.blockSize, unmapNext);
  work.request.fua = disk.writeThrough;
}

function unmapNext(disk: Disk, work: Work): void {
  work.done += 1;
  if (work.done === work.left) return disk.succeed(work);
  prepareUnmap(disk, work);
  disk.issue(work);
}

const UNMAP = 0x08;
const NDOB = 0x01;

/**
 * WRITE SAME(10) and (16) (SBC-3 5.40): zeros are told to the store as such, other patterns are written - also with UNMAP, unless
 * nobody was promised how what was given back reads.
 */
export function writeSame(disk: Disk, task: Task): void {
  const { cdb } = task;
  const lba = lbaOf(cdb);
  if (!onMedium(disk, task, lba, blocksOf(cdb))) return;
  // WSNZ is zero: no number of blocks means all up to the end of the medium.
  const blocks = blocksOf(cdb) || disk.blocks - lba;
  if (blocks > disk.limits.writeSame) return invalidField(disk, task, blocksByte(cdb), null);
  const withData = cdb[0] === COMMANDS.writeSame10.opcode || (cdb[1] & NDOB) === 0;
  // With more data than the one block, the initiator and its CDB do not mean the same.
  if (withData && task.data.length !== disk.blockSize) return check(disk, task, SENSE.invalidFieldInInformationUnit);
  task.transferLength = withData ? disk.blockSize : 0;
  if (blocks === 0) return task.end(Status.good);
  const work = disk.take(task, "writes");
  work.offset = lba * disk.blockSize;
  work.left = blocks * disk.blockSize;
  const unmaps = (cdb[1] & UNMAP) !== 0;
  const anyPattern = unmaps && !disk.features.unmapZeroes;
  if (withData && !anyPattern && !takePattern(disk, work, task)) prepareSame(disk, work);
  else {
    work.prepare(unmaps ? "discard" : "write-zeroes", work.offset, work.left, succeed);
    work.request.fua = disk.writeThrough;
  }
  disk.begin(work);
}

/** Fills the work's buffer with the block that was sent; true when it is all zeros. */
function takePattern(disk: Disk, work: Work, task: Task): boolean {
  const { buffer } = work;
  const pattern = buffer.subarray(0, disk.blockSize);
  task.data.read(pattern);
  if (pattern.every((byte) => byte === 0)) return true;
  repeat(buffer, disk.blockSize, Math.min(work.left, CHUNK));
  return false;
}

function prepareSame(disk: Disk, work: Work): void {
  const length = Math.min(work.left, CHUNK);
  work.prepare("write", work.offset, length, sameNext);
  work.useBytes(work.buffer, length);
  work.request.fua = disk.writeThrough;
}

function sameNext(disk: Disk, work: Work): void {
  work.offset += work.request.length;
  work.left -= work.request.length;
  if (work.left === 0) return disk.succeed(work);
  prepareSame(disk, work);
  disk.issue(work);
}

const STATUS_DESCRIPTOR = 16;
/** Descriptors of one answer; an initiator asks again from where the last one ends. */
const MAX_STATUS = 128;
/** Blocks one answer looks at, so that a store that must search does not search for ever. */
const STATUS_WINDOW = 1 << 30;

/** GET LBA STATUS (SBC-3 5.6). Fully provisioned, every block is mapped (4.7.2), whatever the store keeps. */
export function getLbaStatus(disk: Disk, task: Task): void {
  const lba = get64(task.cdb, 2);
  if (lba >= disk.blocks) return check(disk, task, SENSE.lbaOutOfRange);
  if (!disk.thin) {
    return replyStatus(disk, task, [{ lba, blocks: Math.min(disk.blocks - lba, 0xffff_ffff), mapped: true }]);
  }
  const work = disk.take(task, "reads");
  const bytes = Math.min((disk.blocks - lba) * disk.blockSize, STATUS_WINDOW);
  work.prepare("extents", lba * disk.blockSize, bytes, reportStatus);
  disk.begin(work);
}

function reportStatus(disk: Disk, work: Work): void {
  const runs = statusRuns(work.request, disk.blockSize);
  work.request.extents = [];
  replyStatus(disk, disk.release(work), runs.slice(0, MAX_STATUS));
}

function replyStatus(disk: Disk, task: Task, runs: readonly StatusRun[]): void {
  const bytes = disk.scratch;
  bytes.fill(0, 0, LIST_HEADER);
  let at = LIST_HEADER;
  for (const { lba, blocks, mapped } of runs) {
    bytes.fill(0, at, at + STATUS_DESCRIPTOR);
    put64(bytes, at, lba);
    put32(bytes, at + 8, blocks);
    bytes[at + 12] = mapped ? 0 : 1;
    at += STATUS_DESCRIPTOR;
  }
  put32(bytes, 0, at - 4);
  reply(task, bytes, at, get32(task.cdb, 10));
}

interface StatusRun {
  readonly lba: number;
  blocks: number;
  readonly mapped: boolean;
}

/** Runs of blocks: one that is data in part is mapped, so holes shrink to whole blocks; they end with the extents. */
function statusRuns({ offset, length, extents }: StoreRequest, blockSize: number): StatusRun[] {
  const runs: StatusRun[] = [];
  let lba = offset / blockSize;
  const told = extents.reduce((sum, extent) => sum + extent.length, 0);
  const end = lba + Math.max(1, Math.floor(Math.min(told, length) / blockSize));
  const extend = (to: number, mapped: boolean): void => {
    if (to <= lba) return;
    const last = runs.at(-1);
    if (last?.mapped === mapped) last.blocks += to - lba;
    else runs.push({ lba, blocks: to - lba, mapped });
    lba = to;
  };
  for (const extent of extents) {
    if (extent.state === "data") continue;
    const first = Math.ceil(extent.offset / blockSize);
    const behind = Math.floor((extent.offset + extent.length) / blockSize);
    if (behind <= first) continue;
    extend(Math.min(first, end), true);
    extend(Math.min(behind, end), false);
  }
  extend(end, true);
  return runs;
}
