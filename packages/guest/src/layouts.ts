// Knows, byte by byte, the CDBs an operating system sends and the data it gets for them (SPC-4, SBC-3).

import { pad, struct, u8, u16be, u32be, u64be } from "@pvscsi/wire";

export const InquiryCdb = struct("INQUIRY", 6, {
  opcode: u8(0),
  vitalProductData: u8(1),
  page: u8(2),
  allocationLength: u16be(3),
  control: u8(5),
});

export const ModeSense6Cdb = struct("MODE SENSE(6)", 6, {
  opcode: u8(0),
  flags: u8(1),
  page: u8(2),
  subpage: u8(3),
  allocationLength: u8(4),
  control: u8(5),
});

export const ReportLunsCdb = struct("REPORT LUNS", 12, {
  opcode: u8(0),
  reserved1: pad(1, 1),
  selectReport: u8(2),
  reserved3: pad(3, 3),
  allocationLength: u32be(6),
  reserved10: pad(10, 1),
  control: u8(11),
});

export const ReadCapacity16Cdb = struct("READ CAPACITY(16)", 16, {
  opcode: u8(0),
  serviceAction: u8(1),
  logicalBlockAddress: u64be(2),
  allocationLength: u32be(10),
  flags: u8(14),
  control: u8(15),
});

export const LbaStatusCdb = struct("GET LBA STATUS", 16, {
  opcode: u8(0),
  serviceAction: u8(1),
  logicalBlockAddress: u64be(2),
  allocationLength: u32be(10),
  reserved14: pad(14, 1),
  control: u8(15),
});

export const SupportedOpcodesCdb = struct("REPORT SUPPORTED OPERATION CODES", 12, {
  opcode: u8(0),
  serviceAction: u8(1),
  reportingOptions: u8(2),
  requestedOpcode: u8(3),
  requestedServiceAction: u16be(4),
  allocationLength: u32be(6),
  reserved10: pad(10, 1),
  control: u8(11),
});

/** The head of what it answers about one command. */
export const SupportedOpcode = struct("One command's support", 4, {
  reserved0: pad(0, 1),
  support: u8(1),
  cdbSize: u16be(2),
});

/** READ(10), WRITE(10), SYNCHRONIZE CACHE(10) and WRITE SAME(10). */
export const RangeCdb10 = struct("10-byte CDB with LBA and length", 10, {
  opcode: u8(0),
  flags: u8(1),
  logicalBlockAddress: u32be(2),
  group: u8(6),
  blocks: u16be(7),
  control: u8(9),
});

/** READ(16), WRITE(16) and WRITE SAME(16). */
export const RangeCdb16 = struct("16-byte CDB with LBA and length", 16, {
  opcode: u8(0),
  flags: u8(1),
  logicalBlockAddress: u64be(2),
  blocks: u32be(10),
  group: u8(14),
  control: u8(15),
});

export const UnmapCdb = struct("UNMAP", 10, {
  opcode: u8(0),
  anchor: u8(1),
  reserved2: pad(2, 4),
  group: u8(6),
  parameterListLength: u16be(7),
  control: u8(9),
});

/** An UNMAP parameter list with one descriptor. */
export const UnmapParameters = struct("UNMAP parameter list", 24, {
  dataLength: u16be(0),
  descriptorsLength: u16be(2),
  reserved4: pad(4, 4),
  logicalBlockAddress: u64be(8),
  blocks: u32be(16),
  reserved20: pad(20, 4),
});

export const LunEntry = struct("LUN", 8, { first: u16be(0), second: u16be(2), third: u16be(4), fourth: u16be(6) });

/** The head of REPORT LUNS data; LUNs follow. */
export const LunList = struct("REPORT LUNS data", 8, { length: u32be(0), reserved4: pad(4, 4) });

export const PageHeader = struct("VPD page header", 4, { device: u8(0), code: u8(1), length: u16be(2) });

export const Capacity10 = struct("READ CAPACITY(10) data", 8, { lastBlock: u32be(0), blockLength: u32be(4) });

export const Capacity16 = struct("READ CAPACITY(16) data", 32, {
  lastBlockHigh: u32be(0),
  lastBlockLow: u32be(4),
  blockLength: u32be(8),
  protection: u8(12),
  exponents: u8(13),
  provisioning: u16be(14),
  reserved16: pad(16, 16),
});

export const LbaStatusHeader = struct("GET LBA STATUS data", 8, { length: u32be(0), reserved4: pad(4, 4) });

export const LbaStatusDescriptor = struct("LBA status descriptor", 16, {
  logicalBlockAddress: u64be(0),
  blocks: u32be(8),
  provisioning: u8(12), // bits 0 to 3: 0 mapped or unknown, 1 deallocated, 2 anchored
  reserved13: pad(13, 3),
});

export const BlockLimits = struct("Block limits VPD page", 64, {
  device: u8(0),
  code: u8(1),
  length: u16be(2),
  writeSameNonZero: u8(4),
  maximumCompareAndWrite: u8(5),
  optimalGranularity: u16be(6),
  maximumTransfer: u32be(8),
  optimalTransfer: u32be(12),
  maximumPrefetch: u32be(16),
  maximumUnmapBlocks: u32be(20),
  maximumUnmapDescriptors: u32be(24),
  unmapGranularity: u32be(28),
  unmapAlignment: u32be(32),
  maximumWriteSameHigh: u32be(36),
  maximumWriteSameLow: u32be(40),
  maximumAtomicTransfer: u32be(44),
  atomicAlignment: u32be(48),
  atomicGranularity: u32be(52),
  maximumAtomicWithBoundary: u32be(56),
  maximumAtomicBoundary: u32be(60),
});

export const BlockCharacteristics = struct("Block device characteristics VPD page", 64, {
  device: u8(0),
  code: u8(1),
  length: u16be(2),
  rotationRate: u16be(4),
  productType: u8(6),
  formFactor: u8(7),
  flags: u8(8),
  reserved9: pad(9, 3),
  depopulationTime: u32be(12),
  reserved16: pad(16, 48),
});

export const Provisioning = struct("Logical block provisioning VPD page", 8, {
  device: u8(0),
  code: u8(1),
  length: u16be(2),
  threshold: u8(4),
  flags: u8(5),
  type: u8(6),
  reserved7: u8(7),
});

/** The header of MODE SENSE(6) data. */
export const ModeHeader6 = struct("Mode parameter header(6)", 4, {
  length: u8(0),
  mediumType: u8(1),
  deviceSpecific: u8(2),
  blockDescriptorLength: u8(3),
});

/** Mode page 1Dh, Element Address Assignment (SMC-3 7.3.4). */
export const ElementAddressPage = struct("Element address assignment mode page", 20, {
  code: u8(0),
  length: u8(1),
  firstTransport: u16be(2),
  transports: u16be(4),
  firstStorage: u16be(6),
  storages: u16be(8),
  firstImportExport: u16be(10),
  importExports: u16be(12),
  firstDrive: u16be(14),
  drives: u16be(16),
  reserved18: pad(18, 2),
});

/** READ ELEMENT STATUS (SMC-3 6.10); byte 7 is the first of ALLOCATION LENGTH's three. */
export const ElementStatusCdb = struct("READ ELEMENT STATUS", 12, {
  opcode: u8(0),
  flags: u8(1), // VOLTAG 10h, and the element type code
  start: u16be(2),
  count: u16be(4),
  more: u8(6), // CURDATA 02h, DVCID 01h
  allocationLengthHigh: u8(7),
  allocationLength: u16be(8),
  reserved10: pad(10, 1),
  control: u8(11),
});

/** At least `length` bytes: what was not sent reads as zeros. */
export function padded(data: Uint8Array, length: number): Uint8Array {
  if (data.length >= length) return data;
  const bytes = new Uint8Array(length);
  bytes.set(data);
  return bytes;
}
