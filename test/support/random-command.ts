// Knows how to make commands by chance: of each that has a name, mostly right, with fields at their edges, and wrong ones.

import { type CdbField, COMMANDS, type CommandDescription, MAX_CDB } from "@pvscsi/scsi";
import type { Random } from "@pvscsi/wire";
import { randomParameters } from "./random-parameters.js";

export interface RandomCommand {
  readonly cdb: Uint8Array;
  /** What is sent with it, or null. */
  readonly out: Uint8Array | null;
  /** Bytes of room for what comes back. */
  readonly room: number;
}

/** The disk that they are for. */
export interface Medium {
  readonly blocks: number;
  readonly blockSize: number;
}

const KNOWN: readonly CommandDescription[] = Object.values(COMMANDS);
/** Every second command is one of these: what comes behind the checks of a CDB is to be reached, too. */
const FREQUENT: readonly CommandDescription[] = [
  ...[COMMANDS.testUnitReady, COMMANDS.requestSense, COMMANDS.read10, COMMANDS.write10, COMMANDS.read16],
  ...[COMMANDS.write16, COMMANDS.compareAndWrite, COMMANDS.unmap, COMMANDS.writeSame16, COMMANDS.verify16],
  ...[COMMANDS.writeAtomic16, COMMANDS.orWrite16, COMMANDS.modeSense10, COMMANDS.modeSelect10, COMMANDS.extendedCopy],
  ...[COMMANDS.register, COMMANDS.reserve, COMMANDS.release, COMMANDS.clear, COMMANDS.preemptAndAbort],
];
/** Commands that take the medium away for a while, or for good, or the whole unit: they are to be rare. */
const RARE: ReadonlySet<string> = new Set(
  KNOWN.map(({ name }) => name).filter((name) => /^(SANITIZE|FORMAT|START STOP|RESERVE\()/.test(name)),
);
const LENGTHS: readonly number[] = [0, 1, 4, 8, 18, 24, 36, 64, 96, 252, 255, 512, 4096, 8192, 65535, 0xffffff];
/** Of mode pages, log pages and vital product data that a disk has. */
const PAGES: readonly number[] = [0x00, 0x01, 0x02, 0x08, 0x0a, 0x1c, 0x3f, 0x80, 0x83, 0xb0, 0xb1, 0xb2];
const TYPES: readonly number[] = [1, 3, 5, 6, 7, 8];
const PAGE_FORMAT = 0x10;
/** Bytes of the lists in random-parameters.ts. */
const LISTS: ReadonlyMap<number, number> = new Map([
  [COMMANDS.register.opcode, 24],
  [COMMANDS.unmap.opcode, 40],
  [COMMANDS.extendedCopy.opcode, 108],
  [COMMANDS.modeSelect6.opcode, 16],
  [COMMANDS.modeSelect10.opcode, 28],
]);
/** Bytes that are ever sent or taken with one of them. */
const MOST_DATA = 64 * 1024;

/** A command for a disk. */
export function randomCommand(random: Random, medium: Medium): RandomCommand {
  const cdb = random.chance(0.03) ? noise(random, 1 + random.below(MAX_CDB)) : knownCdb(random, medium);
  if (random.chance(0.15)) spoil(cdb, random, 1 + random.below(3));
  const length = Math.min(MOST_DATA, dataLength(cdb, random, medium));
  const sends = isSent(cdb) ? !random.chance(0.03) : random.chance(0.03);
  const out = sends ? randomParameters(random, cdb, length) : null;
  return { cdb, out, room: sends ? 0 : length };
}

/** Changes some bytes. */
export function spoil(bytes: Uint8Array, random: Random, count: number): void {
  for (let i = 0; i < count && bytes.length > 0; i++) {
    const at = random.below(bytes.length);
    bytes[at] = random.chance(0.5) ? bytes[at] ^ (1 << random.below(8)) : random.below(256);
  }
}

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random.below(items.length)];
}

export function noise(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

function knownCdb(random: Random, medium: Medium): Uint8Array {
  let command = pick(random, random.chance(0.5) ? FREQUENT : KNOWN);
  if (RARE.has(command.name) && random.chance(0.9)) command = COMMANDS.testUnitReady;
  const { opcode, serviceAction, fields } = command;
  const cdb = new Uint8Array(command.length);
  cdb[0] = opcode;
  if (serviceAction !== null) cdb[1] = serviceAction;
  for (const field of fields) put(cdb, field, fieldValue(field.name, field.size, random, medium));
  if (command.name.startsWith("MODE SELECT") && random.chance(0.9)) cdb[1] |= PAGE_FORMAT;
  const list = LISTS.get(opcode);
  const length = fields.find(({ name }) => name === "length");
  if (list !== undefined && length !== undefined && random.chance(0.8)) put(cdb, length, list);
  return cdb;
}

function fieldValue(name: string, size: number, random: Random, { blocks }: Medium): number {
  if (size === 0) return random.chance(0.2) ? 1 : 0;
  const edge = random.chance(0.15);
  switch (name) {
    case "lba":
      return edge ? pick(random, [blocks - 1, blocks, random.u32()]) : random.below(blocks);
    case "blocks":
      return edge ? pick(random, [0, blocks, random.below(blocks), random.u32()]) : random.below(16);
    case "length":
    case "alloc":
      return pick(random, LENGTHS);
    case "type":
      return edge ? random.below(16) : pick(random, TYPES);
    case "page":
      return edge ? random.below(256) : pick(random, PAGES);
    default:
      return edge ? random.below(256) : pick(random, [0, 0, 0, 1, 2, 3]);
  }
}

function put(cdb: Uint8Array, { byte, size, mask }: CdbField, value: number): void {
  if (size === 0) {
    if (value !== 0) cdb[byte] |= mask;
    return;
  }
  let left = value;
  for (let i = size - 1; i > 0; i--) {
    cdb[byte + i] = left & 0xff;
    left = Math.floor(left / 256);
  }
  const lowest = mask & -mask;
  cdb[byte] |= (left * lowest) & mask;
}

const SENT: ReadonlySet<number> = new Set(
  KNOWN.filter(({ name }) => /^(WRITE|COMPARE|ORWRITE|UNMAP|MODE SELECT|LOG SELECT|EXTENDED COPY)/.test(name))
    .map(({ opcode }) => opcode)
    .concat([0x04, 0x07, 0x1d, 0x48, 0x5f, 0xa4, 0x2f, 0x8f, 0xaf]),
);

function isSent(cdb: Uint8Array): boolean {
  return SENT.has(cdb[0]);
}

/** What an initiator has ready for it: what the CDB says, or somewhat more or less. */
function dataLength(cdb: Uint8Array, random: Random, { blockSize }: Medium): number {
  const known = KNOWN.find(
    ({ opcode, serviceAction }) => opcode === cdb[0] && (serviceAction === null || serviceAction === (cdb[1] & 0x1f)),
  );
  const field = known?.fields.find(({ name }) => name === "blocks" || name === "alloc" || name === "length");
  if (known === undefined || field === undefined || known.length > cdb.length || random.chance(0.1)) {
    return random.chance(0.5) ? 0 : random.below(MOST_DATA);
  }
  let value = 0;
  for (let i = 0; i < field.size; i++) value = value * 256 + cdb[field.byte + i];
  const unit = field.name !== "blocks" ? 1 : known.name.startsWith("COMPARE") ? 2 * blockSize : blockSize;
  const right = known.name.startsWith("WRITE SAME") ? blockSize : value * unit;
  return Math.max(0, right + (random.chance(0.1) ? random.below(1025) - 512 : 0));
}
