// Knows Linux' sg driver, scsi/sg.h of the C library: how a process sends commands to a SCSI device. The struct is that of 64-bit machines;
// an address is two words, the lower one first.

import { i32, pad, struct, u8, u16, u32 } from "@pvscsi/wire";

export const SgRequest = {
  setReservedSize: 0x2275,
  getScsiId: 0x2276,
  getVersionNum: 0x2282,
  scsiReset: 0x2284,
} as const;

/** SG_DXFER_*. */
export const SgDirection = { none: -1, toDev: -2, fromDev: -3 } as const;

/** SG_SCSI_RESET_*. */
export const SgReset = { nothing: 0, device: 1, bus: 2, host: 3 } as const;

/** SG_INTERFACE_ID_ORIG, 'S'. */
export const SG_INTERFACE_ID = 0x53;
/** Commands that one open file may have under way (SG_MAX_QUEUE). */
export const SG_QUEUE = 16;

export const SgIoHeader = struct("sg_io_hdr", 88, {
  interfaceId: i32(0),
  direction: i32(4), // SgDirection
  commandLength: u8(8),
  senseRoom: u8(9),
  vectors: u16(10),
  length: u32(12),
  data: u32(16),
  dataHigh: u32(20),
  command: u32(24),
  commandHigh: u32(28),
  sense: u32(32),
  senseHigh: u32(36),
  timeout: u32(40), // milliseconds
  flags: u32(44),
  packId: i32(48),
  hole: pad(52, 4),
  user: u32(56),
  userHigh: u32(60),
  status: u8(64), // out, as all that follows
  maskedStatus: u8(65),
  messageStatus: u8(66),
  senseLength: u8(67),
  hostStatus: u16(68),
  driverStatus: u16(70),
  residual: i32(72),
  duration: u32(76), // milliseconds
  info: u32(80),
  end: pad(84, 4),
});

/** What SG_GET_SCSI_ID tells. */
export const SgScsiId = struct("sg_scsi_id", 32, {
  host: i32(0),
  channel: i32(4),
  target: i32(8),
  lun: i32(12),
  type: i32(16), // peripheral device type
  commandsPerLun: u16(20),
  queueDepth: u16(22),
  unused: pad(24, 8),
});
