// Knows the CDBs of SPC-4 and SBC-3 field by field, as the standards draw them and whatever a target makes of them: what
// the generator fills in, and which bits are reserved. Knows nothing of our own tables.

/** What a field means to who fills it in. */
export type FieldKind =
  | "lba"
  | "blocks"
  | "allocation" // bytes of room that the CDB speaks of
  | "length" // bytes of the parameter list that the CDB speaks of
  | "flag"
  | "usual" // a flag that is mostly set: PF
  | "even" // a flag that is as often set as not: EVPD
  | "check" // BYTCHK
  | "protect" // RDPROTECT, WRPROTECT, VRPROTECT
  | "vpd" // a page code of INQUIRY
  | "mode" // a page code of MODE SENSE
  | "opcode"
  | "action"
  | "type" // of a persistent reservation
  | "number"; // anything

export interface Field {
  readonly kind: FieldKind;
  readonly byte: number;
  readonly size: number;
  /** Of its first byte. */
  readonly mask: number;
}

/** What goes with a command. */
export type DataKind =
  | "none"
  | "room" // as many bytes as it allocates
  | "blocks-in"
  | "blocks-out"
  | "block" // one, for all
  | "compared" // as BYTCHK says
  | "twice" // what is compared, and what is written
  | "unmap"
  | "mode"
  | "reserve"
  | "format"
  | "bytes"; // as many as it says

/** What of the target a command may change. */
export type Touch = "nothing" | "medium" | "mode" | "reservation" | "tray";

export interface Layout {
  readonly name: string;
  readonly opcode: number;
  /** In the low five bits of byte 1; null where there is none. */
  readonly action: number | null;
  readonly length: number;
  readonly fields: readonly Field[];
  readonly data: DataKind;
  readonly touches: Touch;
  /** How often, against the others. */
  readonly weight: number;
}

const LENGTHS = [6, 10, 10, 0, 16, 12, 0, 0];

interface Extra {
  readonly data?: DataKind;
  readonly touches?: Touch;
  readonly weight?: number;
}

/** `map` has words `kind@byte`, `kind@byte+size` and `kind@byte:mask` or both. */
function layout(name: string, opcode: number, action: number | null, map: string, extra: Extra = {}): Layout {
  const { data = "none", touches = "nothing", weight = 2 } = extra;
  const fields = map.split(" ").flatMap((word) => (word === "" ? [] : [fieldOf(word)]));
  return { name, opcode, action, length: LENGTHS[opcode >>> 5], fields, data, touches, weight };
}

function fieldOf(word: string): Field {
  const [, kind, byte, size = "1", mask = "ff"] = /^(\w+)@(\d+)(?:\+(\d))?(?::([0-9a-f]{2}))?$/.exec(word) ?? [];
  if (kind === undefined) throw new Error(`no field: ${word}`);
  return { kind: kind as FieldKind, byte: Number(byte), size: Number(size), mask: Number.parseInt(mask, 16) };
}

const READ = { data: "blocks-in", weight: 6 } as const;
const WRITE = { data: "blocks-out", touches: "medium", weight: 6 } as const;
const COMPARED = { data: "compared", weight: 4 } as const;
const ROOM = { data: "room" } as const;
const RANGE_10 = "lba@2+4 number@6:1f blocks@7+2";
const RANGE_12 = "lba@2+4 blocks@6+4 number@10:1f";
const RANGE_16 = "lba@2+8 blocks@10+4 number@14:1f";
const MOVES = "protect@1:e0 flag@1:10 flag@1:08";
const CHECKS = "protect@1:e0 flag@1:10 check@1:06";
const PAGE = "number@2:c0 mode@2:3f number@3";
const RESERVE = { data: "reserve", touches: "reservation", weight: 2 } as const;
const reserves = (name: string, action: number): Layout =>
  layout(`PERSISTENT RESERVE OUT/${name}`, 0x5f, action, "number@2:f0 type@2:0f length@5+4", RESERVE);
const reserved = (name: string, action: number): Layout =>
  layout(`PERSISTENT RESERVE IN/${name}`, 0x5e, action, "allocation@7+2", ROOM);
const sanitizes = (name: string, action: number, map: string, data: DataKind): Layout =>
  layout(`SANITIZE/${name}`, 0x48, action, `flag@1:80 flag@1:20 ${map}`, { data, touches: "medium", weight: 0.1 });

export const LAYOUTS: readonly Layout[] = [
  layout("TEST UNIT READY", 0x00, null, ""),
  layout("REQUEST SENSE", 0x03, null, "flag@1:01 allocation@4", ROOM),
  layout("FORMAT UNIT", 0x04, null, "protect@1:c0 flag@1:20 flag@1:10 flag@1:08 number@1:07 number@2", {
    data: "format",
    touches: "medium",
    weight: 0.2,
  }),
  layout("READ(6)", 0x08, null, "lba@1+3:1f blocks@4", READ),
  layout("WRITE(6)", 0x0a, null, "lba@1+3:1f blocks@4", WRITE),
  layout("INQUIRY", 0x12, null, "even@1:01 vpd@2 allocation@3+2", { data: "room", weight: 5 }),
  layout("MODE SELECT(6)", 0x15, null, "usual@1:10 flag@1:01 length@4", { data: "mode", touches: "mode", weight: 3 }),
  layout("RESERVE(6)", 0x16, null, "", { touches: "reservation", weight: 0.7 }),
  layout("RELEASE(6)", 0x17, null, "", { touches: "reservation", weight: 1 }),
  layout("MODE SENSE(6)", 0x1a, null, `flag@1:08 ${PAGE} allocation@4`, { data: "room", weight: 4 }),
  layout("START STOP UNIT", 0x1b, null, "flag@1:01 number@3:0f number@4:f0 flag@4:04 flag@4:02 usual@4:01", {
    touches: "tray",
    weight: 0.6,
  }),
  layout("RECEIVE DIAGNOSTIC RESULTS", 0x1c, null, "flag@1:01 number@2 allocation@3+2", ROOM),
  layout("SEND DIAGNOSTIC", 0x1d, null, "protect@1:e0 flag@1:10 usual@1:04 flag@1:02 flag@1:01 length@3+2", {
    data: "bytes",
  }),
  layout("PREVENT ALLOW MEDIUM REMOVAL", 0x1e, null, "number@4:01", { touches: "tray", weight: 0.6 }),
  layout("READ CAPACITY(10)", 0x25, null, "", { data: "room" }),
  layout("READ(10)", 0x28, null, `${MOVES} flag@1:04 ${RANGE_10}`, READ),
  layout("WRITE(10)", 0x2a, null, `${MOVES} ${RANGE_10}`, WRITE),
  layout("WRITE AND VERIFY(10)", 0x2e, null, `${CHECKS} ${RANGE_10}`, WRITE),
  layout("VERIFY(10)", 0x2f, null, `${CHECKS} ${RANGE_10}`, COMPARED),
  layout("PRE-FETCH(10)", 0x34, null, `flag@1:02 ${RANGE_10}`),
  layout("SYNCHRONIZE CACHE(10)", 0x35, null, `flag@1:02 ${RANGE_10}`),
  layout("READ DEFECT DATA(10)", 0x37, null, "flag@2:10 flag@2:08 number@2:07 allocation@7+2", ROOM),
  layout("WRITE BUFFER", 0x3b, null, "number@1:e0 number@1:1f number@2 number@3+3 length@6+3", { data: "bytes" }),
  layout("READ BUFFER", 0x3c, null, "number@1:e0 number@1:1f number@2 number@3+3 allocation@6+3", ROOM),
  layout("WRITE SAME(10)", 0x41, null, `protect@1:e0 flag@1:10 flag@1:08 ${RANGE_10}`, {
    data: "block",
    touches: "medium",
    weight: 4,
  }),
  layout("UNMAP", 0x42, null, "flag@1:01 number@6:1f length@7+2", { data: "unmap", touches: "medium", weight: 5 }),
  sanitizes("OVERWRITE", 0x01, "length@7+2", "bytes"),
  sanitizes("BLOCK ERASE", 0x02, "", "none"),
  sanitizes("EXIT FAILURE MODE", 0x1f, "", "none"),
  layout("LOG SELECT", 0x4c, null, "flag@1:02 flag@1:01 number@2:c0 number@2:3f number@3 length@7+2", {
    touches: "mode",
    weight: 1,
  }),
  layout("LOG SENSE", 0x4d, null, "flag@1:01 number@2:c0 number@2:3f number@3 number@5+2 allocation@7+2", ROOM),
  layout("MODE SELECT(10)", 0x55, null, "usual@1:10 flag@1:01 length@7+2", {
    data: "mode",
    touches: "mode",
    weight: 3,
  }),
  layout("RESERVE(10)", 0x56, null, "", { touches: "reservation", weight: 0.3 }),
  layout("RELEASE(10)", 0x57, null, "", { touches: "reservation", weight: 0.3 }),
  layout("MODE SENSE(10)", 0x5a, null, `flag@1:10 flag@1:08 ${PAGE} allocation@7+2`, { data: "room", weight: 4 }),
  reserved("READ KEYS", 0x00),
  reserved("READ RESERVATION", 0x01),
  reserved("REPORT CAPABILITIES", 0x02),
  reserved("READ FULL STATUS", 0x03),
  reserves("REGISTER", 0x00),
  reserves("RESERVE", 0x01),
  reserves("RELEASE", 0x02),
  reserves("CLEAR", 0x03),
  reserves("PREEMPT", 0x04),
  reserves("PREEMPT AND ABORT", 0x05),
  reserves("REGISTER AND IGNORE EXISTING KEY", 0x06),
  reserves("REGISTER AND MOVE", 0x07),
  layout("EXTENDED COPY", 0x83, 0x00, "length@10+4", { data: "bytes", touches: "medium", weight: 1 }),
  layout("RECEIVE COPY RESULTS", 0x84, 0x03, "number@2 allocation@10+4", ROOM),
  layout("READ(16)", 0x88, null, `${MOVES} flag@1:04 ${RANGE_16}`, READ),
  layout("COMPARE AND WRITE", 0x89, null, `${MOVES} lba@2+8 blocks@13 number@14:1f`, {
    data: "twice",
    touches: "medium",
  }),
  layout("WRITE(16)", 0x8a, null, `${MOVES} ${RANGE_16}`, WRITE),
  layout("ORWRITE(16)", 0x8b, null, `${MOVES} ${RANGE_16}`, WRITE),
  layout("WRITE AND VERIFY(16)", 0x8e, null, `${CHECKS} ${RANGE_16}`, WRITE),
  layout("VERIFY(16)", 0x8f, null, `${CHECKS} ${RANGE_16}`, COMPARED),
  layout("PRE-FETCH(16)", 0x90, null, `flag@1:02 ${RANGE_16}`),
  layout("SYNCHRONIZE CACHE(16)", 0x91, null, `flag@1:02 ${RANGE_16}`),
  layout("WRITE SAME(16)", 0x93, null, `protect@1:e0 flag@1:10 flag@1:08 flag@1:01 ${RANGE_16}`, {
    data: "block",
    touches: "medium",
    weight: 4,
  }),
  layout("WRITE ATOMIC(16)", 0x9c, null, `${MOVES} lba@2+8 number@10+2 blocks@12+2 number@14:1f`, {
    data: "blocks-out",
    touches: "medium",
  }),
  layout("READ CAPACITY(16)", 0x9e, 0x10, "allocation@10+4", ROOM),
  layout("GET LBA STATUS", 0x9e, 0x12, "lba@2+8 allocation@10+4", ROOM),
  layout("REPORT LUNS", 0xa0, null, "number@2 allocation@6+4", ROOM),
  layout("REPORT TARGET PORT GROUPS", 0xa3, 0x0a, "protect@1:e0 allocation@6+4", ROOM),
  layout("REPORT SUPPORTED OPERATION CODES", 0xa3, 0x0c, "flag@2:80 number@2:07 opcode@3 action@4+2 allocation@6+4", {
    data: "room",
    weight: 4,
  }),
  layout("REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", 0xa3, 0x0d, "flag@2:80 allocation@6+4", ROOM),
  layout("READ(12)", 0xa8, null, `${MOVES} flag@1:04 ${RANGE_12}`, READ),
  layout("WRITE(12)", 0xaa, null, `${MOVES} ${RANGE_12}`, WRITE),
  layout("WRITE AND VERIFY(12)", 0xae, null, `${CHECKS} ${RANGE_12}`, WRITE),
  layout("VERIFY(12)", 0xaf, null, `${CHECKS} ${RANGE_12}`, COMPARED),
  layout("READ DEFECT DATA(12)", 0xb7, null, "flag@1:10 flag@1:08 number@1:07 number@2+4 allocation@6+4", ROOM),
];

/** The layout of a CDB, with its service action where it has one; undefined where the standards' disks have none. */
export function layoutOf(cdb: Uint8Array): Layout | undefined {
  return LAYOUTS.find(({ opcode, action }) => opcode === cdb[0] && (action === null || action === (cdb[1] & 0x1f)));
}

/** The first byte of a CDB with a reserved or obsolete bit that is set, CONTROL among them; -1 where there is none. */
export function firstReserved(cdb: Uint8Array, { action, length, fields }: Layout): number {
  for (let byte = 1; byte < length; byte++) {
    let meant = byte === 1 && action !== null ? 0x1f : 0;
    for (const field of fields) {
      if (byte === field.byte) meant |= field.mask;
      else if (byte > field.byte && byte < field.byte + field.size) meant = 0xff;
    }
    if ((cdb[byte] & ~meant) !== 0) return byte;
  }
  return -1;
}

/** A field's value, as a bigint: an LBA has 64 bits. */
export function fieldNumber(cdb: Uint8Array, { byte, size, mask }: Field): bigint {
  if (size === 1) return BigInt((cdb[byte] & mask) / (mask & -mask));
  let value = BigInt(cdb[byte] & mask);
  for (let i = 1; i < size; i++) value = (value << 8n) | BigInt(cdb[byte + i]);
  return value;
}

/** Sets a field; a value that is too large for it is cut. */
export function setValue(cdb: Uint8Array, { byte, size, mask }: Field, value: bigint): void {
  if (size === 1) {
    cdb[byte] = (cdb[byte] & ~mask) | ((Number(value & 0xffn) * (mask & -mask)) & mask);
    return;
  }
  for (let i = size - 1; i >= 0; i--, value >>= 8n) {
    const part = Number(value & 0xffn);
    cdb[byte + i] = i === 0 ? (cdb[byte] & ~mask) | (part & mask) : part;
  }
}

/** The value of the field of a kind; undefined where the layout has none. */
export function fieldOfKind(cdb: Uint8Array, { fields }: Layout, kind: FieldKind): bigint | undefined {
  const found = fields.find((field) => field.kind === kind);
  return found === undefined ? undefined : fieldNumber(cdb, found);
}

/** LBA and number of blocks of a CDB that has both, with READ(6)'s and WRITE(6)'s 256; null where there are none. */
export function rangeOf(cdb: Uint8Array, of: Layout): { lba: bigint; blocks: bigint } | null {
  const [lba, blocks] = [fieldOfKind(cdb, of, "lba"), fieldOfKind(cdb, of, "blocks")];
  if (lba === undefined || blocks === undefined) return null;
  return { lba, blocks: blocks === 0n && of.length === 6 ? 256n : blocks };
}
