// Knows what may be wrong with a SCSI Command or a Data-Out, and how its initiator hears of it (RFC 7143 11.3, 11.4.7.2, 11.7).

import { cdbLengthOf, MAX_CDB, SENSE, type Sense, SenseKey, type Task } from "@pvscsi/scsi";
import { AhsType, ATTRIBUTE_MASK, ATTRIBUTES, CommandFlag, FINAL } from "./abi/codes.js";
import { HEADER_SIZE, NO_TAG, ScsiCommand } from "./abi/pdu.js";
import type { Exchange } from "./exchange.js";
import type { IncomingRequest } from "./incoming-request.js";
import type { Parameters } from "./keys.js";

/** What may be wrong with data that comes: "tag" is for nothing that was asked for, and costs no command. */
export type DataOutFault = "tag" | "unexpected" | "amount" | "sequence";

const aborted = (asc: number, ascq: number): Sense => ({ key: SenseKey.abortedCommand, asc, ascq });

/** What a command is ended with then: table of 11.4.7.2. */
export const DATA_SENSE: { readonly [fault in Exclude<DataOutFault, "tag">]: Sense } = {
  unexpected: aborted(0x0c, 0x0c),
  amount: aborted(0x0c, 0x0d),
  sequence: aborted(0x47, 0x05),
};

const CDB = ScsiCommand.offsets.cdb;
const CDB_SIZE = 16;

/** Copies the CDB; the part behind its 16th byte is in an additional header (11.2.2.3). */
export function takeCdb(task: Task, { bytes, ahsLength }: IncomingRequest): void {
  for (let i = 0; i < CDB_SIZE; i++) task.cdb[i] = bytes[CDB + i];
  task.cdbLength = CDB_SIZE;
  for (let at = HEADER_SIZE; at + 4 <= HEADER_SIZE + ahsLength; ) {
    const length = (bytes[at] << 8) | bytes[at + 1];
    if (bytes[at + 2] === AhsType.extendedCdb) {
      const more = Math.max(0, Math.min(length - 1, MAX_CDB - CDB_SIZE, HEADER_SIZE + ahsLength - at - 4));
      for (let i = 0; i < more; i++) task.cdb[CDB_SIZE + i] = bytes[at + 4 + i];
      task.cdbLength = CDB_SIZE + more;
    }
    at += (3 + length + 3) & ~3;
  }
  const known = cdbLengthOf(task.cdb[0]);
  if (known > 0) task.cdbLength = known;
}

/** Sets the task's direction, its attribute and what data comes unasked; gives what the command is ended with where that is wrong. */
export function checkCommand(
  exchange: Exchange,
  { command, dataLength }: IncomingRequest,
  agreed: Parameters,
): Sense | null {
  const { flags } = command;
  const reads = (flags & CommandFlag.read) !== 0;
  const writes = (flags & CommandFlag.write) !== 0;
  exchange.task.direction = writes ? "to-device" : reads ? "from-device" : "none";
  exchange.task.attribute = ATTRIBUTES[flags & ATTRIBUTE_MASK] ?? "reserved";
  if (!reads && !writes) exchange.length = 0;
  const final = (flags & FINAL) !== 0;
  exchange.unsolicited = writes && !final;
  // No device here has a command that moves data both ways.
  if (reads && writes) return SENSE.invalidFieldInInformationUnit;
  if (dataLength > 0 && !(writes && agreed.ImmediateData)) return DATA_SENSE.unexpected;
  if (dataLength > Math.min(exchange.expectedLength, agreed.FirstBurstLength)) return DATA_SENSE.amount;
  if (exchange.unsolicited && agreed.InitialR2T) return DATA_SENSE.unexpected;
  return null;
}

/** What is wrong with a Data-Out; null where it is what has to come next. */
export function checkDataOut(
  exchange: Exchange,
  { dataOut, dataLength }: IncomingRequest,
  agreed: Parameters,
): DataOutFault | null {
  const unasked = dataOut.ttt === NO_TAG;
  if (unasked ? exchange.state !== "receiving" : exchange.state !== "soliciting" || dataOut.ttt !== exchange.tag) {
    return unasked ? "unexpected" : "tag";
  }
  if (dataOut.dataSN !== exchange.dataSN) return "sequence";
  const end = unasked ? Math.min(exchange.length, agreed.FirstBurstLength) : exchange.end;
  if (dataOut.bufferOffset !== exchange.received || exchange.received + dataLength > end) return "amount";
  return null;
}
