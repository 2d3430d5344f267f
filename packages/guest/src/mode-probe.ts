// Knows how Linux's disk driver asks for write protection and caches by MODE SENSE(6), and what it prints then.

import { COMMANDS, SenseKey } from "@pvscsi/scsi";
import { hexBytes } from "@pvscsi/wire";
import type { DiskParameters } from "./disk-parameters.js";
import { type DiskSite, printDisk } from "./disk-probe.js";
import { ask } from "./inquiry.js";
import { ModeHeader6, ModeSense6Cdb, padded } from "./layouts.js";
import type { Outcome } from "./pass-through.js";

type Modes = Pick<DiskParameters, "readOnly" | "writeCache" | "readCache" | "forceUnitAccess">;
type Caches = Omit<Modes, "readOnly">;

const ALL_PAGES = 0x3f;
const CACHING = 0x08;
const HEADER = ModeHeader6.size;
/** Linux's SD_BUF_SIZE. */
const LONGEST = 512;
/** What Linux takes a disk for that has no caching page. */
const WRITE_THROUGH: Caches = { writeCache: false, readCache: true, forceUnitAccess: false };

/** Write protection first, then caches, printed where they differ from `before`. */
export async function probeModes(site: DiskSite, before: Modes | null): Promise<Modes> {
  const readOnly = await probeWriteProtection(site, before);
  const caches = await probeCaches(site, before === null);
  // No flush is sent to a disk that cannot be written.
  const modes = { ...caches, readOnly, writeCache: caches.writeCache && !readOnly };
  if (caches !== WRITE_THROUGH && (before === null || !sameCaches(before, modes))) printCaches(site, modes);
  return modes;
}

function sameCaches(a: Caches, b: Caches): boolean {
  return a.writeCache === b.writeCache && a.readCache === b.readCache && a.forceUnitAccess === b.forceUnitAccess;
}

function printCaches(site: DiskSite, { writeCache, readCache, forceUnitAccess }: Caches): void {
  const enabled = (cache: boolean): string => (cache ? "enabled" : "disabled");
  const access = forceUnitAccess ? "supports DPO and FUA" : "doesn't support DPO or FUA";
  printDisk(site, `Write cache: ${enabled(writeCache)}, read cache: ${enabled(readCache)}, ${access}`);
}

function modeSense(site: DiskSite, page: number, length: number): Promise<Outcome> {
  const cdb = new ModeSense6Cdb(new Uint8Array(ModeSense6Cdb.size));
  cdb.opcode = COMMANDS.modeSense6.opcode;
  cdb.page = page;
  cdb.allocationLength = Math.min(length, 0xff);
  return ask(site.queue, site.device, cdb.bytes, { receive: Math.min(length, 0xff) });
}

/** All pages but only four bytes, then page 0, then all pages again with room for them. */
async function probeWriteProtection(site: DiskSite, before: Modes | null): Promise<boolean> {
  let outcome = await modeSense(site, ALL_PAGES, HEADER);
  if (!outcome.good) outcome = await modeSense(site, 0, HEADER);
  if (!outcome.good) outcome = await modeSense(site, ALL_PAGES, 0xff);
  if (!outcome.good) {
    if (before === null) printDisk(site, "Test WP failed, assume Write Enabled");
    return false;
  }
  const bytes = padded(outcome.data, HEADER);
  const readOnly = (new ModeHeader6(bytes).deviceSpecific & 0x80) !== 0;
  if (before === null || before.readOnly !== readOnly) {
    printDisk(site, `Write Protect is ${readOnly ? "on" : "off"}`);
    printDisk(site, `Mode Sense: ${hexBytes(bytes.subarray(0, HEADER))}`);
  }
  return readOnly;
}

/** The caching page, asked for cautiously: its header first, then as much as that says. */
async function probeCaches(site: DiskSite, first: boolean): Promise<Caches> {
  const say = (text: string): void => {
    if (first) printDisk(site, text);
  };
  const head = await modeSense(site, CACHING, HEADER);
  if (!head.good || head.data.length < HEADER) return giveUp(head, say);
  const length = Math.min(new ModeHeader6(head.data).length + 1, LONGEST);
  if (length < 3) return giveUp(head, say);
  const whole = length > HEADER ? await modeSense(site, CACHING, length) : head;
  if (!whole.good || whole.data.length < HEADER) return giveUp(whole, say);
  const found = readCachingPage(whole.data.subarray(0, length));
  if (typeof found !== "string") return found;
  say(found);
  say("Assuming drive cache: write through");
  return WRITE_THROUGH;
}

function giveUp({ sense }: Outcome, say: (text: string) => void): Caches {
  const invalidField = sense?.key === SenseKey.illegalRequest && sense.asc === 0x24 && sense.ascq === 0;
  say(invalidField ? "Cache data unavailable" : "Asking for cache data failed");
  say("Assuming drive cache: write through");
  return WRITE_THROUGH;
}

/** WCE and RCD of the caching page, and DPOFUA of the header; or what is wrong (SBC-3 6.5.5). */
function readCachingPage(data: Uint8Array): Caches | string {
  const header = new ModeHeader6(data);
  for (let at = HEADER + header.blockDescriptorLength; at < data.length; ) {
    if (data.length - at < 3) return "Incomplete mode parameter data";
    if ((data[at] & 0x3f) === CACHING) {
      return {
        writeCache: (data[at + 2] & 0x04) !== 0,
        readCache: (data[at + 2] & 0x01) === 0,
        forceUnitAccess: (header.deviceSpecific & 0x10) !== 0,
      };
    }
    const subpage = (data[at] & 0x40) !== 0;
    if (subpage && data.length - at < 4) return "Incomplete mode parameter data";
    at += subpage ? 4 + data[at + 2] * 256 + data[at + 3] : 2 + data[at + 1];
  }
  return "No Caching mode page found";
}
