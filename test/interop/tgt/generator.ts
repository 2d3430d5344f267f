// Knows which commands are sent: a stream of steps from a seed, the same whatever the targets answer.

import { type Random, seededRandom } from "@pvscsi/wire";
import type { Command } from "../../support/iscsi-session.js";
import { BLOCK, BLOCKS, DISK_LUN, MISSING_LUN } from "./geometry.js";
import { type Field, fieldOfKind, LAYOUTS, type Layout, rangeOf, setValue } from "./layouts.js";
import { formatList, modeList, pick, randomBytes, reserveList, unmapList } from "./parameters.js";

/** How a step was made. */
export type Manner = "random" | "valid" | "bit" | "length" | "list";

/** One command to both targets. */
export interface Step {
  readonly number: number;
  readonly manner: Manner;
  /** Which of the two initiators sends it. */
  readonly nexus: 0 | 1;
  readonly command: Command;
}

/** Bytes that no command's data is more than. */
const MOST = 64 * BLOCK;
const MANNERS: readonly (readonly [Manner, number])[] = [
  ["valid", 50],
  ["bit", 20],
  ["length", 12],
  ["list", 8],
  ["random", 10],
];

/** The stream of a seed. */
export class Generator {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Step `number` alone: it does not depend on those before it. */
  step(number: number): Step {
    const random = seededRandom(this.#seed, `step ${number}`);
    const manner = weighted(random, MANNERS);
    const nexus = random.chance(0.75) ? 0 : 1;
    const lun = random.chance(0.02) ? MISSING_LUN : DISK_LUN;
    return { number, manner, nexus, command: { lun, ...commandOf(random, manner, nexus) } };
  }
}

function weighted<Value>(random: Random, rows: readonly (readonly [Value, number])[]): Value {
  const sum = rows.reduce((total, [, weight]) => total + weight, 0);
  let left = (random.u32() / 2 ** 32) * sum;
  for (const [value, weight] of rows) {
    left -= weight;
    if (left < 0) return value;
  }
  return rows[0][0];
}

type Content = Pick<Command, "cdb" | "room" | "data">;
const WEIGHTS = LAYOUTS.map((layout) => [layout, layout.weight] as const);

function commandOf(random: Random, manner: Manner, nexus: 0 | 1): Content {
  if (manner === "random") return randomCommand(random);
  const layout = weighted(random, WEIGHTS);
  const valid = validCommand(random, layout, nexus);
  switch (manner) {
    case "valid":
      return valid;
    case "bit":
      // Not in the opcode: that would be another command, with this one's data.
      valid.cdb[1 + random.below(layout.length - 1)] ^= 1 << random.below(8);
      return valid;
    case "length":
      return otherLength(random, valid);
    case "list":
      return spoiltList(random, valid);
  }
}

/** Any sixteen bytes, with any data. */
function randomCommand(random: Random): Content {
  const cdb = randomBytes(random, 16);
  if (random.chance(0.5)) cdb[0] = pick(random, LAYOUTS).opcode;
  // Else hardly anything gets behind the reserved bits.
  if (random.chance(0.5)) for (let i = 1; i < 16; i++) if (random.chance(0.8)) cdb[i] = 0;
  const length = pick(random, [0, 8, 24, 255, BLOCK, 4 * BLOCK]);
  const writes = random.chance(0.4);
  return writes ? { cdb, room: 0, data: randomBytes(random, length) } : { cdb, room: length, data: null };
}

function validCommand(random: Random, layout: Layout, nexus: 0 | 1): Content {
  const cdb = new Uint8Array(16);
  cdb[0] = layout.opcode;
  if (layout.action !== null) cdb[1] = layout.action;
  fillRange(random, cdb, layout);
  for (const field of layout.fields) {
    if (field.kind === "lba" || field.kind === "blocks" || field.kind === "length") continue;
    setValue(cdb, field, fieldValueOf(random, field));
  }
  return { cdb, ...dataOf(random, cdb, layout, nexus) };
}

/** An LBA and a number of blocks that mostly are on the medium; else at its borders and those of the fields. */
function fillRange(random: Random, cdb: Uint8Array, { fields, length }: Layout): void {
  const [lbaField, blocksField] = [fields.find(isKind("lba")), fields.find(isKind("blocks"))];
  if (lbaField === undefined) return;
  const most = length === 16 ? 2n ** 64n - 1n : 2n ** 32n - 1n;
  let lba = BigInt(random.below(BLOCKS));
  let blocks = BigInt(pick(random, [0, 1, 1, 2, 3, 8, 8, 16, random.below(64)]));
  if (random.chance(0.15)) {
    const last = BigInt(BLOCKS - 1);
    lba = pick(random, [0n, last, last + 1n, last + 2n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 63n, most]);
    blocks = pick(random, [0n, 1n, 2n, BigInt(BLOCKS), BigInt(BLOCKS + 1), 0xffffn, 0xffff_ffffn]);
  } else if (lba + blocks > BLOCKS) blocks = BigInt(BLOCKS) - lba;
  setValue(cdb, lbaField, lba);
  if (blocksField !== undefined) setValue(cdb, blocksField, blocks);
}

const isKind =
  (kind: Field["kind"]) =>
  (field: Field): boolean =>
    field.kind === kind;

const ALLOCATIONS = [0, 1, 3, 4, 5, 7, 8, 12, 15, 16, 18, 20, 24, 28, 32, 36, 64, 96, 255, 256];
const VPD = [0x00, 0x00, 0x80, 0x83, 0x86, 0x87, 0xb0, 0xb1, 0xb2, 0x03, 0x30];
const MODE = [0x3f, 0x3f, 0x08, 0x0a, 0x08, 0x0a, 0x1c, 0x01, 0x02, 0x00];
const TYPES = [1, 3, 5, 6, 7, 8];

function fieldValueOf(random: Random, { kind, size, mask }: Field): bigint {
  const any = (): bigint => BigInt(random.below(256)) & BigInt(mask);
  switch (kind) {
    case "allocation":
      return BigInt(random.chance(0.5) ? (size === 1 ? 255 : 1024) : pick(random, ALLOCATIONS));
    case "flag":
      return random.chance(0.12) ? 1n : 0n;
    case "usual":
      return random.chance(0.9) ? 1n : 0n;
    case "even":
      return BigInt(random.below(2));
    case "check":
      return BigInt(pick(random, [0, 0, 1, 1, 1, 2, 3]));
    case "protect":
      return random.chance(0.04) ? any() : 0n;
    case "vpd":
      return random.chance(0.5) ? 0n : random.chance(0.9) ? BigInt(pick(random, VPD)) : any();
    case "mode":
      return random.chance(0.9) ? BigInt(pick(random, MODE)) : any();
    case "opcode":
      return BigInt(random.chance(0.8) ? pick(random, LAYOUTS).opcode : random.below(256));
    case "action":
      return BigInt(random.chance(0.6) ? 0 : random.below(32));
    case "type":
      return random.chance(0.95) ? BigInt(pick(random, TYPES)) : any();
    default:
      return random.chance(0.15) ? any() : 0n;
  }
}

/** Room or data as the CDB asks for it; sets the CDB's own length of a parameter list. */
function dataOf(random: Random, cdb: Uint8Array, layout: Layout, nexus: 0 | 1): Omit<Content, "cdb"> {
  const blocks = Number(rangeOf(cdb, layout)?.blocks ?? 0n);
  const bytes = Math.min(blocks * BLOCK, MOST);
  const out = (data: Uint8Array): Omit<Content, "cdb"> => {
    const field = layout.fields.find(isKind("length"));
    if (field !== undefined) setValue(cdb, field, BigInt(data.length));
    return { room: 0, data: data.length === 0 ? null : data };
  };
  switch (layout.data) {
    case "none":
      return out(new Uint8Array(0));
    case "room":
      return { room: Math.min(MOST, Number(fieldOfKind(cdb, layout, "allocation") ?? 8n)), data: null };
    case "blocks-in":
      return { room: bytes, data: null };
    case "blocks-out":
      return out(patternOf(random, bytes));
    case "block":
      return out(random.chance(0.2) ? new Uint8Array(BLOCK) : patternOf(random, BLOCK));
    case "compared":
      return out(patternOf(random, [0, bytes, 0, BLOCK][(cdb[1] >>> 1) & 3]));
    case "twice":
      return out(patternOf(random, 2 * bytes));
    case "unmap":
      return out(unmapList(random));
    case "mode":
      return out(modeList(random, layout.length === 6 ? 4 : 8));
    case "reserve":
      return out(reserveList(random, nexus, cdb[1] & 0x1f));
    case "format":
      return out((cdb[1] & 0x10) !== 0 ? formatList(random) : new Uint8Array(0));
    case "bytes":
      return out(random.chance(0.6) ? new Uint8Array(0) : randomBytes(random, pick(random, [4, 16, 64])));
  }
}

/** Whole blocks of few different bytes, so that something written may be compared with something written before. */
function patternOf(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const value = random.below(3);
  bytes.fill(value);
  if (length > 0 && random.chance(0.3)) bytes[random.below(length)] = random.below(256);
  return bytes;
}

/** More or less data than the CDB speaks of, or in the other direction, or not told of. */
function otherLength(random: Random, { cdb, room, data }: Content): Content {
  const length = data?.length ?? room;
  const longer = [length + 1, length + BLOCK, 2 * length, length + 3];
  const shorter = [0, length >> 1, length - 1, length - BLOCK, 8];
  const other = Math.max(0, pick(random, random.chance(0.6) ? shorter : longer));
  const turned = random.chance(0.1);
  if ((data !== null) === turned) return { cdb, room: other, data: null };
  const bytes = new Uint8Array(other);
  bytes.set((data ?? bytes).subarray(0, other));
  return { cdb, room: 0, data: bytes };
}

/** A few bits of the data changed, or all of it random. */
function spoiltList(random: Random, { cdb, data }: Content): Content {
  if (data === null) return { cdb, room: 0, data: randomBytes(random, pick(random, [0, 4, 24, BLOCK])) };
  const bytes = random.chance(0.3) ? randomBytes(random, data.length) : Uint8Array.from(data);
  for (let i = random.below(3); i >= 0; i--) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
  return { cdb, room: 0, data: bytes };
}
