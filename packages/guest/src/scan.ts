// Knows how Linux looks for logical units: INQUIRY at one address, REPORT LUNS or one LUN after the other at a target.
// What is found goes to whoever asked; names and drivers are not known here.

import { type Address, COMMANDS } from "@pvscsi/scsi";
import type { RecordOf } from "@pvscsi/wire";
import { ScsiDevice } from "./device.js";
import { ask, readInquiry, standardInquiry, vitalProductData } from "./inquiry.js";
import type { KernelLog } from "./kernel-log.js";
import { LunEntry, LunList, ReportLunsCdb } from "./layouts.js";
import { kernelTypeName } from "./linux-words.js";
import type { RequestQueue } from "./request-queue.js";

/** One host's addresses, and what is found there. */
export interface ScanSite {
  readonly hostNumber: number;
  readonly queue: RequestQueue;
  readonly log: KernelLog;
  /** The device that is attached there already. */
  find(address: Address): ScsiDevice | undefined;
  /** A new device was found and has been described in the log. */
  found(device: ScsiDevice): Promise<void>;
}

/** "target": no logical unit there, but the target answered. */
export type Finding = "present" | "target" | "nothing";

const NO_LUN = 3;
/** Versions of SPC: below SPC, LUNs are looked for one by one up to 7; pages are read from SPC-2 on. */
const SPC = 3;
const SPC_2 = 4;
const LIST_HEADER = LunList.size;
/** Bytes REPORT LUNS is asked for first: the header and 511 LUNs. */
const LUN_LIST = LunEntry.size * 512;
/** The last LUN of a scan one by one, plus one, without and with SPC. */
const SEQUENTIAL_LUNS = { old: 8, spc: 256 };

/** Looks for a logical unit at one address. */
export async function scanLun(site: ScanSite, address: Address): Promise<Finding> {
  if (site.find(address) !== undefined) return "present";
  const device = new ScsiDevice(site.hostNumber, address, site.log);
  const bytes = await standardInquiry(site.queue, device);
  if (bytes === null) return "nothing";
  const inquiry = readInquiry(bytes);
  if (inquiry.qualifier === NO_LUN || (inquiry.qualifier === 1 && inquiry.type === 0x1f)) return "target";
  device.inquiry = inquiry;
  const { type, vendor, product, revision, qualifier, version, responseFormat } = inquiry;
  const format = responseFormat === 1 ? " CCS" : "";
  device.print(`${kernelTypeName(type)} ${vendor} ${product} ${revision} PQ: ${qualifier} ANSI: ${version}${format}`);
  if (version >= SPC_2) await readPages(site, device);
  await site.found(device);
  return "present";
}

/** Whether a device that is attached is there no more, as its target says now (Linux' virtscsi_rescan_hotunplug). */
export async function isGone({ queue }: ScanSite, device: ScsiDevice): Promise<boolean> {
  const bytes = await standardInquiry(queue, device);
  return bytes === null || readInquiry(bytes).qualifier !== 0;
}

/** Unit serial number and device identification, where the list of pages has them. */
async function readPages({ queue }: ScanSite, device: ScsiDevice): Promise<void> {
  const list = await vitalProductData(queue, device, 0x00);
  for (const page of list?.subarray(4) ?? []) {
    if (page !== 0x80 && page !== 0x83) continue;
    const bytes = await vitalProductData(queue, device, page);
    if (bytes !== null) device.pages.set(page, bytes);
  }
}

/** Looks for all logical units of one target: LUN 0 first, then as the target says, else one by one. */
export async function scanTarget(site: ScanSite, channel: number, target: number): Promise<void> {
  const zero = { channel, target, lun: 0 };
  if ((await scanLun(site, zero)) === "nothing") return;
  const device = site.find(zero) ?? new ScsiDevice(site.hostNumber, zero, site.log);
  const luns = await reportLuns(site, device);
  if (luns === null) return scanSequentially(site, device);
  for (const lun of luns) {
    if (lun >= site.queue.adapter.limits.luns) {
      device.print(`lun${lun} has a LUN larger than allowed by the host adapter`);
    } else if ((await scanLun(site, { channel, target, lun })) === "nothing") {
      device.print(`Unexpected response from lun ${lun} while scanning, scan aborted`);
      return;
    }
  }
}

async function scanSequentially(site: ScanSite, { channel, target, inquiry }: ScsiDevice): Promise<void> {
  const some = (inquiry?.version ?? 0) >= SPC ? SEQUENTIAL_LUNS.spc : SEQUENTIAL_LUNS.old;
  const end = Math.min(some, site.queue.adapter.limits.luns);
  for (let lun = 1; lun < end; lun++) {
    if ((await scanLun(site, { channel, target, lun })) !== "present") return;
  }
}

/** The LUNs a target reports, as flat integers; null when it does not say. */
async function reportLuns(site: ScanSite, device: ScsiDevice): Promise<number[] | null> {
  if (device.inquiry !== null && device.inquiry.version < SPC) return null;
  for (let length = LUN_LIST; ; ) {
    const cdb = new ReportLunsCdb(new Uint8Array(ReportLunsCdb.size));
    cdb.opcode = COMMANDS.reportLuns.opcode;
    cdb.allocationLength = length;
    const { good, data } = await ask(site.queue, device, cdb.bytes, { receive: length });
    if (!good || data.length < LIST_HEADER) return null;
    const needed = LIST_HEADER + new LunList(data).length;
    if (needed <= length || needed > site.queue.adapter.limits.maxTransfer) return readLunList(data, needed);
    length = needed;
  }
}

function readLunList(data: Uint8Array, needed: number): number[] {
  const end = Math.min(data.length, needed);
  const luns: number[] = [];
  for (let at = LIST_HEADER; at + LunEntry.size <= end; at += LunEntry.size) luns.push(flatLun(new LunEntry(data, at)));
  return luns;
}

/** Peripheral device and flat space addressing (SAM-5 4.7.7) as plain integers; others as Linux packs them. */
function flatLun({ first, second }: RecordOf<typeof LunEntry>): number {
  if (second !== 0) return second * 0x1_0000 + first;
  return first >>> 14 === 1 ? first & 0x3fff : first;
}
