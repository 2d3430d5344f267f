// Knows the virtio-scsi wire format (virtio 1.3, 5.6; linux/virtio_scsi.h). Numbers are little endian; LUNs and CDBs are
// bytes in SCSI's order.

import type { TaskAttribute } from "@pvscsi/scsi";
import { bytes, struct, u8, u16, u32 } from "@pvscsi/wire";

/** Struct virtio_scsi_config. The driver may write the two sizes, nothing else. */
export const ScsiConfig = struct("virtio_scsi_config", 36, {
  numQueues: u32(0), // request queues
  segMax: u32(4), // data segments of a command
  maxSectors: u32(8), // a hint
  cmdPerLun: u32(12),
  eventInfoSize: u32(16),
  senseSize: u32(20),
  cdbSize: u32(24),
  maxChannel: u16(28),
  maxTarget: u16(30),
  maxLun: u32(32),
});

/** What both sizes are after a reset (5.6.4). */
export const DEFAULT_SENSE_SIZE = 96;
export const DEFAULT_CDB_SIZE = 32;

/** Struct virtio_scsi_cmd_req in front of its CDB, which has as many bytes as the configuration says. */
export const CommandRequest = struct("virtio_scsi_cmd_req", 19, {
  lun: bytes(0, 8),
  tagLow: u32(8),
  tagHigh: u32(12),
  taskAttr: u8(16),
  prio: u8(17),
  crn: u8(18),
});

/** Struct virtio_scsi_cmd_resp in front of its sense data, which has as many bytes as the configuration says. */
export const CommandResponse = struct("virtio_scsi_cmd_resp", 12, {
  senseLen: u32(0),
  resid: u32(4),
  statusQualifier: u16(8),
  status: u8(10),
  response: u8(11),
});

/** Struct virtio_scsi_ctrl_tmf_req; its answer is one byte, a response. */
export const ManagementRequestBytes = struct("virtio_scsi_ctrl_tmf_req", 24, {
  type: u32(0),
  subtype: u32(4),
  lun: bytes(8, 8),
  tagLow: u32(16),
  tagHigh: u32(20),
});

/** Struct virtio_scsi_ctrl_an_req: an asynchronous notification query or subscription. */
export const NotificationRequest = struct("virtio_scsi_ctrl_an_req", 16, {
  type: u32(0),
  lun: bytes(4, 8),
  eventRequested: u32(12),
});

export const NotificationResponse = struct("virtio_scsi_ctrl_an_resp", 5, {
  eventActual: u32(0),
  response: u8(4),
});

export const ScsiEvent = struct("virtio_scsi_event", 16, {
  event: u32(0),
  lun: bytes(4, 8),
  reason: u32(12),
});

/** Task attributes by VIRTIO_SCSI_S_ number. */
export const TASK_ATTRIBUTES: readonly TaskAttribute[] = ["simple", "ordered", "head-of-queue", "aca"];

/** Answers of request and control queue (VIRTIO_SCSI_S_). */
export const Response = {
  ok: 0,
  overrun: 1,
  aborted: 2,
  badTarget: 3,
  reset: 4,
  busy: 5,
  transportFailure: 6,
  targetFailure: 7,
  nexusFailure: 8,
  failure: 9,
  functionSucceeded: 10,
  functionRejected: 11,
  incorrectLun: 12,
} as const;

/** VIRTIO_SCSI_T_: what a buffer of the control queue asks. */
export const ControlType = { taskManagement: 0, notificationQuery: 1, notificationSubscribe: 2 } as const;

/** VIRTIO_SCSI_T_TMF_. */
export const ManagementSubtype = {
  abortTask: 0,
  abortTaskSet: 1,
  clearAca: 2,
  clearTaskSet: 3,
  nexusReset: 4,
  logicalUnitReset: 5,
  queryTask: 6,
  queryTaskSet: 7,
} as const;

/** VIRTIO_SCSI_T_ of events; the flag says that there were events which found no buffer. */
export const EventType = { noEvent: 0, transportReset: 1, asyncNotify: 2, paramChange: 3 } as const;
export const EVENTS_MISSED = 0x8000_0000;
/** VIRTIO_SCSI_EVT_RESET_: why, of a transport reset. */
export const ResetReason = { hard: 0, rescan: 1, removed: 2 } as const;

/** Queues in front of the request queues. */
export const CONTROL_QUEUE = 0;
export const EVENT_QUEUE = 1;
export const FIRST_REQUEST_QUEUE = 2;
