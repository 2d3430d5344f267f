// Knows the 500 requests of the transcript, made from the table of commands: each command plain, each field at its
// borders, and what a table cannot say. The same list every time.

import { blocksOf, type CdbField, COMMANDS, type CommandDescription, findCommand } from "@pvscsi/scsi";
import { type Random, seededRandom } from "@pvscsi/wire";
import type { Request } from "./exchange.js";
import { BLOCK_SIZES, BLOCKS, DISK, REMOVABLE } from "./units.js";

export const REQUESTS = 500;
/** At least so many of them are random transfers. */
const TRANSFERS = 30;

/** Writes a number of the field's size, big endian, or sets a flag; the bits around it stay. */
function put(cdb: number[], { byte, size, mask }: CdbField, value: number): void {
  if (size < 2) cdb[byte] |= size === 0 ? mask : value * (mask & -mask);
  else for (let i = 0; i < size; i++) cdb[byte + i] = Math.floor(value / 256 ** (size - 1 - i)) % 256;
}

type Values = { readonly [field: string]: number };

/** What a command has in its fields unless told: something to do for those that are supported. */
function usual({ name }: CommandDescription): Values {
  return { lba: 8, blocks: 1, start: 1, ...(name.startsWith("MODE SENSE") && { page: 0x3f }) };
}

/** A CDB with these values in its fields, and the usual ones. A name that the command has no field of is passed over. */
export function cdbOf(command: CommandDescription, values: Values = {}): number[] {
  const { opcode, serviceAction, length, fields } = command;
  const cdb: number[] = new Array(length || 16).fill(0);
  cdb[0] = opcode;
  cdb[1] = serviceAction ?? 0;
  const all: Values = { ...usual(command), ...values };
  for (const field of fields) if (all[field.name] !== undefined) put(cdb, field, all[field.name]);
  return cdb;
}

const random = (seed: string): Random => seededRandom(5, seed);

function bytes(length: number, source: Random): Uint8Array {
  return Uint8Array.from({ length }, () => source.below(256));
}

/** What a command moves by its CDB: nothing, bytes to send, or room. */
function withData(lun: number, cdb: readonly number[], source: Random): Request {
  const request = { lun, cdb };
  const known = findCommand(Uint8Array.from(cdb));
  const name = known?.name ?? "";
  const block = BLOCK_SIZES[lun];
  const length = blocksOf(Uint8Array.from(cdb)) * block;
  const out = (size: number): Request => (size === 0 ? request : { ...request, out: bytes(size, source) });
  const allocation = known?.fields.find((field) => field.name === "alloc");
  if (allocation !== undefined) return { ...request, room: numberAt(cdb, allocation) };
  if (known === COMMANDS.readCapacity10) return { ...request, room: 8 };
  if (known === COMMANDS.compareAndWrite) return out(2 * block * cdb[13]);
  if (name.startsWith("WRITE SAME")) return out(cdb[0] === 0x93 && (cdb[1] & 1) !== 0 ? 0 : block);
  if (name.startsWith("READ(")) return { ...request, room: length };
  if (/^(WRITE|WRITE AND VERIFY|ORWRITE)\(/.test(name)) return out(length);
  if (known === COMMANDS.writeAtomic16) return out(block * (cdb[12] * 256 + cdb[13]));
  if (name.startsWith("VERIFY(")) return out([0, length, length, block][(cdb[1] >> 1) & 3]);
  return request;
}

function numberAt(cdb: readonly number[], { byte, size }: CdbField): number {
  return cdb.slice(byte, byte + size).reduce((value, next) => value * 256 + next, 0);
}

const ALL: readonly CommandDescription[] = Object.values(COMMANDS);
const having = (name: string): CommandDescription[] =>
  ALL.filter(({ fields }) => fields.some((field) => field.name === name));

/** Every command that there is a row for, whether it is supported or not. */
function* plain(source: Random): Generator<Request> {
  for (const command of ALL) yield withData(DISK, cdbOf(command, { alloc: 200 }), source);
}

/** NACA in CONTROL, and a reserved bit of byte 1, by turns. */
function* wrongFields(source: Random): Generator<Request> {
  for (const [index, command] of having("alloc").concat(having("lba")).entries()) {
    if (index % 3 === 0) continue;
    const cdb = cdbOf(command, { alloc: 64 });
    if (index % 3 === 1) cdb[cdb.length - 1] |= 0x04;
    else cdb[1] |= 0x80;
    yield withData(DISK, cdb, source);
  }
}

/** No allocation length, a short one, and more room than it says; a long one is in the plain list. */
function* allocations(source: Random): Generator<Request> {
  for (const command of having("alloc")) {
    for (const alloc of [0, 5]) yield withData(DISK, cdbOf(command, { alloc }), source);
    yield { lun: REMOVABLE, cdb: cdbOf(command, { alloc: 16 }), room: 64 };
  }
}

/** LBAs at both ends of the medium and beyond. */
function* borders(source: Random): Generator<Request> {
  const ends: Values[] = [
    { lba: 0, blocks: 1 },
    { lba: BLOCKS - 1, blocks: 1 },
    { lba: BLOCKS - 1, blocks: 2 },
    { lba: 0x1f_ffff, blocks: 1 },
  ];
  for (const command of having("lba")) {
    for (const values of ends) yield withData(DISK, cdbOf(command, { ...values, alloc: 64 }), source);
  }
  for (const command of [COMMANDS.read10, COMMANDS.write10, COMMANDS.verify16]) {
    for (const values of [...ends, { lba: BLOCKS, blocks: 0 }])
      yield withData(REMOVABLE, cdbOf(command, values), source);
  }
}

/** Data that is not what the CDB says: none, more, or in the other direction. */
function* otherData(source: Random): Generator<Request> {
  const read = cdbOf(COMMANDS.read10, { lba: 3, blocks: 2 });
  const write = cdbOf(COMMANDS.write16, { lba: 3, blocks: 2 });
  yield { lun: DISK, cdb: read, room: 4096 };
  yield { lun: DISK, cdb: read, out: bytes(1024, source) };
  yield { lun: DISK, cdb: write, out: bytes(1500, source) };
  yield { lun: DISK, cdb: write, room: 1024 };
  yield { lun: DISK, cdb: cdbOf(COMMANDS.testUnitReady), room: 32 };
  yield { lun: DISK, cdb: cdbOf(COMMANDS.inquiry, { alloc: 36 }), out: bytes(36, source) };
  yield { lun: DISK, cdb: cdbOf(COMMANDS.compareAndWrite, { lba: 1, blocks: 2 }), out: bytes(1024, source) };
  yield { lun: DISK, cdb: cdbOf(COMMANDS.writeSame16, { lba: 1, blocks: 2 }), out: bytes(1024, source) };
}

/** BYTCHK of every value, against what is there and what is not. */
function* checks(source: Random): Generator<Request> {
  const same = bytes(1024, source);
  yield { lun: DISK, cdb: cdbOf(COMMANDS.write10, { lba: 40, blocks: 2 }), out: same };
  for (const command of having("bytchk")) {
    for (const bytchk of [0, 1, 2, 3]) {
      const request = withData(DISK, cdbOf(command, { lba: 40, blocks: 2, bytchk }), source);
      yield request.out === undefined ? request : { ...request, out: same.subarray(0, request.out.length) };
    }
  }
  yield { lun: DISK, cdb: cdbOf(COMMANDS.verify10, { lba: 0, blocks: 2, bytchk: 1 }), out: same };
  const pair = new Uint8Array(2048);
  pair.set(same);
  pair.set(same.toReversed(), 1024);
  yield { lun: DISK, cdb: cdbOf(COMMANDS.compareAndWrite, { lba: 40, blocks: 2 }), out: pair };
  yield { lun: DISK, cdb: cdbOf(COMMANDS.compareAndWrite, { lba: 40, blocks: 2 }), out: pair };
  yield { lun: DISK, cdb: cdbOf(COMMANDS.read10, { lba: 40, blocks: 2 }), room: 1024 };
}

/** Vital product data, mode pages, opcodes: what tells of the unit. */
function* reports(source: Random): Generator<Request> {
  for (const page of [0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2, 0xb7]) {
    const lun = page === 0xb0 ? REMOVABLE : DISK;
    yield withData(lun, cdbOf(COMMANDS.inquiry, { evpd: 1, page, alloc: 252 }), source);
  }
  for (const page of [0x00, 0x01, 0x08, 0x0a, 0x1c, 0x3f]) {
    for (const control of page === 0x0a || page === 0x3f ? [0, 0x40, 0x80, 0xc0] : [0]) {
      const cdb = cdbOf(COMMANDS.modeSense6, { page, alloc: 192 });
      cdb[2] |= control;
      yield withData(DISK, cdb, source);
    }
  }
  for (const options of [0, 1, 2, 3, 4]) {
    const values = { options, opcode: options === 2 ? 0x9e : 0x28, action: options === 2 ? 0x10 : 0, alloc: 1024 };
    yield withData(DISK, cdbOf(COMMANDS.reportSupportedOpcodes, values), source);
  }
  for (const select of [0, 3]) yield withData(DISK, cdbOf(COMMANDS.reportLuns, { select, alloc: 256 }), source);
}

const selectList = (...page: number[]): Uint8Array => Uint8Array.from([0, 0, 0, 0, ...page]);
const control = (dSense: number): Uint8Array => selectList(0x0a, 0x0a, dSense, 0x10, 0, 0, 0, 0, 0, 0, 0, 0);

/** MODE SELECT, and what is different after it: sense data in descriptor format. */
function* selects(): Generator<Request> {
  const select = (list: Uint8Array, flags = 0x10, length = list.length): Request => {
    const cdb = cdbOf(COMMANDS.modeSelect6, { length });
    cdb[1] = flags;
    return { lun: DISK, cdb, out: list };
  };
  yield select(control(4), 0x00);
  yield select(control(4), 0x11);
  yield select(control(4), 0x10, 32);
  yield select(control(0x80));
  yield select(selectList(0x0b, 2, 0, 0));
  yield select(control(4));
  yield { lun: DISK, cdb: cdbOf(COMMANDS.read16, { lba: BLOCKS, blocks: 1 }), room: 512 };
  yield { lun: DISK, cdb: cdbOf(COMMANDS.requestSense, { desc: 1, alloc: 64 }), room: 64 };
  yield { lun: DISK, cdb: cdbOf(COMMANDS.modeSense10, { page: 0x0a, alloc: 64 }), room: 64 };
  yield select(selectList(0x08, 0x12, ...new Array(18).fill(0)));
  yield select(control(0));
}

/** Ranges by parameter list, and zeros by WRITE SAME; then how the blocks are provisioned. */
function* provisioning(source: Random): Generator<Request> {
  const unmap = (list: readonly number[], length = list.length): Request => {
    return { lun: DISK, cdb: cdbOf(COMMANDS.unmap, { length }), out: Uint8Array.from(list) };
  };
  const ranges = (lba: number, blocks: number): number[] => {
    return [0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, lba >> 8, lba & 255, 0, 0, 0, blocks, 0, 0, 0, 0];
  };
  yield unmap(ranges(32, 64));
  yield unmap(ranges(BLOCKS - 1, 2));
  yield unmap(ranges(0, 8).slice(0, 20));
  yield unmap(ranges(0, 8), 0);
  for (const flags of [0x00, 0x08, 0x01, 0x09]) {
    const cdb = cdbOf(COMMANDS.writeSame16, { lba: 128, blocks: 16 });
    cdb[1] = flags;
    yield withData(DISK, cdb, source);
  }
  for (const lba of [0, 32, 128, BLOCKS]) {
    yield withData(DISK, cdbOf(COMMANDS.getLbaStatus, { lba, alloc: 128 }), source);
  }
}

/** A medium that goes and comes, a unit that is reset, and one that grows. */
function* states(source: Random): Generator<Request> {
  const ready: Request = { lun: REMOVABLE, cdb: cdbOf(COMMANDS.testUnitReady) };
  const startStop = (flags: number): Request => ({ lun: REMOVABLE, cdb: [0x1b, 0, 0, 0, flags, 0] });
  yield { lun: REMOVABLE, cdb: cdbOf(COMMANDS.preventAllow, { prevent: 1 }) };
  yield startStop(2);
  yield { lun: REMOVABLE, cdb: cdbOf(COMMANDS.preventAllow) };
  yield startStop(2);
  yield ready;
  yield withData(REMOVABLE, cdbOf(COMMANDS.read10, { lba: 0, blocks: 1 }), source);
  yield startStop(1);
  yield startStop(3);
  yield startStop(0);
  yield ready;
  yield startStop(1);
  for (const before of ["reset", "grow"] as const) {
    yield { ...ready, before };
    yield ready;
    yield { lun: DISK, cdb: cdbOf(COMMANDS.requestSense, { alloc: 18 }), room: 18, before };
    yield withData(DISK, cdbOf(COMMANDS.readCapacity16, { alloc: 32 }), source);
  }
}

/** Opcodes and service actions that have no row. */
function* unknown(): Generator<Request> {
  for (const opcode of [0x02, 0x60, 0x7f, 0x9d, 0xc0, 0xff])
    yield { lun: DISK, cdb: [opcode, ...new Array(15).fill(0)] };
  yield { lun: DISK, cdb: [0x9e, 0x1f, ...new Array(14).fill(0)] };
  yield { lun: DISK, cdb: [0xa3, 0x00, ...new Array(10).fill(0)] };
}

/** Writes at random, each read back by a command of another length. */
function* transfers(count: number, source: Random): Generator<Request> {
  const writes = [COMMANDS.write10, COMMANDS.write16, COMMANDS.write12, COMMANDS.write6];
  const reads = [COMMANDS.read16, COMMANDS.read6, COMMANDS.read10, COMMANDS.read12];
  for (let i = 0; i < count; i += 2) {
    const turn = (i / 2) % writes.length;
    const lun = turn === 2 ? REMOVABLE : DISK;
    const values = { lba: source.below(BLOCKS - 64), blocks: 1 + source.below(lun === DISK ? 64 : 8) };
    yield withData(lun, cdbOf(writes[turn], values), source);
    if (i + 1 < count) yield withData(lun, cdbOf(reads[turn], values), source);
  }
}

export function transcriptRequests(): readonly Request[] {
  const source = random("transcript");
  const parts = [plain, wrongFields, allocations, borders, otherData, checks, reports, selects, provisioning, states];
  const list = parts.flatMap((part) => [...part(source)]).concat([...unknown()]);
  const left = REQUESTS - list.length;
  if (left < TRANSFERS) throw new Error(`${list.length} requests leave no room for transfers`);
  return [...list, ...transfers(left, source)];
}
