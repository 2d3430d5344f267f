// Knows the SCSI commands that a request of virtio-blk's legacy interface may carry (5.2.6.3; linux/virtio_blk.h): what
// SG_IO sends, for a disk that libvirt calls `lun`. Where the parts are, descriptors say: there is no length of the CDB.

import { MAX_CDB } from "@pvscsi/scsi";
import { copyBytes } from "@pvscsi/wire";
import { BlockRequestHeader, SCSI_SENSE_LENGTH, ScsiResult } from "../abi/block.js";
import type { BlockExchange } from "./exchange.js";

/** Sense data, result and status, behind the data that comes. */
const TAIL = SCSI_SENSE_LENGTH + ScsiResult.size + 1;

/** Makes a task of a request; false when it is not laid out as one. */
export function readScsiCommand({ chain: { readable, writable }, data, task }: BlockExchange): boolean {
  if (readable.count < 2 || readable.size(0) !== BlockRequestHeader.size || writable.length < TAIL) return false;
  const length = readable.size(1);
  const head = BlockRequestHeader.size + length;
  const out = readable.length - head;
  const room = writable.length - TAIL;
  if (length > MAX_CDB || (out > 0 && room > 0)) return false;
  readable.read(task.cdb.subarray(0, length), BlockRequestHeader.size);
  task.cdbLength = length;
  task.lun = 0;
  task.direction = out > 0 ? "to-device" : room > 0 ? "from-device" : "none";
  if (out > 0) data.select(readable, head, out);
  else data.select(writable, 0, room);
  task.data = data;
  return true;
}

/** Writes sense data and result of a task that has ended, and zeros where it left the data alone. */
export function writeScsiResult({ chain: { writable }, task, data }: BlockExchange): void {
  const tail = new Uint8Array(TAIL - 1);
  const result = new ScsiResult(tail, SCSI_SENSE_LENGTH);
  const length = Math.min(task.senseLength, SCSI_SENSE_LENGTH);
  const residual = Math.max(0, task.residual);
  copyBytes(task.sense, 0, tail, 0, length);
  result.errors = task.status;
  result.senseLen = length;
  result.residual = residual;
  writable.write(tail, writable.length - TAIL);
  if (task.direction !== "from-device") return;
  data.select(data, data.length - residual, residual);
  data.fill(0);
}
