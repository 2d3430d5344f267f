// Knows what Linux's disk driver asks a disk when it binds to it and when it looks again, and what it prints then.

import { COMMANDS, type DecodedSense, SenseKey } from "@pvscsi/scsi";
import type { ScsiDevice } from "./device.js";
import {
  chooseProvisioning,
  type DiskParameters,
  type ProvisioningFacts,
  SECTOR,
  UNKNOWN_DISK,
} from "./disk-parameters.js";
import { ask, vitalProductData } from "./inquiry.js";
import type { KernelLog } from "./kernel-log.js";
import {
  BlockCharacteristics,
  BlockLimits,
  Capacity10,
  Capacity16,
  Provisioning,
  padded,
  RangeCdb10,
  ReadCapacity16Cdb,
  SupportedOpcode,
  SupportedOpcodesCdb,
} from "./layouts.js";
import { additionalSenseLine, hostByteName, senseKeyLine } from "./linux-words.js";
import { probeModes } from "./mode-probe.js";
import type { Outcome } from "./pass-through.js";
import type { RequestQueue } from "./request-queue.js";
import { sizeText } from "./size-text.js";
import { optimalTransfer, type TransferSizes } from "./transfer-sizes.js";

/** The disk that is looked at, for everything that asks it something. */
export interface DiskSite {
  readonly queue: RequestQueue;
  readonly device: ScsiDevice;
  readonly log: KernelLog;
  /** `sda`. */
  readonly name: string;
}

/** Capacity as READ CAPACITY gives it, with what only its 16-byte form says. */
interface Capacity {
  readonly blocks: number;
  readonly blockSize: number;
  readonly physicalExponent: number;
  readonly thin: boolean;
  readonly readsZeros: boolean;
}

/** SPC-3: from there on the 16-byte READ CAPACITY is tried first. */
const SPC_3 = 5;
const BLOCK_SIZES = [512, 1024, 2048, 4096];

/** Asks a disk everything; prints what is new against `before`, which is null the first time. */
export async function probeDisk(site: DiskSite, before: DiskParameters | null): Promise<DiskParameters> {
  if (!(await testUnitReady(site))) return before ?? UNKNOWN_DISK;
  const capacity = checkedCapacity(site, await readCapacity(site));
  const { blocks, blockSize, thin, readsZeros } = capacity;
  const physicalBlockSize = blockSize * 2 ** capacity.physicalExponent;
  const pages = await readBlockPages(site, thin);
  if (before === null || before.blocks !== blocks) printCapacity(site, blocks, blockSize, physicalBlockSize);
  const modes = await probeModes(site, before);
  const say = (line: string): void => {
    if (before === null) printDisk(site, line);
  };
  const optimal = optimalTransfer(pages.sizes, { blockSize, physicalBlockSize }, say);
  const facts: ProvisioningFacts = { ...pages.facts, thin, readsZeros, writeSame: await probeWriteSame(site) };
  if (before !== null && before.blocks !== blocks) {
    const sectors = blockSize / SECTOR;
    const was = before.blocks * (before.blockSize / SECTOR);
    site.log.print(`${site.name}: detected capacity change from ${was} to ${blocks * sectors}`);
  }
  return {
    blocks,
    blockSize,
    physicalBlockSize,
    optimalTransfer: optimal,
    ...modes,
    ...pages.limits,
    ...chooseProvisioning(facts),
  };
}

export function printDisk({ device, name }: DiskSite, text: string): void {
  device.print(`[${name}] ${text}`);
}

/** `[sda] Read Capacity(16) failed: Result: ...` and the sense data, where there is some. */
export function printFailure(site: DiskSite, what: string, { hostByte, sense }: Outcome): void {
  printDisk(site, `${what} failed: Result: hostbyte=${hostByteName(hostByte)} driverbyte=DRIVER_OK`);
  if (sense !== null) printSenseHeader(site, sense);
}

function printSenseHeader(site: DiskSite, sense: DecodedSense): void {
  printDisk(site, senseKeyLine(sense));
  printDisk(site, additionalSenseLine(sense));
}

/** False when there is no medium; a disk that is not ready for another reason is asked all the same. */
async function testUnitReady(site: DiskSite): Promise<boolean> {
  const cdb = new Uint8Array(COMMANDS.testUnitReady.length);
  const { sense } = await ask(site.queue, site.device, cdb);
  if (sense === null || sense.key === SenseKey.unitAttention) return true;
  if (sense.asc === 0x3a) return false;
  printDisk(site, "Unit Not Ready");
  printSenseHeader(site, sense);
  return true;
}

async function readCapacity(site: DiskSite): Promise<Capacity | null> {
  const { limits } = site.queue.adapter;
  if ((site.device.inquiry?.version ?? 0) >= SPC_3 && limits.maxCdb >= ReadCapacity16Cdb.size) {
    return (await readCapacity16(site)) ?? (await readCapacity10(site));
  }
  const short = await readCapacity10(site);
  if (short === null || short.blocks <= 0xffff_ffff) return short;
  printDisk(site, "Very big device. Trying to use READ CAPACITY(16).");
  return (await readCapacity16(site)) ?? short;
}

async function readCapacity16(site: DiskSite): Promise<Capacity | null> {
  const cdb = new ReadCapacity16Cdb(new Uint8Array(ReadCapacity16Cdb.size));
  cdb.opcode = COMMANDS.readCapacity16.opcode;
  cdb.serviceAction = COMMANDS.readCapacity16.serviceAction ?? 0;
  cdb.allocationLength = Capacity16.size;
  const outcome = await ask(site.queue, site.device, cdb.bytes, { receive: Capacity16.size });
  if (!outcome.good) {
    const { sense } = outcome;
    // It does not know the command: the shorter one is tried without a word.
    if (sense?.key === SenseKey.illegalRequest && (sense.asc === 0x20 || sense.asc === 0x24)) return null;
    return printNoCapacity(site, "Read Capacity(16)", outcome);
  }
  const data = new Capacity16(padded(outcome.data, Capacity16.size));
  return {
    blocks: data.lastBlockHigh * 0x1_0000_0000 + data.lastBlockLow + 1,
    blockSize: data.blockLength,
    physicalExponent: data.exponents & 0x0f,
    thin: (data.provisioning & 0x8000) !== 0,
    readsZeros: (data.provisioning & 0x4000) !== 0,
  };
}

async function readCapacity10(site: DiskSite): Promise<Capacity | null> {
  const cdb = new RangeCdb10(new Uint8Array(RangeCdb10.size));
  cdb.opcode = COMMANDS.readCapacity10.opcode;
  const outcome = await ask(site.queue, site.device, cdb.bytes, { receive: Capacity10.size });
  if (!outcome.good) return printNoCapacity(site, "Read Capacity(10)", outcome);
  const { lastBlock, blockLength } = new Capacity10(padded(outcome.data, Capacity10.size));
  return { blocks: lastBlock + 1, blockSize: blockLength, physicalExponent: 0, thin: false, readsZeros: false };
}

function printNoCapacity(site: DiskSite, what: string, outcome: Outcome): null {
  printFailure(site, what, outcome);
  if (outcome.sense === null) printDisk(site, "Sense not available.");
  return null;
}

/** A disk whose blocks Linux cannot use has none. */
function checkedCapacity(site: DiskSite, capacity: Capacity | null): Capacity {
  const empty = { blocks: 0, blockSize: SECTOR, physicalExponent: 0, thin: false, readsZeros: false };
  if (capacity === null) return empty;
  if (capacity.blockSize === 0) {
    printDisk(site, "Sector size 0 reported, assuming 512.");
    return { ...capacity, blockSize: SECTOR };
  }
  if (BLOCK_SIZES.includes(capacity.blockSize) && Number.isSafeInteger(capacity.blocks * capacity.blockSize)) {
    return capacity;
  }
  printDisk(site, `Unsupported sector size ${capacity.blockSize}.`);
  return empty;
}

function printCapacity(site: DiskSite, blocks: number, blockSize: number, physicalBlockSize: number): void {
  const bytes = blocks * blockSize;
  const size = `${sizeText(bytes, "decimal")}/${sizeText(bytes, "binary")}`;
  printDisk(site, `${blocks} ${blockSize}-byte logical blocks: (${size})`);
  if (physicalBlockSize !== blockSize) printDisk(site, `${physicalBlockSize}-byte physical blocks`);
}

interface BlockPages {
  readonly sizes: TransferSizes;
  readonly limits: Pick<DiskParameters, "maximumTransfer" | "rotational" | "discardGranularity">;
  readonly facts: Pick<ProvisioningFacts, "supported" | "maximumUnmap" | "maximumWriteSame">;
}

/** VPD pages B0h, B1h and, of a thin disk, B2h; what a disk does not say has no limit. */
async function readBlockPages(site: DiskSite, thin: boolean): Promise<BlockPages> {
  const list = (await vitalProductData(site.queue, site.device, 0x00))?.subarray(4) ?? new Uint8Array(0);
  const read = async (page: number): Promise<Uint8Array> =>
    (list.includes(page) ? await vitalProductData(site.queue, site.device, page) : null) ?? new Uint8Array(0);
  const limits = new BlockLimits(padded(await read(0xb0), BlockLimits.size));
  const { rotationRate } = new BlockCharacteristics(padded(await read(0xb1), BlockCharacteristics.size));
  const page = thin ? await read(0xb2) : new Uint8Array(0);
  const { flags } = new Provisioning(padded(page, Provisioning.size));
  const supported = {
    unmap: (flags & 0x80) !== 0,
    writeSame16: (flags & 0x40) !== 0,
    writeSame10: (flags & 0x20) !== 0,
  };
  return {
    sizes: {
      granularity: limits.optimalGranularity,
      optimal: limits.optimalTransfer,
      maximum: limits.maximumTransfer,
    },
    limits: {
      maximumTransfer: limits.maximumTransfer,
      rotational: rotationRate !== 1,
      discardGranularity: limits.unmapGranularity,
    },
    facts: {
      supported: page.length > 0 ? supported : null,
      maximumUnmap: limits.maximumUnmapBlocks,
      maximumWriteSame: limits.maximumWriteSameHigh > 0 ? 0xffff_ffff : limits.maximumWriteSameLow,
    },
  };
}

/** Asks for WRITE SAME only a disk that answers about INQUIRY, i.e. one that has the command at all. */
async function probeWriteSame(site: DiskSite): Promise<ProvisioningFacts["writeSame"]> {
  if ((site.device.inquiry?.version ?? 0) < SPC_3) return null;
  if (!(await supportsOpcode(site, COMMANDS.inquiry.opcode))) return null;
  const sixteen = await supportsOpcode(site, COMMANDS.writeSame16.opcode);
  return { sixteen, ten: await supportsOpcode(site, COMMANDS.writeSame10.opcode) };
}

async function supportsOpcode(site: DiskSite, opcode: number): Promise<boolean> {
  const cdb = new SupportedOpcodesCdb(new Uint8Array(SupportedOpcodesCdb.size));
  cdb.opcode = COMMANDS.reportSupportedOpcodes.opcode;
  cdb.serviceAction = COMMANDS.reportSupportedOpcodes.serviceAction ?? 0;
  cdb.reportingOptions = 1;
  cdb.requestedOpcode = opcode;
  cdb.allocationLength = SUPPORTED_OPCODE_BYTES;
  const { good, data } = await ask(site.queue, site.device, cdb.bytes, { receive: SUPPORTED_OPCODE_BYTES });
  if (!good) return false;
  const support = new SupportedOpcode(padded(data, SupportedOpcode.size)).support & 0x07;
  return support === 3 || support === 5;
}

/** The head and the usage data of a six-byte CDB, which is what Linux asks for. */
const SUPPORTED_OPCODE_BYTES = 10;
