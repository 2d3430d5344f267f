// Knows how sg3_utils names what came of a command: statuses, sense data, transport errors, exit statuses.

import { additionalSenseText, HostByte, SenseKey, Status, senseKeyName } from "@pvscsi/scsi";
import { hostByteName } from "../linux-words.js";
import type { Outcome } from "../pass-through.js";

/** Exit statuses of sg3_utils (sg3_utils(8)). */
export const EXIT = {
  syntax: 1,
  notReady: 2,
  mediumHard: 3,
  illegalRequest: 5,
  unitAttention: 6,
  dataProtect: 7,
  invalidOpcode: 9,
  copyAborted: 10,
  aborted: 11,
  miscompare: 14,
  noSense: 20,
  recovered: 21,
  outOfRange: 22,
  reservationConflict: 24,
  noSuchDevice: 52,
  /** 50 and ENOTTY. */
  noCommands: 75,
  /** 50 and EDOM. */
  outOfDomain: 83,
  otherSense: 98,
  other: 99,
} as const;

const EXIT_BY_KEY = new Map<number, number>([
  [SenseKey.noSense, EXIT.noSense],
  [SenseKey.recoveredError, EXIT.recovered],
  [SenseKey.notReady, EXIT.notReady],
  [SenseKey.mediumError, EXIT.mediumHard],
  [SenseKey.hardwareError, EXIT.mediumHard],
  [SenseKey.blankCheck, EXIT.mediumHard],
  [SenseKey.unitAttention, EXIT.unitAttention],
  [SenseKey.dataProtect, EXIT.dataProtect],
  [SenseKey.copyAborted, EXIT.copyAborted],
  [SenseKey.abortedCommand, EXIT.aborted],
  [SenseKey.miscompare, EXIT.miscompare],
]);

/** The exit status for an outcome: 0 when it is good. */
export function exitStatus({ good, hostByte, status, sense }: Outcome): number {
  if (good) return 0;
  if (hostByte !== HostByte.ok) return EXIT.other;
  if (status === Status.reservationConflict) return EXIT.reservationConflict;
  if (sense === null) return status === Status.checkCondition ? EXIT.otherSense : EXIT.other;
  if (sense.key !== SenseKey.illegalRequest) return EXIT_BY_KEY.get(sense.key) ?? EXIT.otherSense;
  if (sense.asc === 0x20) return EXIT.invalidOpcode;
  return sense.asc === 0x21 ? EXIT.outOfRange : EXIT.illegalRequest;
}

const EXIT_TEXT = new Map<number, string>([
  [EXIT.notReady, "Device not ready"],
  [EXIT.mediumHard, "Medium or hardware error"],
  [EXIT.illegalRequest, "Illegal request"],
  [EXIT.unitAttention, "Unit attention"],
  [EXIT.dataProtect, "Data protect"],
  [EXIT.invalidOpcode, "Illegal request, Invalid opcode"],
  [EXIT.copyAborted, "Copy aborted"],
  [EXIT.aborted, "Aborted command"],
  [EXIT.miscompare, "Miscompare"],
  [EXIT.outOfRange, "Illegal request, LBA out of range"],
  [EXIT.reservationConflict, "Reservation conflict"],
]);

/** What sg3_utils says for an exit status. */
export function exitText(status: number): string {
  return EXIT_TEXT.get(status) ?? "Some other error";
}

const STATUS_NAMES = new Map<number, string>([
  [Status.good, "Good"],
  [Status.checkCondition, "Check Condition"],
  [Status.conditionMet, "Condition Met"],
  [Status.busy, "Busy"],
  [Status.reservationConflict, "Reservation Conflict"],
  [Status.taskSetFull, "Task Set Full"],
  [Status.acaActive, "ACA Active"],
  [Status.taskAborted, "Task Aborted"],
]);

export function sgStatusName(status: number): string {
  return STATUS_NAMES.get(status) ?? `Unknown status [0x${status.toString(16)}]`;
}

/** `Host_status=0x01 [DID_NO_CONNECT]` and the line under it. */
export function transportLines({ hostByte }: Outcome): string[] {
  const code = hostByte.toString(16).padStart(2, "0");
  return [`Host_status=0x${code} [${hostByteName(hostByte)}]`, "Driver_status=0x00 [DRIVER_OK]", ""];
}

/** Sense data as sg_decode_sense shows it. */
export function senseLines({ sense, senseData }: Outcome): string[] {
  if (sense === null) return ["Invalid sense data"];
  const format = sense.format === "fixed" ? "Fixed" : "Descriptor";
  const key = sense.key === SenseKey.vendorSpecific ? "Vendor specific(9)" : senseKeyName(sense.key);
  const lines = [
    `${format} format, ${sense.deferred ? "<<<deferred>>>" : "current"}; Sense key: ${key}`,
    codeLine(sense.asc, sense.ascq),
  ];
  const descriptor = sense.format === "descriptor";
  if (descriptor && sense.information !== null) {
    lines.push(`  Descriptor type: Information: 0x${sense.information.toString(16).padStart(16, "0")}`);
  }
  if (!descriptor) lines.push(...fixedInformation(sense.information, senseData));
  if (sense.field !== null && sense.key === SenseKey.illegalRequest) {
    const { in: where, byte, bit } = sense.field;
    const place = `byte ${byte}${bit === null ? "" : ` bit ${bit}`}`;
    const error = `Error in ${where === "cdb" ? "Command" : "Data parameters"}: ${place}`;
    if (descriptor) lines.push("  Descriptor type: Sense key specific: Field pointer:", `        ${error}`);
    else lines.push(`  Sense Key Specific: ${error}`);
  }
  return lines;
}

function codeLine(asc: number, ascq: number): string {
  const text = additionalSenseText(asc, ascq);
  if (text !== null) return `Additional sense: ${text}`;
  const hex = (code: number): string => code.toString(16).padStart(2, "0");
  if (asc >= 0x80) return `vendor specific ASC=${hex(asc)}, ASCQ=${hex(ascq)} (hex)`;
  if (ascq >= 0x80) return `ASC=${hex(asc)}, vendor specific qualification ASCQ=${hex(ascq)} (hex)`;
  return `ASC=${hex(asc)}, ASCQ=${hex(ascq)} (hex)`;
}

function fixedInformation(information: number | null, data: Uint8Array): string[] {
  if (information !== null) return [`  Info fld=0x${information.toString(16)} [${information}] `];
  const [, , , a = 0, b = 0, c = 0, d = 0] = data;
  const value = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  return value === 0 ? [] : [`  Valid=0, Info fld=0x${value.toString(16)} [${value}] `];
}
