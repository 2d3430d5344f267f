// Knows what a connection is asked in full feature phase: the order of requests, and who answers each kind. Bytes and
// time are its connection's.

import { readLun } from "@pvscsi/scsi";
import { copyBytes } from "@pvscsi/wire";
import { FINAL, LogoutReason, LogoutResponseCode, ManagementFunctionCode, RejectReason } from "./abi/codes.js";
import {
  HEADER_SIZE,
  IMMEDIATE,
  LogoutResponse,
  ManagementAnswer,
  NO_TAG,
  OPCODE_MASK,
  Opcode,
  PDUS,
  Reject,
} from "./abi/pdu.js";
import { Announcements } from "./announcements.js";
import type { Commands } from "./commands.js";
import type { Exchange } from "./exchange.js";
import { IncomingRequest } from "./incoming-request.js";
import { eventInformation, performManagement } from "./management.js";
import type { AnswerWriter } from "./outgoing-answer.js";
import type { Session } from "./session.js";
import { type TextParts, TextRequests } from "./text-requests.js";

/** Commands that a connection has not answered, where more are sent for immediate delivery. */
const MOST_IMMEDIATE = 512;
/** Task management functions that wait for tasks to end. */
const MOST_FUNCTIONS = 64;
/** Bytes of data that wait for the turn of their requests. */
const MOST_HELD = 1024 * 1024;
const NO_BYTES = new Uint8Array(0);

export interface FullFeatureParts {
  readonly writer: AnswerWriter;
  readonly text: TextParts;
  /** Null in a discovery session. */
  readonly session: Session | null;
  readonly commands: Commands | null;
  /** The other sessions with the same target. */
  readonly others: () => readonly Session[];
  /** Ends the connection once everything has left. */
  readonly finish: () => void;
}

/** What is to be done with a PDU once it is whole. */
type Plan = "perform" | "hold" | "command" | "held-command" | "data" | "ignore" | { readonly reject: number };

export class FullFeature {
  /** What the initiator is told unasked. */
  readonly announcements: Announcements;
  readonly #parts: FullFeatureParts;
  readonly #texts: TextRequests;
  #plan: Plan = "ignore";
  /** The command whose header is being decided on. */
  #accepted: Exchange | null = null;
  #text: Uint8Array = NO_BYTES;
  /** By CmdSN, what waits for its turn. */
  readonly #held = new Map<number, () => void>();
  /** Bytes of data in it that are no command's. */
  #heldText = 0;
  /** The tag of the ping that is not answered, and of the next. */
  #pingTag = 0;
  /** Set when nothing is taken any more: a logout is being answered. */
  #leaving = false;
  #functions = 0;
  /** CmdSN of a discovery session, which has no session of ours. */
  #expCmdSN: number;

  constructor(parts: FullFeatureParts, firstCmdSN: number) {
    this.#parts = parts;
    this.announcements = new Announcements(parts.writer);
    this.#texts = new TextRequests(parts.text);
    this.#expCmdSN = firstCmdSN;
  }

  get expCmdSN(): number {
    return this.#expCmdSN;
  }

  get maxCmdSN(): number {
    return this.#expCmdSN;
  }

  /** Decides what becomes of a PDU, and where its data goes. */
  header(pdu: IncomingRequest): void {
    const opcode = pdu.request.opcode & OPCODE_MASK;
    this.#plan = this.#leaving ? { reject: RejectReason.waitingForLogout } : this.#decide(pdu, opcode);
    if (this.#plan !== "perform" && this.#plan !== "hold") return;
    this.#text = pdu.dataLength === 0 ? NO_BYTES : new Uint8Array(pdu.dataLength);
    if (pdu.dataLength > 0) pdu.into([this.#text], pdu.dataLength, 0);
  }

  /** Does what was decided. Throws ProtocolError. */
  whole(pdu: IncomingRequest): void {
    const { commands } = this.#parts;
    const [plan, text] = [this.#plan, this.#text];
    this.#text = NO_BYTES;
    const exchange = commands?.arrived() ?? null;
    if (plan === "perform") this.#perform(pdu, text);
    else if (plan === "hold") this.#hold(pdu, text);
    else if (plan === "held-command") this.#holdCommand(exchange, pdu.command.cmdSN);
    else if (typeof plan === "object") this.reject(pdu, plan.reject);
    else if (exchange !== null && plan === "command") commands?.deliver(exchange);
    else if (exchange !== null && plan === "data") commands?.dataCame(exchange);
    if (this.#held.size > 0) this.#deliverHeld();
  }

  /** Tells the initiator that a PDU was not taken (11.17): the header comes back. */
  reject(pdu: IncomingRequest, reason: number): void {
    const { writer } = this.#parts;
    const answer = writer.begin(Opcode.reject, FINAL);
    const reject = new Reject(answer.bytes);
    reject.reason = reason;
    reject.itt = NO_TAG;
    writer.sendBytes(answer, pdu.bytes.slice(0, HEADER_SIZE), true);
  }

  /** Asks whether the initiator is there; any answer will do. */
  ping(): void {
    const { writer } = this.#parts;
    const pdu = writer.begin(Opcode.nopIn, FINAL);
    pdu.answer.itt = NO_TAG;
    this.#pingTag = (this.#pingTag % 0xffff) + 1;
    pdu.answer.ttt = this.#pingTag;
    writer.send(pdu, null, false);
  }

  #decide(pdu: IncomingRequest, opcode: number): Plan {
    const row = PDUS[opcode];
    const immediate = (pdu.request.opcode & IMMEDIATE) !== 0;
    if (opcode === Opcode.dataOut) return this.#decideData();
    // Nothing is kept that could be sent again: ErrorRecoveryLevel is 0 (11.16).
    if (opcode === Opcode.snack) return { reject: RejectReason.snackReject };
    if (row === undefined || !row.ordered) return { reject: RejectReason.commandNotSupported };
    if (immediate) return this.#take(opcode, true);
    const order = this.#order(pdu.request.cmdSN);
    if (order === "outside" || this.#held.has(pdu.request.cmdSN)) return "ignore";
    if (order === "later" && opcode === Opcode.command) return this.#takeCommand(false, "held-command");
    if (order === "later") {
      return this.#heldText + pdu.dataLength > MOST_HELD ? { reject: RejectReason.outOfResources } : "hold";
    }
    this.#accepted = null;
    const plan = this.#take(opcode, false);
    this.#advance(this.#accepted);
    return plan;
  }

  #take(opcode: number, immediate: boolean): Plan {
    return opcode === Opcode.command ? this.#takeCommand(immediate, "command") : "perform";
  }

  #order(cmdSN: number): "next" | "later" | "outside" {
    const { session } = this.#parts;
    if (session !== null) return session.window.order(cmdSN);
    return cmdSN === this.#expCmdSN ? "next" : "outside";
  }

  #advance(exchange: Exchange | null): void {
    const { session } = this.#parts;
    if (exchange !== null) exchange.counted = true;
    if (session === null) this.#expCmdSN = (this.#expCmdSN + 1) >>> 0;
    else session.window.advance(exchange !== null);
  }

  #takeCommand(immediate: boolean, plan: "command" | "held-command"): Plan {
    const { commands } = this.#parts;
    if (commands === null) return { reject: RejectReason.protocolError };
    if (commands.incomingTagTaken()) return { reject: RejectReason.taskInProgress };
    if (immediate && commands.unanswered >= MOST_IMMEDIATE) return { reject: RejectReason.immediateCommandReject };
    this.#accepted = commands.accept();
    return plan;
  }

  #decideData(): Plan {
    const { commands } = this.#parts;
    if (commands === null) return { reject: RejectReason.protocolError };
    const found = commands.dataOut();
    if (found === "right") return "data";
    return found === "tag" ? { reject: RejectReason.invalidPduField } : "ignore";
  }

  #hold(pdu: IncomingRequest, text: Uint8Array): void {
    const kept = new IncomingRequest();
    copyBytes(pdu.bytes, 0, kept.bytes, 0, HEADER_SIZE);
    this.#heldText += text.length;
    this.#held.set(pdu.request.cmdSN, () => {
      this.#heldText -= text.length;
      this.#advance(null);
      this.#perform(kept, text);
    });
  }

  #holdCommand(exchange: Exchange | null, cmdSN: number): void {
    const serial = exchange?.serial;
    this.#held.set(cmdSN, () => {
      // It may have been aborted meanwhile, and its record be another's.
      const there = exchange !== null && exchange.serial === serial && exchange.state === "held";
      this.#advance(there ? exchange : null);
      if (there) this.#parts.commands?.deliver(exchange);
    });
  }

  #deliverHeld(): void {
    const { session } = this.#parts;
    if (session === null) return;
    for (;;) {
      const { expCmdSN } = session.window;
      const act = this.#held.get(expCmdSN);
      if (act === undefined) return;
      this.#held.delete(expCmdSN);
      act();
    }
  }

  #perform(pdu: IncomingRequest, text: Uint8Array): void {
    switch (pdu.request.opcode & OPCODE_MASK) {
      case Opcode.nopOut:
        return this.#answerNop(pdu, text);
      case Opcode.text:
        return this.#answerText(pdu, text);
      case Opcode.management:
        return this.#manage(pdu);
      case Opcode.logout:
        return this.#logOut(pdu);
    }
  }

  /** An initiator that wants no answer has no tag: it answers our ping, or tells a StatSN. */
  #answerNop({ request }: IncomingRequest, text: Uint8Array): void {
    if (request.itt === NO_TAG) return;
    const { writer, text: parts } = this.#parts;
    const pdu = writer.begin(Opcode.nopIn, FINAL);
    pdu.answer.lun = request.lun;
    pdu.answer.itt = request.itt;
    pdu.answer.ttt = NO_TAG;
    writer.sendBytes(pdu, text.subarray(0, parts.negotiation.parameters.MaxRecvDataSegmentLength), true);
  }

  #answerText(pdu: IncomingRequest, text: Uint8Array): void {
    const { request } = pdu;
    const reply = this.#texts.take(request.flags, request.ttt, text);
    if (reply === null) return this.reject(pdu, RejectReason.protocolError);
    const { writer } = this.#parts;
    const answer = writer.begin(Opcode.textResponse, reply.flags);
    answer.answer.lun = request.lun;
    answer.answer.itt = request.itt;
    answer.answer.ttt = reply.ttt;
    writer.sendBytes(answer, reply.text, true);
  }

  #manage(pdu: IncomingRequest): void {
    const { session, others, writer, finish } = this.#parts;
    if (session === null) return this.reject(pdu, RejectReason.protocolError);
    const { management } = pdu;
    const code = management.flags & ~FINAL;
    const { itt, referencedTag } = management;
    const { iSCSIProtocolLevel: level } = this.#parts.text.negotiation.parameters;
    if (this.#functions >= MOST_FUNCTIONS) return this.reject(pdu, RejectReason.immediateCommandReject);
    this.#functions += 1;
    const order = { code, lun: readLun(management.lun, 0), referencedTag, level };
    performManagement(order, session, (response, event) => {
      this.#functions -= 1;
      const answer = writer.begin(Opcode.managementResponse, FINAL);
      const fields = new ManagementAnswer(answer.bytes);
      fields.response = response;
      fields.itt = itt;
      if (event !== undefined) fields.information.set(eventInformation(event));
      writer.send(answer, null, true);
      if (code !== ManagementFunctionCode.targetColdReset) return;
      // All sessions with the target end (11.5.1).
      for (const other of others()) other.connection.dismiss("TARGET COLD RESET");
      finish();
    });
  }

  #logOut({ logout }: IncomingRequest): void {
    const { session, text, finish } = this.#parts;
    const reason = logout.flags & ~FINAL;
    const { itt, cid } = logout;
    if (reason >= LogoutReason.removeForRecovery) {
      return this.#answerLogout(itt, LogoutResponseCode.recoveryNotSupported);
    }
    if (reason === LogoutReason.closeConnection && cid !== text.identity.cid) {
      return this.#answerLogout(itt, LogoutResponseCode.cidNotFound);
    }
    this.#leaving = true;
    // What was under way has no effect any more when the initiator hears that it is logged out.
    void Promise.resolve(session?.close()).then(() => {
      this.#answerLogout(itt, LogoutResponseCode.closed);
      finish();
    });
  }

  #answerLogout(itt: number, response: number): void {
    const { writer } = this.#parts;
    const pdu = writer.begin(Opcode.logoutResponse, FINAL);
    const fields = new LogoutResponse(pdu.bytes);
    fields.itt = itt;
    fields.response = response;
    writer.send(pdu, null, true);
  }
}
