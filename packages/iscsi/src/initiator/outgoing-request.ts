// Knows the PDUs that go out to a target, and the numbers that each carries (RFC 7143 4.2.2).

import { MAX_CDB } from "@pvscsi/scsi";
import { copyBytes, type Outbox } from "@pvscsi/wire";
import { AhsType } from "../abi/codes.js";
import {
  DataOut,
  HEADER_SIZE,
  IMMEDIATE,
  LoginRequest,
  LogoutRequest,
  ManagementRequest,
  Opcode,
  ScsiCommand,
} from "../abi/pdu.js";
import { OutgoingPdu, PduWriter } from "../outgoing.js";

/** Bytes of a CDB in a basic header. */
export const BASIC_CDB = 16;
/** Numbers that a missing one may be behind the next: as many commands there may be. */
const MOST_LATE = 4096;
/** Of an additional header, before what it has. */
const AHS_HEAD = 4;

export class OutgoingRequest extends OutgoingPdu {
  readonly command = new ScsiCommand(this.bytes);
  readonly dataOut = new DataOut(this.bytes);
  readonly management = new ManagementRequest(this.bytes);
  readonly login = new LoginRequest(this.bytes);
  readonly logout = new LogoutRequest(this.bytes);

  constructor() {
    super(AHS_HEAD + MAX_CDB - BASIC_CDB);
  }

  /** Writes a CDB; what is behind its 16th byte goes into an additional header (11.2.2.3). */
  writeCdb(cdb: Uint8Array, length: number): void {
    copyBytes(cdb, 0, this.bytes, ScsiCommand.offsets.cdb, Math.min(length, BASIC_CDB));
    if (length <= BASIC_CDB) return;
    const more = length - BASIC_CDB;
    this.request.ahsLength = Math.ceil((AHS_HEAD + more) / 4);
    this.bytes[HEADER_SIZE] = (more + 1) >>> 8;
    this.bytes[HEADER_SIZE + 1] = (more + 1) & 0xff;
    this.bytes[HEADER_SIZE + 2] = AhsType.extendedCdb;
    copyBytes(cdb, BASIC_CDB, this.bytes, HEADER_SIZE + AHS_HEAD, more);
  }
}

export class RequestWriter extends PduWriter<OutgoingRequest> {
  /** The CmdSN of the next command. */
  cmdSN = 1;
  /** The StatSN that the target's next answer has to have. */
  expStatSN = 0;
  /**
   * Numbers that the target may leave out or send late, as those commands were to be ended by task management: istgt has threads
   * that answer before one another.
   */
  excused = 0;
  /** Those of them that were left out so far. */
  #missing = 0;
  /** The last CmdSN that the target takes. */
  maxCmdSN = 0;

  constructor(outbox: Outbox<OutgoingRequest>) {
    super(outbox, () => new OutgoingRequest());
  }

  /** Whether the target takes a further command. */
  get open(): boolean {
    return ((this.maxCmdSN - this.cmdSN) | 0) >= 0;
  }

  /** Takes the StatSN of an answer that has one of its own; false where it is not the next, nor a missing one. */
  count(statSN: number): boolean {
    const skipped = (statSN - this.expStatSN) | 0;
    if (skipped > this.excused || skipped < -MOST_LATE || (skipped < 0 && this.#missing === 0)) return false;
    const missing = skipped < 0 ? -1 : skipped;
    this.#missing += missing;
    this.excused -= missing;
    if (skipped >= 0) this.expStatSN = (statSN + 1) >>> 0;
    return true;
  }

  /** Takes the window of an answer: one that is older than what we know says nothing (4.2.2.1). */
  hear(expCmdSN: number, maxCmdSN: number): void {
    if (((maxCmdSN - expCmdSN) | 0) < -1) return;
    if (((maxCmdSN - this.maxCmdSN) | 0) > 0) this.maxCmdSN = maxCmdSN;
  }

  /** A Data-Out has no CmdSN; what is immediate has the next one and does not take it up. */
  protected override number({ request }: OutgoingRequest, counts: boolean): void {
    request.expStatSN = this.expStatSN;
    if ((request.opcode & ~IMMEDIATE) === Opcode.dataOut) return;
    request.cmdSN = this.cmdSN;
    if (counts) this.cmdSN = (this.cmdSN + 1) >>> 0;
  }
}
