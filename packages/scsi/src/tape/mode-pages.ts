// Knows the mode pages of a tape drive, which of their bits an initiator can change, and what stands before them (SSC-3 8.3).

import { get24, get32, put16, put24 } from "../big-endian.js";
import {
  type BlockDescriptor,
  type ControlSettings,
  type ModeHeader,
  type ModePage,
  PRIMARY_MODE_PAGES,
} from "../device/mode-pages.js";
import type { Tape } from "./tape.js";
import { MAX_BLOCK } from "./transfer.js";

/** What MODE SELECT can change. */
export interface TapeSettings extends ControlSettings {
  /** Bytes of a block in fixed block mode; zero where there is none. */
  readonly blockLength: number;
  /** DCE of the data compression page. */
  readonly compression: boolean;
  /** What FORMAT MEDIUM makes: partitions beside the first; FDP; PSUM; and the two sizes, as the page has them, in one number. */
  readonly additionalPartitions: number;
  readonly fixedPartitions: boolean;
  readonly partitionUnits: number;
  readonly partitionSizes: number;
}

type TapePage = ModePage<Tape, TapeSettings>;

/** By PSUM; 11b would be ten to the power of a number that is not taken. */
export const UNITS = [1, 1e3, 1e6] as const;
const MEGABYTES = 2;

export const MODE_DEFAULTS: TapeSettings = {
  descriptorSense: false,
  softwareWriteProtect: false,
  tellsAborted: false,
  errorEnds: "nothing",
  blockLength: 0,
  compression: false,
  additionalPartitions: 0,
  fixedPartitions: false,
  partitionUnits: MEGABYTES,
  partitionSizes: 0,
};

/** SPC-4 7.5.10: nothing of a bus that could be held or left. */
const disconnectReconnect: TapePage = {
  code: 0x02,
  subpage: 0,
  name: "Disconnect-Reconnect",
  length: 16,
  write: () => {},
};

/** SSC-3 8.3.5: what cannot be read or written is not tried again. */
const errorRecovery: TapePage = {
  code: 0x01,
  subpage: 0,
  name: "Read-Write Error Recovery",
  length: 12,
  write: () => {},
};

const DCE = 0x80;
const DCC = 0x40;
const DDE = 0x80;

/**
 * SSC-3 8.3.2. It can be switched on, as drivers and backup programs want it, and the algorithm is none (0h): a cartridge is read by
 * others as it is.
 */
const dataCompression: TapePage = {
  code: 0x0f,
  subpage: 0,
  name: "Data Compression",
  length: 16,
  write: (bytes, { compression }) => {
    bytes[2] = DCC | (compression ? DCE : 0);
    bytes[3] = DDE;
  },
  writeChangeable: (bytes) => {
    bytes[2] = DCE;
  },
  select: (bytes) => ({ compression: (bytes[2] & DCE) !== 0 }),
};

/** LOIS: objects have numbers. */
const LOIS = 0x40;
/** EEG: writing ends data behind it. */
const EEG = 0x10;

/** SSC-3 8.3.3. */
const deviceConfiguration: TapePage = {
  code: 0x10,
  subpage: 0,
  name: "Device Configuration",
  length: 16,
  write: (bytes, _settings, tape) => {
    bytes[3] = tape.tape?.partition ?? 0;
    bytes[8] = LOIS;
    bytes[10] = EEG;
  },
};

/** SSC-3 8.3.8: no warning before early warning. */
const deviceConfigurationExtension: TapePage = {
  code: 0x10,
  subpage: 0x01,
  name: "Device Configuration Extension",
  length: 32,
  write: () => {},
};

const FDP = 0x80;
const SDP = 0x40;
const IDP = 0x20;
const PSUM = 0x18;
const POFM = 0x04;
/** MEDIUM FORMAT RECOGNITION: formats and partitions are known. */
const RECOGNIZED = 0x03;
const MAX_ADDITIONAL = 1;

/** SSC-3 8.3.4. Partitions are made at FORMAT MEDIUM (POFM), not before. */
const mediumPartition: TapePage = {
  code: 0x11,
  subpage: 0,
  name: "Medium Partition",
  length: 12,
  write: (bytes, settings) => {
    bytes[2] = MAX_ADDITIONAL;
    bytes[3] = settings.additionalPartitions;
    bytes[4] = (settings.fixedPartitions ? FDP : IDP) | (settings.partitionUnits << 3) | POFM;
    bytes[5] = RECOGNIZED;
    put16(bytes, 8, Math.floor(settings.partitionSizes / 0x1_0000));
    put16(bytes, 10, settings.partitionSizes % 0x1_0000);
  },
  writeChangeable: (bytes) => {
    bytes[3] = 0xff;
    bytes[4] = FDP | SDP | IDP | PSUM;
    bytes.fill(0xff, 8, 12);
  },
  wrong: (bytes) => {
    if (bytes[3] > MAX_ADDITIONAL) return { byte: 3, bit: null };
    const methods = bytes[4] & (FDP | SDP | IDP);
    if ((methods & (methods - 1)) !== 0) return { byte: 4, bit: 7 };
    return (bytes[4] & PSUM) === PSUM ? { byte: 4, bit: 4 } : null;
  },
  select: (bytes) => ({
    additionalPartitions: bytes[3],
    fixedPartitions: (bytes[4] & FDP) !== 0,
    partitionUnits: (bytes[4] & PSUM) >>> 3,
    partitionSizes: get32(bytes, 8),
  }),
};

/** In ascending order of their codes and subpage codes. */
export const MODE_PAGES: readonly TapePage[] = [
  errorRecovery,
  disconnectReconnect,
  PRIMARY_MODE_PAGES.control,
  PRIMARY_MODE_PAGES.controlExtension,
  dataCompression,
  deviceConfiguration,
  deviceConfigurationExtension,
  mediumPartition,
  PRIMARY_MODE_PAGES.informationalExceptions,
];

/** DENSITY CODE of what has no density: one of those that are left to vendors (SSC-3 table 24). */
export const DENSITY = 0xe0;
/** The density that there is, and the default, and that which leaves it as it is. */
const DENSITIES: readonly number[] = [DENSITY, 0x00, 0x7f];

/** SSC-3 8.3.1: density, and length of blocks. As many as there is room for are written. */
const blockDescriptor: BlockDescriptor<Tape, TapeSettings> = {
  long: false,
  write: (tape, bytes) => {
    bytes[0] = DENSITY;
    put24(bytes, 5, tape.settings.blockLength);
  },
  select: (_tape, bytes) => {
    const blockLength = get24(bytes, 5);
    if (!DENSITIES.includes(bytes[0])) return { wrong: { byte: 0, bit: null } };
    if (get24(bytes, 1) !== 0) return { wrong: { byte: 1, bit: null } };
    return blockLength > MAX_BLOCK ? { wrong: { byte: 5, bit: null } } : { changes: { blockLength } };
  },
};

const WP = 0x80;
/** BUFFERED MODE 1h: what is written is durable when it is synchronized. */
const BUFFERED = 0x10;

export const MODE_HEADER: ModeHeader<Tape, TapeSettings> = {
  parameter: (tape, task) => (tape.writeProtection(task) === null ? 0 : WP) | BUFFERED,
  alone: true,
  descriptor: blockDescriptor,
};
