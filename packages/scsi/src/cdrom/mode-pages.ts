// Knows the mode pages of a CD/DVD drive, of which only the control page can be changed (MMC-6, MMC-3).

import { put16 } from "../big-endian.js";
import { type ControlSettings, type ModeHeader, type ModePage, PRIMARY_MODE_PAGES } from "../device/mode-pages.js";
import type { Cdrom } from "./cdrom.js";
import { CD, DVD } from "./disc.js";
import { currentSpeed } from "./speed.js";

type CdromPage = ModePage<Cdrom, ControlSettings>;

/** MMC-6, read/write error recovery mode page: whatever is below tries again. */
const errorRecovery: CdromPage = {
  code: 0x01,
  subpage: 0,
  name: "Read-Write Error Recovery",
  length: 12,
  write: () => {},
};

/** MMC, CD device parameters mode page: a minute has 60 seconds, a second 75 frames. */
const deviceParameters: CdromPage = {
  code: 0x0d,
  subpage: 0,
  name: "CD Device Parameters",
  length: 8,
  write: (bytes) => {
    put16(bytes, 4, 60);
    put16(bytes, 6, 75);
  },
};

/** SPC-4, power condition mode page: no timer runs. */
const powerCondition: CdromPage = { code: 0x1a, subpage: 0, name: "Power Condition", length: 12, write: () => {} };

const GROUP_1_SECONDS = 30;
const GROUP_2_SECONDS = 600;

/** MMC-6, timeout and protect mode page: seconds that commands of each group take at most. */
const timeouts: CdromPage = {
  code: 0x1d,
  subpage: 0,
  name: "Timeout and Protect",
  length: 12,
  write: (bytes) => {
    put16(bytes, 6, GROUP_1_SECONDS);
    put16(bytes, 8, GROUP_2_SECONDS);
  },
};

const READS = 0x01 | 0x02 | 0x04 | 0x08 | 0x10; // CD-R, CD-RW, packets on them, DVD-ROM, DVD-R
const LOCK = 0x01;
const LOCKED = 0x02;
const EJECT = 0x08;
const TRAY = 0x20;

/** MMC-3, capabilities mode page, which Linux asks for what a drive can do. */
const capabilities: CdromPage = {
  code: 0x2a,
  subpage: 0,
  name: "MM Capabilities and Mechanical Status",
  length: 32,
  write: (bytes, _settings, drive) => {
    bytes[2] = READS;
    bytes[6] = LOCK | (drive.preventing.size > 0 ? LOCKED : 0) | EJECT | TRAY;
    put16(bytes, 8, (drive.disc?.kind ?? DVD) === CD ? CD.speed : DVD.speed);
    put16(bytes, 14, currentSpeed(drive));
  },
};

/** In ascending order of their codes and subpage codes. */
export const MODE_PAGES: readonly CdromPage[] = [
  errorRecovery,
  PRIMARY_MODE_PAGES.control,
  PRIMARY_MODE_PAGES.controlExtension,
  deviceParameters,
  powerCondition,
  PRIMARY_MODE_PAGES.informationalExceptions,
  timeouts,
  capabilities,
];

/** MMC-6, mode parameter list: no block descriptor, and nothing that is the type's own. */
export const MODE_HEADER: ModeHeader<Cdrom, ControlSettings> = { parameter: () => 0, descriptor: null };
