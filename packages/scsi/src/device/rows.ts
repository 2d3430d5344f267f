// Knows the rows of the opcode table that every device type has, with their CDB usage maps.

import { bufferReach, readBuffer, writeBuffer } from "../buffers.js";
import { COMMANDS } from "../cdb.js";
import { type CommandRow, row } from "../device-server.js";
import { INQUIRY_OPTIONS, reportLuns, reportSupportedOpcodes, reportSupportedTmfs, requestSense } from "../spc.js";
import { Status, type Task } from "../task.js";
import type { Device } from "./device.js";
import { receiveDiagnosticResults, sendDiagnostic } from "./diagnostics.js";
import { inquiry } from "./inquiry.js";
import { logSelect, logSense } from "./log-commands.js";
import type { ControlSettings } from "./mode-pages.js";
import { modeSelect6, modeSelect10 } from "./mode-select.js";
import { modeSense6, modeSense10 } from "./mode-sense.js";
import type { DeviceModel } from "./model.js";
import { preventAccess, preventAllow } from "./removal.js";

/** What changes nothing and tells nothing of the medium runs whoever has reserved the unit. */
export const ASKS = { data: "in", access: "asks", reach: "always" } as const;
export const IN = { data: "in", access: "reads" } as const;
/** What goes on in standby (SPC-4 5.15.2.4.4). */
const STANDBY_IN = { ...IN, reach: "standby" } as const;
const STANDBY_OUT = { data: "out", access: "writes", reach: "standby" } as const;

/** TEST UNIT READY, INQUIRY, mode pages and what the device says it supports. */
export function primaryRows<D extends Device<S>, S extends ControlSettings>(model: DeviceModel<D, S>): CommandRow<D>[] {
  type Answer = (device: D, task: Task, model: DeviceModel<D, S>) => void;
  const by = (answer: Answer) => (device: D, task: Task) => answer(device, task, model);
  return [
    row(COMMANDS.testUnitReady, "00 00 00 00 00", testUnitReady, { needs: "medium", access: "waits" }),
    row(COMMANDS.requestSense, "01 00 00 ff 00", requestSense, ASKS),
    row(COMMANDS.inquiry, "01 ff ff ff 00", by(inquiry), INQUIRY_OPTIONS),
    row(COMMANDS.modeSense6, "08 ff ff ff 00", by(modeSense6), STANDBY_IN),
    row(COMMANDS.modeSense10, "18 ff ff 00 00 00 ff ff 00", by(modeSense10), STANDBY_IN),
    row(COMMANDS.modeSelect6, "10 00 00 ff 00", by(modeSelect6), STANDBY_OUT),
    row(COMMANDS.modeSelect10, "10 00 00 00 00 00 ff ff 00", by(modeSelect10), STANDBY_OUT),
    row(COMMANDS.reportLuns, "00 ff 00 00 00 ff ff ff ff 00 00", reportLuns, ASKS),
    row(COMMANDS.reportSupportedOpcodes, "00 87 ff ff ff ff ff ff ff 00 00", reportSupportedOpcodes, IN),
    row(COMMANDS.reportSupportedTmfs, "00 80 00 00 00 ff ff ff ff 00 00", reportSupportedTmfs, IN),
  ];
}

/** Its row needs the medium; what is left to say is GOOD. */
function testUnitReady(_device: Device, task: Task): void {
  task.end(Status.good);
}

/** Diagnostics, buffers and log pages. */
export function diagnosticRows<D extends Device<S>, S extends ControlSettings>(
  model: DeviceModel<D, S>,
): CommandRow<D>[] {
  const { logPages } = model;
  const diagnose = (device: D, task: Task) => sendDiagnostic(device, task, model);
  const receive = (device: D, task: Task) => receiveDiagnosticResults(device, task, model);
  const sense = (device: D, task: Task) => logSense(device, task, logPages);
  const select = (device: D, task: Task) => logSelect(device, task, logPages);
  return [
    row(COMMANDS.receiveDiagnosticResults, "01 ff ff ff 00", receive, STANDBY_IN),
    row(COMMANDS.sendDiagnostic, "17 00 ff ff 00", diagnose, STANDBY_OUT),
    row(COMMANDS.writeBuffer, "1f ff ff ff ff ff ff ff 00", writeBuffer, { data: "out", reach: bufferReach }),
    row(COMMANDS.readBuffer, "1f ff ff ff ff ff ff ff 00", readBuffer, { ...IN, reach: bufferReach }),
    row(COMMANDS.logSelect, "02 ff ff 00 00 00 ff ff 00", select, { reach: "standby" }),
    row(COMMANDS.logSense, "00 ff ff 00 ff ff ff ff 00", sense, { data: "in", access: "waits", reach: "standby" }),
  ];
}

/** Of devices whose medium can be removed. */
export function removalRows(): CommandRow<Device>[] {
  return [row(COMMANDS.preventAllow, "00 00 00 01 00", preventAllow, { access: preventAccess })];
}
