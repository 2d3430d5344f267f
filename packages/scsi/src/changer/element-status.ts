// Knows READ ELEMENT STATUS and its answer (SMC-3 6.5): which elements are reported, byte by byte, and where the answer may be cut.

import { get16, get24, put16, put24, putText } from "../big-endian.js";
import { DESIGNATOR_HEADER, writeDesignator } from "../copy/designator.js";
import { invalidField, reply } from "../device-server.js";
import { SENSE } from "../sense.js";
import type { Task } from "../task.js";
import type { Changer } from "./changer.js";
import { ELEMENT_KINDS, type Element } from "./elements.js";

const VOLTAG = 0x10;
const DVCID = 0x01;
const HEADER = 8;
const PAGE_HEADER = 8;
/** Bytes of a descriptor before its volume tags. */
const FIXED = 12;
const VOLUME_TAG = 36;
const PVOLTAG = 0x80;

/** What the CDB asks for. */
interface Wanted {
  readonly tags: boolean;
  readonly identifiers: boolean;
}

/** Elements of one kind that follow one another, which have a page together. */
interface Page {
  readonly elements: readonly Element[];
  readonly descriptorLength: number;
}

export function readElementStatus(changer: Changer, task: Task): void {
  const { cdb } = task;
  const code = cdb[1] & 0x0f;
  if (code > ELEMENT_KINDS.drive) return invalidField(changer, task, 1, 3);
  const start = get16(cdb, 2);
  const elements = changer.library.elements
    .filter(({ kind, address }) => (code === 0 || ELEMENT_KINDS[kind] === code) && address >= start)
    .slice(0, get16(cdb, 4));
  const wanted = { tags: (cdb[1] & VOLTAG) !== 0, identifiers: (cdb[6] & DVCID) !== 0 };
  const allocationLength = get24(cdb, 7);
  const answer = writeReport(elements, wanted, allocationLength);
  reply(task, answer, answer.length, allocationLength);
}

/** The counts in the headers are those of all that there is to report; descriptors that are not whole are left out (SMC-3 6.5.1). */
function writeReport(elements: readonly Element[], wanted: Wanted, allocationLength: number): Uint8Array {
  const pages = pagesOf(elements, wanted);
  const total = pages.reduce((sum, page) => sum + PAGE_HEADER + page.elements.length * page.descriptorLength, 0);
  const answer = new Uint8Array(HEADER + total);
  put16(answer, 0, elements.at(0)?.address ?? 0);
  put16(answer, 2, elements.length);
  put24(answer, 5, total);
  let at = HEADER;
  let whole = HEADER;
  for (const { elements: members, descriptorLength } of pages) {
    writePageHeader(answer, at, members, descriptorLength, wanted);
    at += PAGE_HEADER;
    if (at <= allocationLength) whole = at;
    for (const element of members) {
      writeDescriptor(answer.subarray(at, at + descriptorLength), element, wanted);
      at += descriptorLength;
      if (at <= allocationLength) whole = at;
    }
  }
  return answer.subarray(0, whole);
}

function pagesOf(elements: readonly Element[], wanted: Wanted): Page[] {
  const kinds = [...new Set(elements.map(({ kind }) => kind))];
  return kinds.map((wantedKind) => {
    const members = elements.filter(({ kind }) => kind === wantedKind);
    const identifier = wanted.identifiers ? Math.max(...members.map(identifierLength)) : 0;
    const tag = wanted.tags ? VOLUME_TAG : 0;
    return { elements: members, descriptorLength: FIXED + tag + DESIGNATOR_HEADER + identifier };
  });
}

function identifierLength({ drive }: Element): number {
  return drive?.designator?.bytes.length ?? 0;
}

function writePageHeader(
  bytes: Uint8Array,
  at: number,
  members: readonly Element[],
  descriptorLength: number,
  { tags }: Wanted,
): void {
  bytes[at] = ELEMENT_KINDS[members[0].kind];
  bytes[at + 1] = tags ? PVOLTAG : 0;
  put16(bytes, at + 2, descriptorLength);
  put24(bytes, at + 5, members.length * descriptorLength);
}

const FULL = 0x01;
const IMPEXP = 0x02;
const EXCEPT = 0x04;
const ACCESS = 0x08;
const EXENAB = 0x10;
const INENAB = 0x20;
const SVALID = 0x80;

/** SMC-3 tables 22 to 30: one layout for all kinds, whose flags differ. */
function writeDescriptor(bytes: Uint8Array, element: Element, { tags, identifiers }: Wanted): void {
  const { address, cartridge, source, drive } = element;
  put16(bytes, 0, address);
  bytes[2] = flagsOf(element);
  if (element.failed) {
    bytes[4] = SENSE.loadOrEjectFailed.asc;
    bytes[5] = SENSE.loadOrEjectFailed.ascq;
  }
  if (source !== null) {
    bytes[9] = SVALID;
    put16(bytes, 10, source);
  }
  if (tags && cartridge !== null) putText(bytes, FIXED, 32, cartridge.barcode);
  const at = tags ? FIXED + VOLUME_TAG : FIXED;
  if (identifiers && drive?.designator != null) writeDesignator(bytes, at, drive.designator);
}

function flagsOf({ kind, cartridge, imported, failed, open, drive }: Element): number {
  const state = (cartridge === null ? 0 : FULL) | (failed ? EXCEPT : 0);
  if (kind === "transport") return state;
  const accessible = open || drive?.holds === true ? 0 : ACCESS;
  const ports = kind === "importExport" ? INENAB | EXENAB | (imported ? IMPEXP : 0) : 0;
  return state | accessible | ports;
}
