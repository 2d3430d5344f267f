// Knows the vital product data pages of a disk (SPC-4 7.8, SBC-3 6.6): one table lists and writes them.

import { put16, put32, put64, putText } from "../big-endian.js";
import { Association, CodeSet, type Designator, DesignatorType, writeDesignator } from "../copy/designator.js";
import { writeCopyPage } from "../copy/page.js";
import { MAX_SENSE, type Task } from "../task.js";
import type { Disk } from "./disk.js";

interface VpdPage {
  readonly code: number;
  readonly name: string;
  /** Which disks have it; all where it is not said. */
  readonly applies?: (disk: Disk) => boolean;
  /** Writes what is behind the header, over zeros; returns the length of the whole page. */
  write(disk: Disk, bytes: Uint8Array, task: Task): number;
}

/** In ascending order, as SPC-4 7.8.13 wants it. */
export const VPD_PAGES: readonly VpdPage[] = [
  { code: 0x00, name: "Supported VPD Pages", write: supportedPages },
  { code: 0x80, name: "Unit Serial Number", write: unitSerialNumber },
  { code: 0x83, name: "Device Identification", write: deviceIdentification },
  { code: 0x86, name: "Extended INQUIRY Data", write: extendedInquiry },
  { code: 0x87, name: "Mode Page Policy", write: modePagePolicy },
  {
    code: 0x8f,
    name: "Third-Party Copy",
    applies: ({ features }) => features.thirdPartyCopy,
    write: (disk, bytes) => writeCopyPage(bytes, disk),
  },
  { code: 0xb0, name: "Block Limits", write: blockLimits },
  { code: 0xb1, name: "Block Device Characteristics", write: blockDeviceCharacteristics },
  { code: 0xb2, name: "Logical Block Provisioning", write: logicalBlockProvisioning },
];

const LONGEST = 1024;

/** Writes a page as the task's nexus sees it; returns its length, or null where there is no such page. */
export function writeVpdPage(disk: Disk, code: number, bytes: Uint8Array, task: Task): number | null {
  const page = pagesOf(disk).find((row) => row.code === code);
  if (page === undefined) return null;
  bytes.fill(0, 0, LONGEST);
  bytes[0] = disk.deviceType;
  bytes[1] = code;
  const length = page.write(disk, bytes, task);
  put16(bytes, 2, length - 4);
  return length;
}

function pagesOf(disk: Disk): VpdPage[] {
  return VPD_PAGES.filter(({ applies }) => applies?.(disk) ?? true);
}

function supportedPages(disk: Disk, bytes: Uint8Array): number {
  const codes = pagesOf(disk).map(({ code }) => code);
  bytes.set(codes, 4);
  return 4 + codes.length;
}

function unitSerialNumber({ identity }: Disk, bytes: Uint8Array): number {
  const length = Math.min(252, identity.serial.length);
  putText(bytes, 4, length, identity.serial);
  return 4 + length;
}

/** Names of the unit, which every wire tells alike, the port that was asked and its group (SPC-4 7.8.6). */
function deviceIdentification({ designators, portGroups }: Disk, bytes: Uint8Array, task: Task): number {
  let at = 4;
  for (const designator of designators) at = writeDesignator(bytes, at, designator);
  if (task.nexus === null) return at;
  at = writeDesignator(bytes, at, ofPort(DesignatorType.relativePort, task.nexus.identity.targetPort));
  const group = portGroups?.groupOf(task);
  return group === undefined ? at : writeDesignator(bytes, at, ofPort(DesignatorType.portGroup, group.id));
}

/** A number of the port that was asked. */
function ofPort(type: number, number: number): Designator {
  const bytes = Uint8Array.of(0, 0, number >>> 8, number & 0xff);
  return { codeSet: CodeSet.binary, association: Association.port, type, bytes };
}

const HEADSUP = 0x04;
const ORDSUP = 0x02;
const SIMPSUP = 0x01;

function extendedInquiry({ store }: Disk, bytes: Uint8Array): number {
  bytes[5] = HEADSUP | ORDSUP | SIMPSUP;
  bytes[6] = store.features.writeBack ? 0x01 : 0; // V_SUP
  bytes[13] = MAX_SENSE;
  return 64;
}

const EVERY_PAGE = [0x3f, 0xff];

/** SPC-4 7.8.10: all mode pages are shared by all initiators. */
function modePagePolicy(_disk: Disk, bytes: Uint8Array): number {
  bytes.set(EVERY_PAGE, 4);
  return 8;
}

function blockLimits({ limits, thin, features }: Disk, bytes: Uint8Array): number {
  bytes[5] = features.compareAndWrite ? limits.compareAndWrite : 0;
  put16(bytes, 6, limits.physical);
  put32(bytes, 8, limits.transfer);
  put32(bytes, 12, limits.optimalTransfer);
  if (thin && features.unmap) {
    put32(bytes, 20, limits.unmap);
    put32(bytes, 24, limits.unmapDescriptors);
  }
  if (thin) {
    put32(bytes, 28, limits.granularity);
    put32(bytes, 32, 0x8000_0000); // UGAVALID, alignment 0
  }
  put64(bytes, 36, limits.writeSame);
  // Any alignment and any length up to this one, and no boundaries (SBC-4).
  put32(bytes, 44, limits.atomicWrite);
  return 64;
}

const NON_ROTATING = 1;

/** WABEREQ: after a block erase, blocks are read with GOOD all the same. */
const ERASED_READS_GOOD = 0x40;
/** WACEREQ: likewise after a cryptographic erase. */
const KEY_CHANGED_READS_GOOD = 0x10;

function blockDeviceCharacteristics({ identity, erases, changesKey }: Disk, bytes: Uint8Array): number {
  put16(bytes, 4, identity.rotation ?? NON_ROTATING);
  bytes[7] = (erases ? ERASED_READS_GOOD : 0) | (changesKey ? KEY_CHANGED_READS_GOOD : 0);
  return 64;
}

const LBPU = 0x80;
const LBPWS = 0x40;
const LBPWS10 = 0x20;
const LBPRZ = 0x04;
const THIN = 0x02;

function logicalBlockProvisioning({ thin, features }: Disk, bytes: Uint8Array): number {
  if (thin) {
    const ways = (features.unmap ? LBPU : 0) | (features.writeSameUnmap ? LBPWS | LBPWS10 : 0);
    bytes[5] = ways | (features.unmapZeroes ? LBPRZ : 0);
    bytes[6] = THIN;
  }
  return 8;
}
