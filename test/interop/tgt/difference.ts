// Knows in what two endings of one command can differ, and how a difference is shown to a person.

import { type DecodedSense, decodeSense, describeCdb, describeSense, Status } from "@pvscsi/scsi";
import { hexBytes } from "@pvscsi/wire";
import type { Ending } from "../../support/iscsi-session.js";
import type { Step } from "./generator.js";
import { type Layout, layoutOf } from "./layouts.js";

/**
 * What is not equal: how a command ended (status and sense data, and field pointers where both give one); what it moved,
 * where it ended the same; the blocks that both say to have written; what the other nexus hears behind it; the reservation
 * that both report behind it; or whether the session went on.
 */
export type Aspect = "outcome" | "residual" | "data" | "medium" | "attention" | "reservation" | "end";

/** What is known when a command is sent: what classes may ask for. */
export interface Situation {
  /** What both say of persistent reservations, before the command. */
  readonly reserved: boolean;
  /** RESERVE(6) or (10) has succeeded, and neither RELEASE nor anything else has ended it. */
  readonly legacy: boolean;
  /** The medium was ejected or the unit stopped. */
  readonly away: boolean;
}

export interface Answer extends Ending {
  /** Null where there is none. */
  readonly decoded: DecodedSense | null;
}

/** One difference between the two: a command may have several. */
export interface Difference {
  readonly step: Step;
  readonly layout: Layout | undefined;
  readonly aspect: Aspect;
  readonly situation: Situation;
  readonly ours: Answer;
  readonly tgt: Answer;
}

/** What came where a session ended instead of a command. */
export const NO_ENDING: Ending = { status: -1, sense: new Uint8Array(0), data: new Uint8Array(0), residual: 0 };

export function answerOf(ending: Ending): Answer {
  return { ...ending, decoded: decodeSense(ending.sense) };
}

/** In what two answers differ. What was moved is not compared where one has ended otherwise than the other. */
export function aspectsOf(ours: Answer, tgt: Answer): Aspect[] {
  const aspects: Aspect[] = [];
  if (ours.status !== tgt.status || !sameSense(ours.decoded, tgt.decoded)) aspects.push("outcome");
  if (ours.status !== tgt.status) return aspects;
  if (ours.residual !== tgt.residual) aspects.push("residual");
  if (Buffer.compare(ours.data, tgt.data) !== 0) aspects.push("data");
  return aspects;
}

function sameSense(ours: DecodedSense | null, tgt: DecodedSense | null): boolean {
  if (ours === null || tgt === null) return ours === tgt;
  if (ours.key !== tgt.key || ours.asc !== tgt.asc || ours.ascq !== tgt.ascq) return false;
  return ours.field === null || tgt.field === null || ours.field.byte === tgt.field.byte;
}

/** `27/00` of key and codes, in hex: `5/24/00`; "" where there is no sense data. */
export function senseCodes({ decoded }: Answer): string {
  if (decoded === null) return "";
  const hex = (byte: number) => byte.toString(16).padStart(2, "0");
  return `${decoded.key.toString(16)}/${hex(decoded.asc)}/${hex(decoded.ascq)}`;
}

/** Three lines: the step, and both answers. */
export function describe(step: Step, what: string, ours: Answer, tgt: Answer): string {
  return [`${describeStep(step)}: ${what}`, `  ours ${describeAnswer(ours)}`, `  tgt  ${describeAnswer(tgt)}`].join(
    "\n",
  );
}

export function describeStep({ number, manner, nexus, command }: Step): string {
  const { cdb, room, data, lun } = command;
  const length = layoutOf(cdb)?.length ?? 16;
  const moves = data === null ? `room ${room}` : `data ${data.length} [${hexBytes(data.subarray(0, 64))}]`;
  const what = `${describeCdb(cdb.subarray(0, length))} [${hexBytes(cdb.subarray(0, length))}]`;
  return `step ${number} (${manner}, nexus ${nexus}, LUN ${lun}): ${what} ${moves}`;
}

function describeAnswer(answer: Answer): string {
  const { status, decoded, residual, data } = answer;
  if (status < 0) return "the session has ended";
  const words = [`status ${status.toString(16).padStart(2, "0")}`];
  if (decoded !== null) words.push(`${senseCodes(answer)} ${describeSense(decoded)}`);
  if (residual !== 0) words.push(`residual ${residual}`);
  if (data.length > 0) words.push(`${data.length} bytes [${hexBytes(data.subarray(0, 96))}]`);
  return words.join(", ");
}

export function isGood({ status }: Answer): boolean {
  return status === Status.good;
}
