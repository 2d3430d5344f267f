// Knows what Linux' CD driver asks a drive when it binds, and prints: the capabilities of mode page 2Ah. Knows no disc.

import { COMMANDS } from "@pvscsi/scsi";
import type { DriverSite } from "./drivers.js";
import { ask } from "./inquiry.js";
import { ModeHeader6, ModeSense6Cdb } from "./layouts.js";

const CAPABILITIES = 0x2a;
const LONGEST = 128;
/** A single speed, in kB/s (MMC-3 5.5.10). */
const SINGLE_SPEED = 176;
/** Up to the current speed, which is the last that is looked at. */
const NEEDED = 16;

/** By the loading mechanism type of the page's byte 6. */
const LOADING = ["caddy", "tray", "pop-up", "", "changer", "cartridge changer", "", ""];

/** By byte and bit of the page, in the order in which they are printed. */
const WORDS: readonly (readonly [byte: number, bit: number, word: string])[] = [
  [3, 0x01, "writer "],
  [3, 0x20, "dvd-ram "],
  [2, 0x02, "cd/rw "],
  [4, 0x20, "xa/form2 "],
  [5, 0x01, "cdda "],
];

/** What the cdrom module says once, with its first drive. */
const UNIFORM = "cdrom: Uniform CD-ROM driver Revision: 3.20";

/** Prints what the drive can, and that it is attached. */
export async function describeDrive(site: DriverSite): Promise<void> {
  const { device, name, host } = site;
  const page = await capabilities(site);
  device.print(`[${name}] ${page === null ? "scsi-1 drive" : driveText(page)}`);
  host.log.printOnce(UNIFORM);
  device.print(`Attached scsi CD-ROM ${name}`);
}

/** The page from its code on; null where the drive has none. */
async function capabilities({ host, device }: DriverSite): Promise<Uint8Array | null> {
  const cdb = new ModeSense6Cdb(new Uint8Array(ModeSense6Cdb.size));
  cdb.opcode = COMMANDS.modeSense6.opcode;
  cdb.page = CAPABILITIES;
  cdb.allocationLength = LONGEST;
  const { good, data } = await ask(host.queue, device, cdb.bytes, { receive: LONGEST });
  if (!good || data.length < ModeHeader6.size) return null;
  const page = data.subarray(ModeHeader6.size + new ModeHeader6(data).blockDescriptorLength);
  return page.length < NEEDED || (page[0] & 0x3f) !== CAPABILITIES ? null : page;
}

/** `scsi3-mmc drive: 24x/24x cd/rw xa/form2 cdda tray`. */
function driveText(page: Uint8Array): string {
  const speed = (at: number): number => Math.floor((page[at] * 256 + page[at + 1]) / SINGLE_SPEED);
  const words = WORDS.map(([byte, bit, word]) => ((page[byte] & bit) === 0 ? "" : word)).join("");
  return `scsi3-mmc drive: ${speed(14)}x/${speed(8)}x ${words}${LOADING[page[6] >>> 5]}`;
}
