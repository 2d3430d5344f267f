// Knows what Linux' changer driver asks a medium changer when it binds, and prints: its elements by mode page 1Dh, and which drives it
// says are its own. Knows no cartridge.

import { COMMANDS, SMC_COMMANDS } from "@pvscsi/scsi";
import type { ScsiDevice } from "./device.js";
import type { DriverSite } from "./drivers.js";
import { ask } from "./inquiry.js";
import { ElementAddressPage, ElementStatusCdb, ModeHeader6, ModeSense6Cdb } from "./layouts.js";
import type { RequestQueue } from "./request-queue.js";

const ELEMENT_ADDRESSES = 0x1d;
const LONGEST = 255;
const WITH_VOLUME_TAG = 0x10;
const DATA_TRANSFER = 4;
/** Of the answer about one element: where its descriptor says of ID and LUN whether they are known. */
const ADDRESSING = 22;
/** An inventory may take an hour. */
const INVENTORY = 3_600_000;

/** First address and number of each type of element, as mode page 1Dh has them (SMC-3 7.3.4). */
export interface ElementRanges {
  readonly transport: ElementRange;
  readonly storage: ElementRange;
  readonly importExport: ElementRange;
  readonly drive: ElementRange;
}

export interface ElementRange {
  readonly first: number;
  readonly count: number;
}

/** The elements of a changer; null where it does not say. */
export async function elementRanges(queue: RequestQueue, device: ScsiDevice): Promise<ElementRanges | null> {
  const cdb = new ModeSense6Cdb(new Uint8Array(ModeSense6Cdb.size));
  cdb.opcode = COMMANDS.modeSense6.opcode;
  cdb.page = ELEMENT_ADDRESSES;
  cdb.allocationLength = LONGEST;
  const { good, data } = await ask(queue, device, cdb.bytes, { receive: LONGEST });
  if (!good || data.length < ModeHeader6.size) return null;
  return readElementRanges(data.subarray(ModeHeader6.size + new ModeHeader6(data).blockDescriptorLength));
}

function readElementRanges(bytes: Uint8Array): ElementRanges | null {
  if (bytes.length < ElementAddressPage.size) return null;
  const page = new ElementAddressPage(bytes);
  return {
    transport: { first: page.firstTransport, count: page.transports },
    storage: { first: page.firstStorage, count: page.storages },
    importExport: { first: page.firstImportExport, count: page.importExports },
    drive: { first: page.firstDrive, count: page.drives },
  };
}

/** Prints the elements, has the changer take stock, and says that it is attached. */
export async function describeChanger(site: DriverSite): Promise<void> {
  const { device, name } = site;
  const say = (text: string): void => device.print(`[${name}] ${text}`);
  const ranges = await elementRanges(site.host.queue, device);
  if (ranges === null) say("reading element address assignment page failed!");
  else await describeElements(site, ranges, say);
  say("INITIALIZE ELEMENT STATUS, may take some time ...");
  const cdb = new Uint8Array(SMC_COMMANDS.initializeElementStatus.length);
  cdb[0] = SMC_COMMANDS.initializeElementStatus.opcode;
  await ask(site.host.queue, device, cdb, { timeout: INVENTORY });
  say("... finished");
  device.print(`Attached scsi changer ${name}`);
}

async function describeElements(site: DriverSite, ranges: ElementRanges, say: (text: string) => void): Promise<void> {
  const line = (number: number, short: string, { first, count }: ElementRange, long: string): void =>
    say(`type #${number} (${short}): 0x${first.toString(16)}+${count} [${long}]`);
  line(1, "mt", ranges.transport, "medium transport");
  line(2, "st", ranges.storage, "storage");
  line(3, "ie", ranges.importExport, "import/export");
  line(4, "dt", ranges.drive, "data transfer");
  for (let i = 0; i < ranges.drive.count; i++) await describeElement(site, ranges.drive.first + i, say);
}

/** Two lines for each drive, as dev_printk knows no continued ones. */
async function describeElement(site: DriverSite, element: number, say: (text: string) => void): Promise<void> {
  const cdb = new ElementStatusCdb(new Uint8Array(ElementStatusCdb.size));
  cdb.opcode = SMC_COMMANDS.readElementStatus.opcode;
  cdb.flags = WITH_VOLUME_TAG | DATA_TRANSFER;
  cdb.start = element;
  cdb.count = 1;
  cdb.allocationLength = LONGEST;
  const { good, data } = await ask(site.host.queue, site.device, cdb.bytes, { receive: LONGEST });
  const head = `dt 0x${element.toString(16)}: `;
  if (!good || data.length <= ADDRESSING + 1) return say(`${head}READ ELEMENT STATUS failed`);
  say(head);
  const flags = data[ADDRESSING];
  if ((flags & 0x80) !== 0) return say("not this SCSI bus");
  if ((flags & 0x30) === 0) return say("ID/LUN unknown");
  const id = (flags & 0x20) === 0 ? site.device.target : data[ADDRESSING + 1];
  const lun = (flags & 0x10) === 0 ? 0 : flags & 7;
  say(`ID ${id}, LUN ${lun}, `);
  const drive = site.host.find({ channel: site.device.channel, target: id, lun });
  const { vendor, product, revision } = drive?.inquiry ?? {};
  say(drive === undefined ? "Huh? device not found!" : `name: ${vendor} ${product} ${revision}`);
}
