// Knows READ ATTRIBUTE: what is told of the cartridge that is threaded, as its memory would tell it (SPC-4 7.4). Nothing can be written there.

import { get16, get32, put16, put32, put64, putText } from "../big-endian.js";
import { invalidField, reply } from "../device-server.js";
import type { Task } from "../task.js";
import type { Partition } from "./loaded.js";
import { activeAlerts } from "./log-pages.js";
import type { Tape } from "./tape.js";

/** Formats, all of attributes that are read only. */
const BINARY = 0x80;
const ASCII = 0x81;
const MEBIBYTE = 2 ** 20;
const BARCODE = 32;

interface Attribute {
  readonly id: number;
  readonly format: number;
  /** Null where the cartridge has none. */
  readonly value: (tape: Tape, partition: Partition) => Uint8Array | null;
}

/** In ascending order. */
const ATTRIBUTES: readonly Attribute[] = [
  { id: 0x0000, format: BINARY, value: (_tape, { store, records }) => mebibytes(store.bytes.size - records.end) },
  { id: 0x0001, format: BINARY, value: (_tape, { store }) => mebibytes(store.bytes.size) },
  { id: 0x0002, format: BINARY, value: (tape) => activeAlerts(tape) },
  { id: 0x0408, format: BINARY, value: ({ medium }) => Uint8Array.of(medium.cartridge.label.worm === true ? 0x80 : 0) },
  { id: 0x0806, format: ASCII, value: ({ medium }) => barcode(medium.cartridge.label.barcode) },
];

function mebibytes(bytes: number): Uint8Array {
  const value = new Uint8Array(8);
  put64(value, 0, Math.max(0, Math.floor(bytes / MEBIBYTE)));
  return value;
}

function barcode(text: string | undefined): Uint8Array | null {
  if (text === undefined) return null;
  const value = new Uint8Array(BARCODE);
  putText(value, 0, BARCODE, text);
  return value;
}

interface Found {
  readonly id: number;
  readonly format: number;
  readonly value: Uint8Array;
}

/** Those from the one that is asked for on; null, and the task is ended, where that one or the partition is not there. */
function attributesOf(tape: Tape, task: Task, from: number): Found[] | null {
  const partition = tape.medium.partitions[task.cdb[7]];
  if (task.cdb[5] !== 0 || partition === undefined) {
    invalidField(tape, task, partition === undefined ? 7 : 5, null);
    return null;
  }
  const found = ATTRIBUTES.flatMap(({ id, format, value: of }) => {
    const value = of(tape, partition);
    return value === null ? [] : [{ id, format, value }];
  });
  if (found.some(({ id }) => id === from)) return found.filter(({ id }) => id >= from);
  invalidField(tape, task, 8, null);
  return null;
}

/** READ ATTRIBUTE/ATTRIBUTE VALUES (SPC-4 6.20.2). */
export function readAttributeValues(tape: Tape, task: Task): void {
  const found = attributesOf(tape, task, get16(task.cdb, 8));
  if (found === null) return;
  const bytes = tape.scratch;
  let at = 4;
  for (const { id, format, value } of found) {
    put16(bytes, at, id);
    bytes[at + 2] = format;
    put16(bytes, at + 3, value.length);
    bytes.set(value, at + 5);
    at += 5 + value.length;
  }
  replyList(tape, task, at);
}

/** READ ATTRIBUTE/ATTRIBUTE LIST and SUPPORTED ATTRIBUTES (SPC-4 6.20.3, 6.20.6): identifiers alone. */
export function readAttributeList(tape: Tape, task: Task): void {
  const found = attributesOf(tape, task, 0);
  if (found === null) return;
  for (const [index, { id }] of found.entries()) put16(tape.scratch, 4 + 2 * index, id);
  replyList(tape, task, 4 + 2 * found.length);
}

function replyList({ scratch }: Tape, task: Task, length: number): void {
  put32(scratch, 0, length - 4);
  reply(task, scratch, length, get32(task.cdb, 10));
}

/** READ ATTRIBUTE/LOGICAL VOLUME LIST (SPC-4 6.20.4): one volume. */
export function readVolumeList(tape: Tape, task: Task): void {
  replyCount(tape, task, 1);
}

/** READ ATTRIBUTE/PARTITION LIST (SPC-4 6.20.5). */
export function readPartitionList(tape: Tape, task: Task): void {
  replyCount(tape, task, tape.medium.partitions.length);
}

/** The first, from 0, and how many there are. */
function replyCount({ scratch }: Tape, task: Task, count: number): void {
  scratch.set([0, 2, 0, count]);
  reply(task, scratch, 4, get32(task.cdb, 10));
}
