// Knows which commands a disk supports, with their CDB usage maps: the one table that executes and reports them.

import { portGroupRows } from "../alua/commands.js";
import { COMMANDS } from "../cdb.js";
import { copyRows } from "../copy/commands.js";
import { diagnosticRows, primaryRows, removalRows } from "../device/rows.js";
import { type CommandRow, CommandTable, row } from "../device-server.js";
import { reservationRows } from "../reservations/commands.js";
import { writeAtomic } from "./atomic.js";
import { readCapacity10, readCapacity16 } from "./capacity.js";
import { readDefectData10, readDefectData12 } from "./defects.js";
import type { Disk } from "./disk.js";
import { type DiskFeatures, hasCommand } from "./features.js";
import { formatUnit } from "./format.js";
import { startStopAccess, startStopUnit } from "./medium.js";
import { DISK_MODEL } from "./model.js";
import { orWrite } from "./or-write.js";
import { getLbaStatus, unmap, writeSame } from "./provisioning.js";
import { exitFailureMode, sanitizeBlockErase, sanitizeCryptographicErase, sanitizeOverwrite } from "./sanitize.js";
import { preFetch, read, synchronizeCache, write } from "./transfer.js";
import { compareAndWrite, verify, writeAndVerify } from "./verify.js";

const SIZE = { needs: "medium", data: "in", access: "asks" } as const;
const READS = { needs: "medium", data: "in" } as const;
const WRITES = { needs: "writable-medium", data: "out" } as const;
/** What may have to go through the whole medium, or wait for a flush. */
const LONG = 600;
/** Seconds that going through the whole medium may take. */
const DAY = 86_400;
const WHOLE = { needs: "writable-medium", data: "out", timeout: DAY } as const;
const FLUSHES = { needs: "medium", access: "writes", timeout: LONG } as const;
const LOOKS = { needs: "medium", timeout: LONG } as const;
const FILLS = { needs: "writable-medium", data: "out", timeout: LONG } as const;

/** What of a disk decides which commands it has. */
interface DiskShape {
  readonly removable: boolean;
  readonly fua: boolean;
  readonly thin: boolean;
  readonly features: DiskFeatures;
  readonly erases: boolean;
  readonly changesKey: boolean;
  /** WRITE ATOMIC is there. */
  readonly atomic: boolean;
  /** Something can go through the whole medium. */
  readonly operates: boolean;
  readonly groups: "none" | "implicit" | "explicit";
}

/** Disks of one shape have one table: with thousands of them that is most of what a disk would take. */
const TABLES = new Map<string, CommandTable<Disk>>();

export function diskTable(disk: Disk): CommandTable<Disk> {
  const shape = shapeOf(disk);
  const key = JSON.stringify(shape);
  const known = TABLES.get(key);
  if (known !== undefined) return known;
  const table = new CommandTable(diskRows(shape));
  TABLES.set(key, table);
  return table;
}

function shapeOf({
  removable,
  fua,
  thin,
  features,
  erases,
  changesKey,
  limits,
  identity,
  portGroups,
}: Disk): DiskShape {
  const explicit = portGroups?.all.some((group) => group.explicit) === true;
  const groups = portGroups === null ? "none" : explicit ? "explicit" : "implicit";
  const operates = identity.clock !== undefined;
  return { removable, fua, thin, features, erases, changesKey, atomic: limits.atomicWrite > 0, operates, groups };
}

/**
 * RDPROTECT, WRPROTECT, VRPROTECT and NACA are not supported: their bits are zero in every map. Group numbers are taken
 * and nothing is collected by them, as GROUP_SUP of VPD page 86h says; SYNC_NV of SBC-2 is taken, as every cache is
 * volatile.
 */
function diskRows(shape: DiskShape): readonly CommandRow<Disk>[] {
  const rows: CommandRow<Disk>[] = [
    ...primaryRows(DISK_MODEL),
    ...(shape.groups === "none" ? [] : portGroupRows(shape.groups === "explicit")),
    ...reservationRows(),
    ...mediumRows(shape.removable),
    ...transferRows(shape.fua),
    ...verifyRows(shape.fua),
    ...provisioningRows(shape),
    ...atomicRows(shape),
    ...operationRows(shape),
    ...diagnosticRows(DISK_MODEL),
    ...copyRows(),
  ];
  return rows.filter(({ command }) => hasCommand(shape.features, command));
}

function mediumRows(removable: boolean): CommandRow<Disk>[] {
  return [
    row(COMMANDS.startStopUnit, removable ? "01 00 00 f7 00" : "01 00 00 f5 00", startStopUnit, {
      access: startStopAccess,
      timeout: LONG,
    }),
    row(COMMANDS.readCapacity10, "00 00 00 00 00 00 00 00 00", readCapacity10, SIZE),
    row(COMMANDS.readCapacity16, "00 00 00 00 00 00 00 00 00 ff ff ff ff 00 00", readCapacity16, SIZE),
    row(COMMANDS.readDefectData10, "00 1f 00 00 00 00 ff ff 00", readDefectData10, READS),
    row(COMMANDS.readDefectData12, "1f ff ff ff ff ff ff ff ff 00 00", readDefectData12, READS),
    row(COMMANDS.synchronizeCache10, "06 ff ff ff ff 1f ff ff 00", synchronizeCache, FLUSHES),
    row(COMMANDS.synchronizeCache16, "06 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00", synchronizeCache, FLUSHES),
    ...(removable ? removalRows() : []),
  ];
}

/** Byte 1 of what reads and writes: DPO and FUA, where they are supported. */
const dpoFua = (fua: boolean): string => (fua ? "18" : "00");

function transferRows(fua: boolean): CommandRow<Disk>[] {
  const flags = dpoFua(fua);
  return [
    row(COMMANDS.read6, "1f ff ff ff 00", read, READS),
    row(COMMANDS.read10, `${flags} ff ff ff ff 1f ff ff 00`, read, READS),
    row(COMMANDS.read12, `${flags} ff ff ff ff ff ff ff ff 1f 00`, read, READS),
    row(COMMANDS.read16, `${flags} ff ff ff ff ff ff ff ff ff ff ff ff 1f 00`, read, READS),
    row(COMMANDS.write6, "1f ff ff ff 00", write, WRITES),
    row(COMMANDS.write10, `${flags} ff ff ff ff 1f ff ff 00`, write, WRITES),
    row(COMMANDS.write12, `${flags} ff ff ff ff ff ff ff ff 1f 00`, write, WRITES),
    row(COMMANDS.write16, `${flags} ff ff ff ff ff ff ff ff ff ff ff ff 1f 00`, write, WRITES),
    row(COMMANDS.orWrite16, `${flags} ff ff ff ff ff ff ff ff ff ff ff ff 1f 00`, orWrite, WRITES),
    row(COMMANDS.preFetch10, "02 ff ff ff ff 1f ff ff 00", preFetch, LOOKS),
    row(COMMANDS.preFetch16, "02 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00", preFetch, LOOKS),
  ];
}

/** DPO, where it is supported, and BYTCHK; whether there is data depends on BYTCHK. */
function verifyRows(fua: boolean): CommandRow<Disk>[] {
  const flags = fua ? "16" : "06";
  return [
    row(COMMANDS.verify10, `${flags} ff ff ff ff 1f ff ff 00`, verify, LOOKS),
    row(COMMANDS.verify12, `${flags} ff ff ff ff ff ff ff ff 1f 00`, verify, LOOKS),
    row(COMMANDS.verify16, `${flags} ff ff ff ff ff ff ff ff ff ff ff ff 1f 00`, verify, LOOKS),
    row(COMMANDS.writeAndVerify10, `${flags} ff ff ff ff 1f ff ff 00`, writeAndVerify, WRITES),
    row(COMMANDS.writeAndVerify12, `${flags} ff ff ff ff ff ff ff ff 1f 00`, writeAndVerify, WRITES),
    row(COMMANDS.writeAndVerify16, `${flags} ff ff ff ff ff ff ff ff ff ff ff ff 1f 00`, writeAndVerify, WRITES),
    row(COMMANDS.compareAndWrite, `${dpoFua(fua)} ff ff ff ff ff ff ff ff 00 00 00 ff 1f 00`, compareAndWrite, WRITES),
  ];
}

/** ANCHOR is not supported; UNMAP is where the disk is thinly provisioned. */
function provisioningRows({ thin, features }: DiskShape): CommandRow<Disk>[] {
  const takesUnmap = thin && features.writeSameUnmap;
  const rows: CommandRow<Disk>[] = [
    row(COMMANDS.writeSame10, `${takesUnmap ? "08" : "00"} ff ff ff ff 1f ff ff 00`, writeSame, FILLS),
    row(
      COMMANDS.writeSame16,
      `${takesUnmap ? "09" : "01"} ff ff ff ff ff ff ff ff ff ff ff ff 1f 00`,
      writeSame,
      FILLS,
    ),
    row(COMMANDS.getLbaStatus, "00 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", getLbaStatus, READS),
  ];
  if (thin) rows.push(row(COMMANDS.unmap, "00 00 00 00 00 1f ff ff 00", unmap, FILLS));
  return rows;
}

/** No ATOMIC BOUNDARY is supported, as VPD page B0h says. */
function atomicRows({ atomic, fua }: DiskShape): CommandRow<Disk>[] {
  if (!atomic) return [];
  const usage = `${dpoFua(fua)} ff ff ff ff ff ff ff ff 00 00 ff ff 1f 00`;
  return [row(COMMANDS.writeAtomic16, usage, writeAtomic, WRITES)];
}

const SANITIZES = "a0 00 00 00 00 00 00 00 00";

/** BLOCK ERASE is there where blocks can be given back, CRYPTOGRAPHIC ERASE where they are encrypted. */
function operationRows({ operates, erases, changesKey }: DiskShape): CommandRow<Disk>[] {
  if (!operates) return [];
  const rows: CommandRow<Disk>[] = [
    row(COMMANDS.formatUnit, "3f 00 00 00 00", formatUnit, WHOLE),
    row(COMMANDS.sanitizeOverwrite, "a0 00 00 00 00 00 ff ff 00", sanitizeOverwrite, WHOLE),
  ];
  if (erases) rows.push(row(COMMANDS.sanitizeBlockErase, SANITIZES, sanitizeBlockErase, WHOLE));
  if (changesKey) {
    rows.push(row(COMMANDS.sanitizeCryptographicErase, SANITIZES, sanitizeCryptographicErase, WHOLE));
  }
  rows.push(row(COMMANDS.sanitizeExitFailureMode, SANITIZES, exitFailureMode));
  return rows;
}
