// Knows how vital product data pages are listed and written (SPC-4 7.8), and those that every device has. A device type's own are its own
// to say.

import { put16, putText } from "../big-endian.js";
import { Association, CodeSet, type Designator, DesignatorType, writeDesignator } from "../copy/designator.js";
import { MAX_SENSE, type Task } from "../task.js";
import type { Device } from "./device.js";

/** What a page is written for. */
export interface VpdRequest {
  readonly task: Task;
  /** Codes of the pages that the device has. */
  readonly codes: readonly number[];
}

export interface VpdPage<D extends Device> {
  readonly code: number;
  readonly name: string;
  /** Which devices have it; all where it is not said. */
  readonly applies?: (device: D) => boolean;
  /** Writes what is behind the header, over zeros; returns the length of the whole page. */
  readonly write: (device: D, bytes: Uint8Array, request: VpdRequest) => number;
}

const LONGEST = 1024;

/**
 * Writes the page that a CDB asks for into the scratch bytes, as the task's nexus sees it; returns its length, or null where there is no
 * such page.
 */
export function writeVpdPage<D extends Device>(device: D, pages: readonly VpdPage<D>[], task: Task): number | null {
  const code = task.cdb[2];
  const page = pages.find((row) => row.code === code);
  if (page === undefined || page.applies?.(device) === false) return null;
  const bytes = device.scratch;
  bytes.fill(0, 0, LONGEST);
  bytes[0] = device.deviceType;
  bytes[1] = code;
  const codes = pages.filter(({ applies }) => applies?.(device) ?? true).map((row) => row.code);
  const length = page.write(device, bytes, { task, codes });
  put16(bytes, 2, length - 4);
  return length;
}

/** Those of every device, in ascending order, as SPC-4 7.8.13 wants it; `cached` says whether it has a volatile cache. */
export function primaryVpdPages<D extends Device>(cached: (device: D) => boolean): VpdPage<D>[] {
  return [
    { code: 0x00, name: "Supported VPD Pages", write: supportedPages },
    { code: 0x80, name: "Unit Serial Number", write: unitSerialNumber },
    { code: 0x83, name: "Device Identification", write: deviceIdentification },
    { code: 0x86, name: "Extended INQUIRY Data", write: (device, bytes) => extendedInquiry(bytes, cached(device)) },
    { code: 0x87, name: "Mode Page Policy", write: modePagePolicy },
  ];
}

function supportedPages(_device: Device, bytes: Uint8Array, { codes }: VpdRequest): number {
  bytes.set(codes, 4);
  return 4 + codes.length;
}

function unitSerialNumber({ identity }: Device, bytes: Uint8Array): number {
  const length = Math.min(252, identity.serial.length);
  putText(bytes, 4, length, identity.serial);
  return 4 + length;
}

/** Names of the unit, which every wire tells alike, the port that was asked and its group (SPC-4 7.8.6). */
function deviceIdentification({ designators, portGroups }: Device, bytes: Uint8Array, { task }: VpdRequest): number {
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
const V_SUP = 0x01;

function extendedInquiry(bytes: Uint8Array, cached: boolean): number {
  bytes[5] = HEADSUP | ORDSUP | SIMPSUP;
  bytes[6] = cached ? V_SUP : 0;
  bytes[13] = MAX_SENSE;
  return 64;
}

const EVERY_PAGE = [0x3f, 0xff];

/** SPC-4 7.8.10: all mode pages are shared by all initiators. */
function modePagePolicy(_device: Device, bytes: Uint8Array): number {
  bytes.set(EVERY_PAGE, 4);
  return 8;
}
