// Knows how a target answers for logical units that are not there: the null object behind every unused LUN.

import { get16 } from "./big-endian.js";
import { COMMANDS } from "./cdb.js";
import { CommandTable, check, type DeviceServer, reply, row } from "./device-server.js";
import type { LogicalUnit } from "./logical-unit.js";
import { SENSE } from "./sense.js";
import { INQUIRY_OPTIONS, reportLuns, requestSense } from "./spc.js";
import type { Task } from "./task.js";
import { TaskSet } from "./task-set.js";

/** SPC-4 6.6.2: peripheral qualifier 011b and device type 1Fh. */
const NOT_CAPABLE = 0x7f;
const INQUIRY_LENGTH = 36;

/** A LUN without a logical unit (SAM-5 5.11): INQUIRY, REPORT LUNS and REQUEST SENSE, nothing else. */
export class MissingUnit implements LogicalUnit, DeviceServer {
  readonly deviceType = 0x1f;
  readonly descriptorSense = false;
  readonly guard = null;
  readonly taskSet = new TaskSet();
  readonly scratch = new Uint8Array(64);

  notReady() {
    return SENSE.logicalUnitNotSupported;
  }

  writeProtection() {
    return null;
  }

  execute(task: Task): void {
    if (TABLE.find(task.cdb[0], 0) === undefined) check(this, task, SENSE.logicalUnitNotSupported);
    else TABLE.execute(this, task);
  }

  /** Tasks here end at once: none is ever under way. */
  abort(): void {}
  reset(): void {}

  listen(): () => void {
    return () => {};
  }

  async close(): Promise<void> {}
}

function inquiry(device: MissingUnit, task: Task): void {
  device.scratch.fill(0, 0, INQUIRY_LENGTH);
  device.scratch[0] = NOT_CAPABLE;
  device.scratch[2] = 0x06;
  device.scratch[3] = 0x02;
  device.scratch[4] = INQUIRY_LENGTH - 5;
  reply(task, device.scratch, INQUIRY_LENGTH, get16(task.cdb, 3));
}

const TABLE = new CommandTable<MissingUnit>([
  row(COMMANDS.requestSense, "01 00 00 ff 00", requestSense, { data: "in" }),
  row(COMMANDS.inquiry, "00 00 ff ff 00", inquiry, INQUIRY_OPTIONS),
  row(COMMANDS.reportLuns, "00 ff 00 00 00 ff ff ff ff 00 00", reportLuns, { data: "in" }),
]);
