// Knows what a target's PDUs mean in full feature phase, and whom each is for: commands, functions, or the session itself
// (RFC 7143 11.9, 11.17, 11.19). What is wrong with one ends its connection.

import { type DecodedSense, decodeSense, readLun } from "@pvscsi/scsi";
import { copyBytes, ProtocolError } from "@pvscsi/wire";
import { AsynchronousEvent, FINAL, STATUS } from "../abi/codes.js";
import { HEADER_SIZE, IMMEDIATE, NO_TAG, OPCODE_MASK, Opcode, PDUS, Request } from "../abi/pdu.js";
import { KEYS } from "../keys.js";
import { formatText } from "../text.js";
import type { Commands } from "./commands.js";
import type { InitiatorConnection } from "./connection.js";
import type { Functions } from "./functions.js";
import type { IncomingAnswer } from "./incoming-answer.js";

/** Answers to pings that have not left: a target that asks on and on reads nothing. */
const MOST_PINGS = 64;

/** What a session hears of its target unasked. */
export interface SessionEvents {
  /** Sense data about the LUN; -1 where it is no flat number. */
  scsiEvent(lun: number, sense: DecodedSense): void;
  /** We are to log out within so many seconds. */
  logoutRequested(seconds: number): void;
  /** The target ends the connection, and wants so many seconds before the next. */
  dropping(time2Wait: number): void;
}

export class FullFeature {
  readonly #connection: InitiatorConnection;
  readonly #commands: Commands;
  readonly #functions: Functions;
  readonly #events: SessionEvents;
  #pings = 0;
  readonly #pingAnswered = {
    left: () => {
      this.#pings -= 1;
    },
  };

  constructor(connection: InitiatorConnection, commands: Commands, functions: Functions, events: SessionEvents) {
    this.#connection = connection;
    this.#commands = commands;
    this.#functions = functions;
    this.#events = events;
  }

  /** Says where a PDU's data goes. Throws ProtocolError. */
  header(pdu: IncomingAnswer): void {
    if ((pdu.answer.opcode & OPCODE_MASK) === Opcode.dataIn) this.#commands.dataComes(pdu);
    else this.#connection.data.receive(pdu);
  }

  /** Does what it asks for, or takes it as the answer that it is. Throws ProtocolError. */
  whole(pdu: IncomingAnswer): void {
    const { data, writer } = this.#connection;
    const { answer } = pdu;
    const opcode = answer.opcode & OPCODE_MASK;
    this.#number(pdu, opcode);
    switch (opcode) {
      case Opcode.dataIn:
        this.#commands.dataCame(pdu);
        break;
      case Opcode.response:
        this.#commands.respond(pdu, data);
        break;
      case Opcode.readyToTransfer:
        this.#commands.readyToTransfer(pdu);
        break;
      case Opcode.managementResponse:
      case Opcode.logoutResponse:
        this.#function(answer.itt, pdu.management.response);
        break;
      case Opcode.textResponse:
        this.#function(answer.itt, 0);
        break;
      case Opcode.nopIn:
        this.#nop(pdu);
        break;
      case Opcode.asynchronous:
        this.#asynchronous(pdu);
        break;
      case Opcode.reject:
        this.#reject(pdu);
        break;
      default:
        throw new ProtocolError(`the target has sent ${PDUS[opcode]?.name ?? `opcode 0x${opcode.toString(16)}`}`);
    }
    writer.hear(answer.expCmdSN, answer.maxCmdSN);
    this.#commands.proceed();
  }

  /** What has a StatSN of its own has the next one: else an answer is lost, and nothing here asks for it again (7.1.4.2). */
  #number({ answer, dataIn }: IncomingAnswer, opcode: number): void {
    const { writer } = this.#connection;
    if (opcode === Opcode.readyToTransfer) return;
    if (opcode === Opcode.dataIn && (dataIn.flags & STATUS) === 0) return;
    if (opcode === Opcode.nopIn && answer.itt === NO_TAG) return;
    const { statSN } = answer;
    if (!writer.count(statSN)) throw new ProtocolError(`StatSN ${statSN} where ${writer.expStatSN} is next`);
  }

  #function(tag: number, code: number): void {
    if (!this.#functions.end(tag, code))
      throw new ProtocolError(`an answer to 0x${tag.toString(16)}, which nobody asked`);
  }

  /** The answer to a ping of ours, or a ping of the target's, which gets its data back. */
  #nop({ answer, bytes }: IncomingAnswer): void {
    const { writer, data } = this.#connection;
    if (answer.itt !== NO_TAG) return this.#function(answer.itt, 0);
    if (answer.ttt === NO_TAG) return;
    if (this.#pings === MOST_PINGS) throw new ProtocolError("the target pings and does not read");
    const pdu = writer.begin(Opcode.nopOut | IMMEDIATE, FINAL);
    copyBytes(bytes, LUN_AT, pdu.bytes, LUN_AT, 8);
    pdu.request.itt = NO_TAG;
    pdu.request.ttt = answer.ttt;
    pdu.owner = this.#pingAnswered;
    this.#pings += 1;
    writer.sendBytes(pdu, data.copy(), false);
  }

  #asynchronous({ asynchronous, bytes }: IncomingAnswer): void {
    const { event, parameter2, parameter3 } = asynchronous;
    switch (event) {
      case AsynchronousEvent.scsi:
        return this.#scsiEvent(bytes);
      case AsynchronousEvent.logoutRequested:
        return this.#events.logoutRequested(parameter3);
      case AsynchronousEvent.connectionDropped:
      case AsynchronousEvent.sessionDropped:
        return this.#events.dropping(parameter2);
      case AsynchronousEvent.negotiationRequested:
        return this.#negotiate(parameter3);
    }
    // What is a vendor's own means nothing here.
  }

  #scsiEvent(bytes: Uint8Array): void {
    const { data } = this.#connection;
    const length = data.length < 2 ? 0 : (data.bytes[0] << 8) | data.bytes[1];
    if (length > data.length - 2) throw new ProtocolError("sense data longer than its PDU");
    const sense = decodeSense(data.bytes.subarray(2, 2 + length));
    if (sense !== null) this.#events.scsiEvent(readLun(bytes, LUN_AT), sense);
  }

  /** There is one key that may be told again (6.4): we tell it as it is. */
  #negotiate(seconds: number): void {
    const { writer } = this.#connection;
    const pdu = writer.begin(Opcode.text | IMMEDIATE, FINAL);
    pdu.request.ttt = NO_TAG;
    const late = (): void => this.#connection.drop(new ProtocolError("no answer to a text"));
    this.#functions.begin(pdu, Math.max(1, seconds) * 1000, late, () => {});
    const value = String(KEYS.MaxRecvDataSegmentLength.ours);
    writer.sendBytes(pdu, formatText([{ key: "MaxRecvDataSegmentLength", value }]), false);
  }

  /** A function that was rejected has failed; whatever else is, we and the target do not understand each other. */
  #reject({ reject }: IncomingAnswer): void {
    const { data } = this.#connection;
    if (data.length >= HEADER_SIZE) {
      const { opcode, itt } = new Request(data.bytes);
      if ((opcode & OPCODE_MASK) !== Opcode.command && this.#functions.end(itt, "rejected")) return;
    }
    throw new ProtocolError(`the target has rejected a PDU for the reason 0x${reject.reason.toString(16)}`);
  }
}

const LUN_AT = 8;
