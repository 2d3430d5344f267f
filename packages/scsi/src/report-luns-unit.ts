// Knows the REPORT LUNS well-known logical unit (SPC-4 clause 8.2): the one that is there whatever other units a target has.

import { get16 } from "./big-endian.js";
import { COMMANDS } from "./cdb.js";
import { CommandTable, type DeviceServer, reply, row } from "./device-server.js";
import type { LogicalUnit } from "./logical-unit.js";
import { INQUIRY_OPTIONS, reportLuns, requestSense } from "./spc.js";
import { Status, type Task } from "./task.js";
import { TaskSet } from "./task-set.js";

/** SPC-4 6.6.2: a well known logical unit. */
const WELL_KNOWN_UNIT = 0x1e;
const INQUIRY_LENGTH = 36;

/** The commands of SPC-4 table 659 and nothing else; it has no medium that could be missing. */
export class ReportLunsUnit implements LogicalUnit, DeviceServer {
  readonly deviceType = WELL_KNOWN_UNIT;
  readonly descriptorSense = false;
  readonly guard = null;
  readonly taskSet = new TaskSet();
  readonly scratch = new Uint8Array(64);

  notReady() {
    return null;
  }

  writeProtection() {
    return null;
  }

  execute(task: Task): void {
    TABLE.execute(this, task);
  }

  /** Tasks here end at once: none is ever under way. */
  abort(): void {}
  reset(): void {}

  listen(): () => void {
    return () => {};
  }

  async close(): Promise<void> {}
}

function inquiry(device: ReportLunsUnit, task: Task): void {
  device.scratch.fill(0, 0, INQUIRY_LENGTH);
  device.scratch[0] = WELL_KNOWN_UNIT;
  device.scratch[2] = 0x06; // SPC-4
  device.scratch[3] = 0x02; // response data format
  device.scratch[4] = INQUIRY_LENGTH - 5;
  device.scratch.fill(0x20, 8);
  reply(task, device.scratch, INQUIRY_LENGTH, get16(task.cdb, 3));
}

const IN = { data: "in" } as const;
const TABLE = new CommandTable<ReportLunsUnit>([
  row(COMMANDS.testUnitReady, "00 00 00 00 00", (_device, task) => task.end(Status.good)),
  row(COMMANDS.requestSense, "01 00 00 ff 00", requestSense, IN),
  row(COMMANDS.inquiry, "00 00 ff ff 00", inquiry, INQUIRY_OPTIONS),
  row(COMMANDS.reportLuns, "00 ff 00 00 00 ff ff ff ff 00 00", reportLuns, IN),
]);
