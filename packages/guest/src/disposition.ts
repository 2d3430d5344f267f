// Knows what Linux does with a command that came back: nothing more, try again at once or later, recover, or fail.
// Tables of SCSI's and the adapter's answers; knows no queue and no clock.

import { type Command, type DecodedSense, decodeSense, HostByte, SenseKey, Status } from "@pvscsi/scsi";
import { BLOCK_STATUS, type BlockStatus } from "./block-status.js";

/**
 * "good": done. "retry": at once, counted. "again": at once, as often as time allows. "later": after a pause, as often
 * as time allows. "recover": the error handler has to look after the device. "fail": with `status`.
 */
export interface Disposition {
  readonly action: "good" | "retry" | "again" | "later" | "recover" | "fail";
  readonly status: BlockStatus;
}

const is = (action: Disposition["action"], status: BlockStatus = BLOCK_STATUS.io): Disposition => ({ action, status });

const GOOD = is("good");
const RETRY = is("retry");
const AGAIN = is("again");
const LATER = is("later");
const RECOVER = is("recover");
const FAIL = is("fail");
const TARGET = is("fail", BLOCK_STATUS.target);
const MEDIUM = is("fail", BLOCK_STATUS.medium);
const NEXUS = is("fail", BLOCK_STATUS.nexus);
const PROTECTION = is("fail", BLOCK_STATUS.protection);
const NO_SPACE = is("fail", BLOCK_STATUS.noSpace);
const TRANSPORT = is("fail", BLOCK_STATUS.transport);

/** By host byte, all but "ok". */
const BY_HOST_BYTE = new Map<number, Disposition>([
  [HostByte.noConnect, FAIL],
  [HostByte.busBusy, RETRY],
  [HostByte.timeOut, RECOVER],
  [HostByte.badTarget, FAIL],
  [HostByte.abort, FAIL],
  [HostByte.parity, RETRY],
  [HostByte.error, RETRY],
  [HostByte.reset, AGAIN],
  [HostByte.badInterrupt, RECOVER],
  [HostByte.softError, RETRY],
  [HostByte.immediateRetry, AGAIN],
  [HostByte.requeue, LATER],
  [HostByte.transportDisrupted, RETRY],
  [HostByte.transportFailFast, TRANSPORT],
  [HostByte.targetFailure, TARGET],
  [HostByte.nexusFailure, NEXUS],
  [HostByte.allocationFailure, NO_SPACE],
  [HostByte.mediumError, MEDIUM],
  [HostByte.transportMarginal, TRANSPORT],
]);

/** By SCSI status; CHECK CONDITION is decided by its sense data. */
const BY_STATUS = new Map<number, Disposition>([
  [Status.good, GOOD],
  [Status.conditionMet, GOOD],
  [Status.busy, LATER],
  [Status.taskSetFull, LATER],
  [Status.taskAborted, RETRY],
  [Status.reservationConflict, NEXUS],
  [Status.acaActive, FAIL],
]);

/** ASCQs of ASC 04h that say the device will be ready by and by; 0Ah is a change of its port's state. */
const BECOMING_READY = new Set([0x01, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x11, 0x14, 0x1a, 0x1b, 0x1d, 0x24]);

type SenseRule = (sense: DecodedSense) => Disposition;

const BY_SENSE_KEY = new Map<number, SenseRule>([
  [SenseKey.noSense, () => FAIL],
  [SenseKey.recoveredError, () => GOOD],
  [SenseKey.notReady, ({ asc, ascq }) => (asc === 0x04 && BECOMING_READY.has(ascq) ? LATER : FAIL)],
  // Unrecovered read error, no address mark, record not found: trying again would not help.
  [SenseKey.mediumError, ({ asc }) => (asc === 0x11 || asc === 0x13 || asc === 0x14 ? MEDIUM : RETRY)],
  [SenseKey.hardwareError, () => TARGET],
  [SenseKey.illegalRequest, ({ asc }) => (asc === 0x10 ? PROTECTION : TARGET_ASC.has(asc) ? TARGET : FAIL)],
  [SenseKey.unitAttention, () => AGAIN],
  [SenseKey.dataProtect, ({ asc, ascq }) => (asc === 0x27 && ascq === 0x07 ? NO_SPACE : TARGET)],
  [SenseKey.blankCheck, () => TARGET],
  [SenseKey.copyAborted, () => TARGET],
  [SenseKey.abortedCommand, ({ asc }) => (asc === 0x10 ? PROTECTION : RETRY)],
  [SenseKey.volumeOverflow, () => TARGET],
  [SenseKey.miscompare, () => TARGET],
]);

/** Illegal requests that the target is sure of: opcode, address, function, field, parameter, write protection. */
const TARGET_ASC = new Set([0x20, 0x21, 0x22, 0x24, 0x26, 0x27]);

/** The sense data of a command that ended with CHECK CONDITION; null when it has none. */
export function senseOf(command: Command): DecodedSense | null {
  if (command.hostByte !== HostByte.ok || command.status !== Status.checkCondition) return null;
  return decodeSense(command.sense, command.senseLength);
}

/** What is to be done about a command that came back; good ones cost two comparisons. */
export function decide(command: Command): Disposition {
  if (command.hostByte !== HostByte.ok && command.hostByte !== HostByte.passThrough) {
    return BY_HOST_BYTE.get(command.hostByte) ?? RETRY;
  }
  if (command.status !== Status.checkCondition) return BY_STATUS.get(command.status) ?? RECOVER;
  const sense = decodeSense(command.sense, command.senseLength);
  // Nothing says what it was: as after an unknown transport error.
  if (sense === null) return RETRY;
  // It is about an earlier command; this one was not begun.
  if (sense.deferred) return RETRY;
  return BY_SENSE_KEY.get(sense.key)?.(sense) ?? FAIL;
}

/**
 * The same for a command that is passed through: whoever sent it reads the sense data and the status, and a probe that
 * got no answer in time is no cause for recovery.
 */
export function decidePassThrough(command: Command): Disposition {
  if (command.hostByte === HostByte.timeOut) return FAIL;
  if (command.hostByte === HostByte.reset) return RETRY;
  if (command.hostByte === HostByte.ok && command.status === Status.checkCondition) return FAIL;
  return decide(command);
}
