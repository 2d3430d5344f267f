// Knows INQUIRY: the standard data and the vital product data pages of a disk (SPC-4 6.6, 7.8; SBC-3 6.6).

import { get16, put16, put32, put64, putText } from "../big-endian.js";
import { invalidField, reply } from "../device-server.js";
import type { Task } from "../task.js";
import type { Disk } from "./disk.js";

const STANDARD_LENGTH = 96;
/** SAM-5, SPC-4 and SBC-3, no version claimed (SPC-4 annex E). */
const VERSION_DESCRIPTORS = [0x00a0, 0x0460, 0x04c0];

export function inquiry(disk: Disk, task: Task): void {
  const { cdb } = task;
  const allocationLength = get16(cdb, 3);
  if ((cdb[1] & 0x01) === 0) {
    if (cdb[2] !== 0) return invalidField(disk, task, 2, null);
    writeStandard(disk, disk.scratch);
    return reply(task, disk.scratch, STANDARD_LENGTH, allocationLength);
  }
  const page = VPD_PAGES[cdb[2]];
  if (page === undefined) return invalidField(disk, task, 2, null);
  disk.scratch.fill(0, 0, 512);
  disk.scratch[0] = disk.deviceType;
  disk.scratch[1] = cdb[2];
  const length = page(disk, disk.scratch);
  put16(disk.scratch, 2, length - 4);
  reply(task, disk.scratch, length, allocationLength);
}

function writeStandard(disk: Disk, bytes: Uint8Array): void {
  const { vendor, product, revision } = disk.identity;
  bytes.fill(0, 0, STANDARD_LENGTH);
  bytes[0] = disk.deviceType;
  bytes[1] = disk.removable ? 0x80 : 0;
  bytes[2] = 0x06; // SPC-4
  bytes[3] = 0x02; // response data format
  bytes[4] = STANDARD_LENGTH - 5;
  bytes[7] = 0x02; // CMDQUE
  putText(bytes, 8, 8, vendor);
  putText(bytes, 16, 16, product);
  putText(bytes, 32, 4, revision);
  for (const [index, version] of VERSION_DESCRIPTORS.entries()) put16(bytes, 58 + 2 * index, version);
}

/** Writes a page from byte 4 on; returns its whole length. Bytes 0 to 3 are the caller's. */
type VpdPage = (disk: Disk, bytes: Uint8Array) => number;

const VPD_PAGES: { readonly [code: number]: VpdPage } = {
  0: supportedPages,
  128: unitSerialNumber,
  131: deviceIdentification,
  134: extendedInquiry,
  176: blockLimits,
  177: blockDeviceCharacteristics,
  178: logicalBlockProvisioning,
};

/** In ascending order, as SPC-4 7.8.13 wants it: integer keys of an object are. */
function supportedPages(_disk: Disk, bytes: Uint8Array): number {
  const codes = Object.keys(VPD_PAGES).map(Number);
  bytes.set(codes, 4);
  return 4 + codes.length;
}

function unitSerialNumber({ identity }: Disk, bytes: Uint8Array): number {
  const length = Math.min(252, identity.serial.length);
  putText(bytes, 4, length, identity.serial);
  return 4 + length;
}

/** The NAA name, and vendor, product and serial number as a T10 vendor id name; both are the logical unit's. */
function deviceIdentification({ identity }: Disk, bytes: Uint8Array): number {
  const naa = identity.wwn.length / 2;
  bytes[4] = 0x01; // binary
  bytes[5] = 0x03; // NAA
  bytes[7] = naa;
  for (let i = 0; i < naa; i++) bytes[8 + i] = Number.parseInt(identity.wwn.slice(2 * i, 2 * i + 2), 16);
  const at = 8 + naa;
  const serial = Math.min(200, identity.serial.length);
  bytes[at] = 0x02; // ASCII
  bytes[at + 1] = 0x01; // T10 vendor id
  bytes[at + 3] = 24 + serial;
  putText(bytes, at + 4, 8, identity.vendor);
  putText(bytes, at + 12, 16, identity.product);
  putText(bytes, at + 28, serial, identity.serial);
  return at + 28 + serial;
}

function extendedInquiry({ store }: Disk, bytes: Uint8Array): number {
  bytes[5] = 0x01; // SIMPSUP
  bytes[6] = store.features.writeBack ? 0x01 : 0; // V_SUP
  return 64;
}

function blockLimits({ limits, thin }: Disk, bytes: Uint8Array): number {
  bytes[5] = limits.compareAndWrite;
  put16(bytes, 6, limits.physical);
  put32(bytes, 8, limits.transfer);
  put32(bytes, 12, limits.optimalTransfer);
  if (thin) {
    put32(bytes, 20, limits.unmap);
    put32(bytes, 24, limits.unmapDescriptors);
    put32(bytes, 28, limits.physical);
    put32(bytes, 32, 0x8000_0000); // UGAVALID, alignment 0
  }
  put64(bytes, 36, limits.writeSame);
  // Any alignment and any length up to this one, and no boundaries (SBC-4).
  put32(bytes, 44, limits.atomicWrite);
  return 64;
}

const NON_ROTATING = 1;

function blockDeviceCharacteristics({ identity }: Disk, bytes: Uint8Array): number {
  put16(bytes, 4, identity.rotation ?? NON_ROTATING);
  return 64;
}

const LBPU = 0x80;
const LBPWS = 0x40;
const LBPWS10 = 0x20;
const LBPRZ = 0x04;
const THIN = 0x02;

function logicalBlockProvisioning({ thin }: Disk, bytes: Uint8Array): number {
  if (thin) {
    bytes[5] = LBPU | LBPWS | LBPWS10 | LBPRZ;
    bytes[6] = THIN;
  }
  return 8;
}
