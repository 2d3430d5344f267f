// Knows PERSISTENT RESERVE IN and OUT, RESERVE and RELEASE: the rows of the opcode table for devices that can be reserved.

import { get16, get32 } from "../big-endian.js";
import { COMMANDS, type CommandDescription } from "../cdb.js";
import {
  type CommandRow,
  check,
  type DeviceServer,
  endWithField,
  reply,
  row,
  takeParameters,
} from "../device-server.js";
import { Status, type Task } from "../task.js";
import {
  type ActionRequest,
  clear,
  preempt,
  type Refusal,
  register,
  registerAndIgnore,
  registerAndMove,
  release,
  replaceLostReservation,
  reserve,
  type Verdict,
} from "./actions.js";
import { type OutList, readOutParameters } from "./parameters.js";
import { capabilitiesReport, fullStatusReport, keysReport, reservationReport } from "./report.js";
import type { Reservations } from "./reservations.js";
import type { PersistentState } from "./state.js";

/** A device that can be reserved. */
export interface ReservedDevice extends DeviceServer {
  readonly reservations: Reservations;
}

/** The rows, in the order of their opcodes. */
export function reservationRows(): CommandRow<ReservedDevice>[] {
  return [
    row(COMMANDS.reserve6, "00 00 00 00 00", reserveUnit, { access: "reserves" }),
    row(COMMANDS.release6, "00 00 00 00 00", releaseUnit, { access: "releases" }),
    row(COMMANDS.reserve10, "00 00 00 00 00 00 ff ff 00", reserveUnit, { access: "reserves" }),
    row(COMMANDS.release10, "00 00 00 00 00 00 ff ff 00", releaseUnit, { access: "releases" }),
    ...REPORTS.map(([command, report]) => reportRow(command, report)),
    ...OUT_ACTIONS.map(outRow),
  ];
}

/** RESERVE(6), (10) of SPC-2, without third parties; the length of a list that would name one is ignored. */
function reserveUnit({ reservations }: ReservedDevice, task: Task): void {
  reservations.reserve(task.nexus);
  task.end(Status.good);
}

function releaseUnit({ reservations }: ReservedDevice, task: Task): void {
  reservations.release(task.nexus);
  task.end(Status.good);
}

type Report = (state: PersistentState, keeps: boolean) => Uint8Array;

const REPORTS: readonly (readonly [CommandDescription, Report])[] = [
  [COMMANDS.readKeys, keysReport],
  [COMMANDS.readReservation, reservationReport],
  [COMMANDS.reportCapabilities, capabilitiesReport],
  [COMMANDS.readFullStatus, fullStatusReport],
];

function reportRow(command: CommandDescription, report: Report): CommandRow<ReservedDevice> {
  const run = ({ reservations }: ReservedDevice, task: Task): void => {
    const answer = report(reservations.state, reservations.keeps);
    reply(task, answer, answer.length, get16(task.cdb, 7));
  };
  return row(command, "00 00 00 00 00 00 ff ff 00", run, { data: "in", access: "persistent", reach: "standby" });
}

interface OutAction {
  readonly command: CommandDescription;
  readonly format: OutList["format"];
  readonly action: (state: PersistentState, request: ActionRequest) => Verdict;
  readonly aborts: boolean;
}

function out(command: CommandDescription, action: OutAction["action"], options: Partial<OutAction> = {}): OutAction {
  return { command, format: "basic", action, aborts: false, ...options };
}

/** SPC-4 table 213. */
const OUT_ACTIONS: readonly OutAction[] = [
  out(COMMANDS.register, register, { format: "register" }),
  out(COMMANDS.reserve, reserve),
  out(COMMANDS.release, release),
  out(COMMANDS.clear, clear),
  out(COMMANDS.preempt, preempt),
  out(COMMANDS.preemptAndAbort, preempt, { aborts: true }),
  out(COMMANDS.registerAndIgnoreExistingKey, registerAndIgnore),
  out(COMMANDS.registerAndMove, registerAndMove, { format: "move" }),
  out(COMMANDS.replaceLostReservation, replaceLostReservation),
];

function outRow({ command, format, action, aborts }: OutAction): CommandRow<ReservedDevice> {
  const run = (device: ReservedDevice, task: Task): void => {
    const length = get32(task.cdb, 5);
    if (!takeParameters(device, task, length)) return;
    const { scratch: bytes, reservations } = device;
    const parameters = readOutParameters({
      bytes,
      length,
      format,
      keeps: reservations.keeps,
      portsOf: (initiator) => reservations.portsOf(initiator),
      isTargetPort: (port) => reservations.isTargetPort(port),
    });
    const { nexus, cdb } = task;
    const refuse = (refusal: Refusal): void => endRefused(device, task, refusal);
    if ("sense" in parameters) return refuse(parameters);
    // Nobody who has no nexus can be known by a key.
    if (nexus === null) return task.end(Status.reservationConflict);
    const place = { nexus: nexus.identity, targetPorts: nexus.targetPorts, scope: cdb[2] >>> 4, type: cdb[2] & 0x0f };
    const judge = (state: PersistentState): Verdict => action(state, { ...place, ...parameters });
    reservations.ask({ task, length, judge, refuse, aborts });
  };
  return row(command, "00 ff 00 00 ff ff ff ff 00", run, { data: "out", access: "persistent", reach: "standby" });
}

function endRefused(device: ReservedDevice, task: Task, { sense, field }: Refusal): void {
  if (field === undefined) check(device, task, sense);
  else endWithField(device, task, sense, field);
}
