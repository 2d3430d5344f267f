// Knows how parameter lists of MODE SELECT, UNMAP, PERSISTENT RESERVE OUT and FORMAT UNIT are made from random numbers:
// mostly right, often at the border of what is right.

import type { Random } from "@pvscsi/wire";
import { BLOCK, BLOCKS } from "./geometry.js";

export function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[random.below(values.length)];
}

export function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

const KEYS = [0n, 1n, 2n, 0xffff_ffff_ffff_ffffn];
const [SPEC_I_PT, ALL_TG_PT, APTPL] = [0x08, 0x04, 0x01];
const [PREEMPT, PREEMPT_AND_ABORT, MOVE] = [0x04, 0x05, 0x07];

/**
 * The basic list of PERSISTENT RESERVE OUT (SPC-4 6.16.3). Mostly with the key that the nexus has if it is registered: its
 * number and one.
 */
export function reserveList(random: Random, nexus: 0 | 1, action: number): Uint8Array {
  const bytes = Buffer.alloc(24);
  const own = BigInt(nexus + 1);
  const meantForOthers = action === PREEMPT || action === PREEMPT_AND_ABORT || action === MOVE;
  const service = meantForOthers ? 3n - own : own;
  bytes.writeBigUInt64BE(action === 0 && random.chance(0.5) ? 0n : random.chance(0.8) ? own : pick(random, KEYS), 0);
  bytes.writeBigUInt64BE(random.chance(0.8) ? service : pick(random, KEYS), 8);
  if (random.chance(0.08)) bytes[20] = pick(random, [SPEC_I_PT, ALL_TG_PT, APTPL, 0x0d, 0x80]);
  return bytes;
}

/** UNMAP's (SBC-3 5.28.2): up to three ranges. */
export function unmapList(random: Random): Uint8Array {
  const count = pick(random, [0, 1, 1, 1, 2, 3]);
  const bytes = Buffer.alloc(8 + 16 * count);
  bytes.writeUInt16BE(bytes.length - 2, 0);
  bytes.writeUInt16BE(16 * count, 2);
  for (let i = 0; i < count; i++) {
    const lba = random.chance(0.1) ? pick(random, [BLOCKS, BLOCKS + 1, 2 ** 33]) : random.below(BLOCKS);
    const blocks = random.chance(0.1)
      ? pick(random, [0, BLOCKS - lba, BLOCKS - lba + 1, 0xffff_ffff])
      : Math.min(random.below(100), BLOCKS - lba);
    bytes.writeBigUInt64BE(BigInt(lba), 8 + 16 * i);
    bytes.writeUInt32BE(Math.max(0, blocks), 16 + 16 * i);
  }
  return bytes;
}

const PAGES: readonly (readonly [number, number])[] = [
  [0x01, 12],
  [0x02, 16],
  [0x08, 20],
  [0x08, 20],
  [0x0a, 12],
  [0x0a, 12],
  [0x0a, 12],
  [0x1c, 12],
  [0x3f, 4],
];
const WCE = 0x04;
const SWP = 0x08;

/** MODE SELECT's (SPC-4 6.9, SBC-3 6.5): one page, or none; `header` is 4 or 8 bytes long. */
export function modeList(random: Random, header: 4 | 8): Uint8Array {
  const descriptor = random.chance(0.3) ? descriptorOf(random) : new Uint8Array(0);
  const head = new Uint8Array(header);
  head[header - 1] = random.chance(0.95) ? descriptor.length : random.below(20);
  const page = random.chance(0.9) ? pageOf(random) : new Uint8Array(0);
  return Buffer.concat([head, descriptor, page]);
}

function descriptorOf(random: Random): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(pick(random, [0, BLOCKS, 0xffff_ffff, BLOCKS + 1]), 0);
  bytes.writeUInt32BE(random.chance(0.9) ? BLOCK : 4096, 4);
  return bytes;
}

/** A page with what both targets begin with, and a bit or two of its own. */
function pageOf(random: Random): Uint8Array {
  const [code, length] = pick(random, PAGES);
  const bytes = new Uint8Array(length);
  bytes[0] = code;
  bytes[1] = length - 2;
  if (code === 0x08) bytes[2] = random.chance(0.5) ? WCE : 0;
  if (code === 0x0a) {
    bytes[3] = 0x10;
    bytes[4] = random.chance(0.3) ? SWP : 0;
  }
  if (code === 0x1c) bytes[2] = 0x08;
  if (random.chance(0.1)) bytes[2 + random.below(length - 2)] ^= 1 << random.below(8);
  return bytes;
}

/** FORMAT UNIT's (SBC-3 5.3.2): the short header, mostly of zeros. */
export function formatList(random: Random): Uint8Array {
  const bytes = new Uint8Array(4);
  if (random.chance(0.5)) bytes[1] = pick(random, [0x80, 0x82, 0x02, 0xa0]);
  return bytes;
}
