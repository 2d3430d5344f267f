// Knows INQUIRY: how Linux asks for standard data and vital product data pages, and what they say.

import { COMMANDS, SenseKey } from "@pvscsi/scsi";
import type { InquiryData, ScsiDevice } from "./device.js";
import { InquiryCdb, PageHeader, padded } from "./layouts.js";
import { type Outcome, type PassThroughOptions, passThrough } from "./pass-through.js";
import type { RequestQueue } from "./request-queue.js";

const STANDARD = 36;
const LONGEST = 255;
const HEADER = PageHeader.size;
/** Tries at a command that a unit attention may answer. */
const TRIES = 3;
/** For the first INQUIRY of a device; the others have the usual time. */
const FIRST_TIMEOUT = 20_000;

/** Asks up to three times, as a unit attention only says what happened before. */
export async function ask(
  queue: RequestQueue,
  device: ScsiDevice,
  cdb: Uint8Array,
  options: PassThroughOptions = {},
): Promise<Outcome> {
  for (let tries = 1; ; tries++) {
    const outcome = await passThrough(queue, device, cdb, { retries: 3, ...options });
    if (outcome.good || tries === TRIES || outcome.sense?.key !== SenseKey.unitAttention) return outcome;
  }
}

export function inquiryCdb(page: number | null, length: number): Uint8Array {
  const cdb = new InquiryCdb(new Uint8Array(InquiryCdb.size));
  cdb.opcode = COMMANDS.inquiry.opcode;
  cdb.vitalProductData = page === null ? 0 : 1;
  cdb.page = page ?? 0;
  cdb.allocationLength = length;
  return cdb.bytes;
}

/** Standard INQUIRY: 36 bytes first, and all of it when there is more; null when nobody answered. */
export async function standardInquiry(queue: RequestQueue, device: ScsiDevice): Promise<Uint8Array | null> {
  const options = { receive: STANDARD, timeout: FIRST_TIMEOUT };
  const first = await ask(queue, device, inquiryCdb(null, STANDARD), options);
  if (!first.good || first.data.length < 5) return null;
  const length = Math.min(first.data[4] + 5, LONGEST);
  if (length <= STANDARD) return padded(first.data, STANDARD);
  const second = await ask(queue, device, inquiryCdb(null, length), { ...options, receive: length });
  return padded(second.good ? second.data : first.data, STANDARD);
}

/** At least 36 bytes of standard INQUIRY data, field by field. */
export function readInquiry(bytes: Uint8Array): InquiryData {
  return {
    qualifier: bytes[0] >>> 5,
    type: bytes[0] & 0x1f,
    removable: (bytes[1] & 0x80) !== 0,
    version: bytes[2] & 0x07,
    responseFormat: bytes[3] & 0x0f,
    vendor: text(bytes, 8, 8),
    product: text(bytes, 16, 16),
    revision: text(bytes, 32, 4),
  };
}

/** ASCII as Linux keeps it: what cannot be printed becomes a blank. */
function text(bytes: Uint8Array, at: number, length: number): string {
  return Array.from(bytes.subarray(at, at + length), (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : " ",
  ).join("");
}

/** One vital product data page, with its header; null when the device has none such. */
export async function vitalProductData(
  queue: RequestQueue,
  device: ScsiDevice,
  page: number,
): Promise<Uint8Array | null> {
  const header = await ask(queue, device, inquiryCdb(page, HEADER), { receive: HEADER });
  if (!header.good || header.data.length < HEADER || header.data[1] !== page) return null;
  const length = HEADER + new PageHeader(header.data).length;
  const whole = await ask(queue, device, inquiryCdb(page, length), { receive: length });
  if (!whole.good || whole.data.length < HEADER || whole.data[1] !== page) return null;
  return whole.data;
}
