// Knows one connection to a portal from its dialling to its end: the login, then PDUs for whoever it belongs to. Bytes go out and
// come in; it knows no command and no socket.

import {
  type ByteSink,
  type Clock,
  copyBytes,
  Input,
  Outbox,
  ProtocolError,
  type Scheduler,
  type Timer,
} from "@pvscsi/wire";
import { LoginStatus } from "../abi/codes.js";
import { IMMEDIATE, OPCODE_MASK, Opcode, PDUS } from "../abi/pdu.js";
import { PduReader } from "../incoming.js";
import { KEYS } from "../keys.js";
import type { Dial, Dialled, PortalAddress } from "./dial.js";
import { AnswerData, IncomingAnswer } from "./incoming-answer.js";
import { type InitiatorLogin, LoginRefused, type LoginStep, Redirected } from "./login.js";
import { type OutgoingRequest, RequestWriter } from "./outgoing-request.js";

const ISID_SIZE = 6;

/** Whom a connection belongs to. */
export interface ConnectionOwner {
  /** The login is done: what comes from now on goes to `header` and `whole`. */
  opened(): void;
  /** A header has come: says where its data goes. Throws ProtocolError. */
  header(pdu: IncomingAnswer): void;
  /** All of it has come. Throws ProtocolError. */
  whole(pdu: IncomingAnswer): void;
  /** It is over, whoever ended it: the last call. */
  ended(error: Error): void;
}

export interface ConnectionParts {
  readonly portal: PortalAddress;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly login: InitiatorLogin;
  /** Six bytes. */
  readonly isid: Uint8Array;
  /** Milliseconds for connecting and login, each. */
  readonly loginTimeout: number;
  readonly owner: ConnectionOwner;
}

export class InitiatorConnection implements Dialled {
  readonly writer: RequestWriter;
  /** Of answers that are no command's; what comes of a login too. */
  readonly data = new AnswerData();
  /** When something came last. */
  heard: number;
  readonly #parts: ConnectionParts;
  readonly #sink: ByteSink;
  readonly #input = new Input();
  readonly #reader = new PduReader(new IncomingAnswer(), KEYS.MaxRecvDataSegmentLength.default);
  readonly #outbox: Outbox<OutgoingRequest>;
  #state: "dialling" | "login" | "open" | "ended" = "dialling";
  #timer: Timer;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.heard = parts.clock.now();
    this.#sink = parts.dial(parts.portal, this);
    this.#outbox = new Outbox(
      this.#sink,
      parts.scheduler,
      (pdu) => this.writer.release(pdu),
      () => {},
    );
    this.writer = new RequestWriter(this.#outbox);
    this.#timer = this.#limit("the portal does not answer");
  }

  connected(): void {
    if (this.#state !== "dialling") return;
    this.#state = "login";
    this.#parts.clock.cancel(this.#timer);
    this.#timer = this.#limit("no login in time");
    this.#ask(this.#parts.login.begin());
  }

  receive(bytes: Uint8Array): boolean {
    if (this.#state === "ended") return true;
    this.heard = this.#parts.clock.now();
    this.#input.push(bytes);
    try {
      while (!this.#over && this.#step()) {}
    } catch (error) {
      const known = error instanceof ProtocolError || error instanceof LoginRefused || error instanceof Redirected;
      if (!known) throw error;
      this.drop(error);
    }
    return this.#input.available === 0;
  }

  closed(reason: string): void {
    if (this.#state !== "ended") this.#end(new Error(reason));
  }

  /** Ends it at once, whatever is under way. */
  drop(error: Error): void {
    if (this.#state === "ended") return;
    this.#sink.destroy();
    this.#end(error);
  }

  get #over(): boolean {
    return this.#state === "ended";
  }

  #end(error: Error): void {
    this.#state = "ended";
    this.#parts.clock.cancel(this.#timer);
    this.#input.clear();
    this.#outbox.close();
    this.#parts.owner.ended(error);
  }

  /** False when bytes are missing. */
  #step(): boolean {
    const { pdu } = this.#reader;
    switch (this.#reader.step(this.#input)) {
      case "wait":
        return false;
      case "header":
        if (this.#state === "open") this.#parts.owner.header(pdu);
        else this.data.receive(pdu);
        return true;
      case "whole":
        this.#whole(pdu);
        return true;
      case "header-digest":
        throw new ProtocolError("the digest of a header is wrong");
      case "data-digest":
        throw new ProtocolError("the digest of a data segment is wrong");
    }
  }

  #whole(pdu: IncomingAnswer): void {
    if (this.#state === "open") return this.#parts.owner.whole(pdu);
    const opcode = pdu.answer.opcode & OPCODE_MASK;
    if (this.#state !== "login" || opcode !== Opcode.loginResponse) {
      throw new ProtocolError(`${PDUS[opcode]?.name ?? `opcode 0x${opcode.toString(16)}`} before the login's end`);
    }
    this.#takeLogin(pdu);
  }

  #takeLogin({ login: fields }: IncomingAnswer): void {
    const { login, isid } = this.#parts;
    const same = fields.itt === LOGIN_TAG && isid.every((byte, i) => fields.bytes[ISID_AT + i] === byte);
    const succeeded = fields.status === LoginStatus.success;
    // tgt's refusal has nothing of the request that it refuses.
    if (succeeded && (!same || fields.versionActive !== 0)) throw new ProtocolError("an answer to another login");
    this.writer.expStatSN = (fields.statSN + 1) >>> 0;
    this.writer.hear(fields.expCmdSN, fields.maxCmdSN);
    const { flags, status } = fields;
    const next = login.take({ flags, status }, this.data.copy());
    if (next !== null) return this.#ask(next);
    this.#state = "open";
    this.#parts.clock.cancel(this.#timer);
    const { HeaderDigest, DataDigest } = login.parameters;
    this.writer.headerDigest = this.#reader.headerDigest = HeaderDigest === "CRC32C";
    this.writer.dataDigest = this.#reader.dataDigest = DataDigest === "CRC32C";
    this.#reader.maximumData = KEYS.MaxRecvDataSegmentLength.ours;
    this.#parts.owner.opened();
  }

  #ask({ flags, text }: LoginStep): void {
    const pdu = this.writer.begin(Opcode.login | IMMEDIATE, flags);
    copyBytes(this.#parts.isid, 0, pdu.bytes, ISID_AT, ISID_SIZE);
    pdu.login.itt = LOGIN_TAG;
    this.writer.sendBytes(pdu, text, false);
  }

  #limit(reason: string): Timer {
    const { clock, loginTimeout } = this.#parts;
    return clock.after(loginTimeout, { run: () => this.drop(new Error(reason)) });
  }
}

const ISID_AT = 8;
/** The task that a login is: no command has been given a tag yet. */
const LOGIN_TAG = 0x8000_0000;
