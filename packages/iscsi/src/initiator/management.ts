// Knows task management from the initiator's side (RFC 7143 11.5, 11.6): which commands a function ends, and with which host byte.

import { type AdapterManagement, HostByte, writeLun } from "@pvscsi/scsi";
import { FINAL, ManagementFunctionCode, ManagementResponseCode } from "../abi/codes.js";
import { IMMEDIATE, NO_TAG, Opcode } from "../abi/pdu.js";
import type { CommandSlot } from "./command-slot.js";
import type { FunctionOutcome } from "./functions.js";
import type { InitiatorSession } from "./session.js";

/** Functions that end a whole logical unit's commands, or a whole target's. */
export type ResetFunction =
  | "abortTaskSet"
  | "clearTaskSet"
  | "logicalUnitReset"
  | "targetWarmReset"
  | "targetColdReset";

interface Request {
  readonly code: number;
  readonly lun: number;
  readonly victim: CommandSlot | null;
  readonly milliseconds: number;
  readonly ended: (outcome: FunctionOutcome) => void;
}

/** Asks for what an adapter is asked for. */
export function manage(session: InitiatorSession, management: AdapterManagement): void {
  const end = (succeeded: boolean): void => {
    management.succeeded = succeeded;
    management.completed(management);
  };
  if (management.function === "device-reset") {
    reset(session, "logicalUnitReset", management.lun, (outcome) => end(isComplete(outcome)));
    return;
  }
  const { victim } = management;
  if (victim !== null && session.commands.withdraw(victim)) return end(true);
  const slot = victim === null ? undefined : session.commands.find(victim);
  if (slot === undefined || session.connection === null) return end(false);
  const { tag } = slot;
  send(session, {
    code: ManagementFunctionCode.abortTask,
    lun: management.lun,
    victim: slot,
    milliseconds: session.timeouts.abort,
    ended: (outcome) => {
      // Answered before it was aborted: the tag is another command's by now, or nobody's.
      const there = slot.tag === tag && !slot.ended;
      if (there && isComplete(outcome)) session.commands.abandon(HostByte.abort, (each) => each === slot);
      end(isComplete(outcome) || (!there && outcome === ManagementResponseCode.taskDoesNotExist));
    },
  });
}

/** Asks for a function that ends many commands: those of ours that were sent before it end with "reset". */
export function reset(
  session: InitiatorSession,
  name: ResetFunction,
  lun: number,
  ended: (outcome: FunctionOutcome) => void,
): void {
  const { connection, commands, timeouts } = session;
  if (connection === null) return ended("lost");
  const { cmdSN } = connection.writer;
  const all = name === "targetWarmReset" || name === "targetColdReset";
  send(session, {
    code: ManagementFunctionCode[name],
    lun: all ? 0 : lun,
    victim: null,
    milliseconds: timeouts.reset,
    ended: (outcome) => {
      const isMeant = (slot: CommandSlot): boolean =>
        ((slot.cmdSN - cmdSN) | 0) < 0 && (all || slot.command?.lun === lun);
      if (isComplete(outcome)) commands.abandon(HostByte.reset, isMeant);
      ended(outcome);
    },
  });
}

/** Whether a function has done what it should. */
export function isComplete(outcome: FunctionOutcome): boolean {
  return outcome === ManagementResponseCode.functionComplete || outcome === ManagementResponseCode.functionSucceeded;
}

/** A target that does not answer a function in time has lost its connection: nothing less would end what is under way. */
function send(session: InitiatorSession, { code, lun, victim, milliseconds, ended }: Request): void {
  const { connection } = session;
  if (connection === null) return ended("lost");
  const { writer } = connection;
  const pdu = writer.begin(Opcode.management | IMMEDIATE, FINAL | code);
  const { management } = pdu;
  const late = (): void => connection.drop(new Error(`no answer to task management function ${code} in time`));
  session.functions.begin(pdu, milliseconds, late, ended);
  writeLun(pdu.bytes, LUN_AT, lun);
  management.referencedTag = victim?.tag ?? NO_TAG;
  if (victim !== null) management.refCmdSN = victim.cmdSN;
  writer.excused += victim === null ? session.commands.underWay : 1;
  writer.send(pdu, null, false);
}

const LUN_AT = 8;
