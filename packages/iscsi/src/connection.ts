// Knows one connection of an initiator from its first byte to its last: which phase it is in, when it takes bytes, how long
// it may be silent, and when it is over. Bytes come in and go out; it knows no socket.

import { type ByteSink, Input, Outbox, ProtocolError, type Timer } from "@pvscsi/wire";
import { LoginStatus, RejectReason } from "./abi/codes.js";
import { LoginResponse, OPCODE_MASK, Opcode } from "./abi/pdu.js";
import { Commands } from "./commands.js";
import { FullFeature } from "./full-feature.js";
import { PduReader } from "./incoming.js";
import { IncomingRequest } from "./incoming-request.js";
import { KEYS } from "./keys.js";
import { Login, type LoginIdentity, type LoginReply } from "./login.js";
import { AnswerWriter, type OutgoingAnswer } from "./outgoing-answer.js";
import type { IscsiPortal } from "./portal.js";
import type { Session, SessionConnection } from "./session.js";
import type { Destination } from "./target.js";

/** PDUs that have not left, at which no more is taken: an initiator that sends and does not read. */
const MOST_UNSENT = 4096;
/** Bytes that have not left of answers that have memory of their own, which no limit of commands knows: pings, texts. */
const MOST_UNSENT_TEXT = 1024 * 1024;
const LOGIN_DATA = KEYS.MaxRecvDataSegmentLength.default;
const NO_TEXT = new Uint8Array(0);

/**
 * "login", "opening": a former session is ending. "open". "ending": no more is taken, but all that was answered is sent.
 * "failed": dropped by us. "gone": the connection has ended.
 */
type State = "login" | "opening" | "open" | "ending" | "failed" | "gone";

/** By which portal an initiator has come. */
export interface Reached {
  /** Its number. */
  readonly portal: number;
  /** Every portal's address as this initiator would reach it, by number. */
  readonly addresses: readonly string[];
}

/** Feed it with `receive`, tell it of the connection's end with `closed`; its sink's `settled` is the last call. */
export class IscsiConnection implements SessionConnection {
  readonly #portal: IscsiPortal;
  readonly #sink: ByteSink;
  readonly #reached: Reached;
  readonly #input = new Input();
  readonly #reader = new PduReader(new IncomingRequest(), LOGIN_DATA);
  readonly #outbox: Outbox<OutgoingAnswer>;
  readonly #writer: AnswerWriter;
  readonly #login: Login;
  #loginText: Uint8Array = NO_TEXT;
  #features: FullFeature | null = null;
  #session: Session | null = null;
  #commands: Commands | null = null;
  /** Ends hearing of LUNs that come and go. */
  #unwatch = (): void => {};
  #state: State = "login";
  #timer: Timer | null;
  #heard: number;
  #pinged = false;
  #stepping = false;
  #paused = false;
  #ended = false;
  /** Tasks of its session are under way. */
  #closing = false;
  #settled = false;

  constructor(portal: IscsiPortal, sink: ByteSink, reached: Reached) {
    this.#portal = portal;
    this.#sink = sink;
    this.#reached = reached;
    this.#outbox = new Outbox(
      sink,
      portal.scheduler,
      (pdu) => this.#writer.release(pdu),
      () => this.#left(),
    );
    this.#writer = new AnswerWriter(this.#outbox);
    this.#login = new Login(portal, reached.portal);
    this.#heard = portal.clock.now();
    this.#timer = this.#after(portal.limits.loginTimeout, () => this.drop("no login in time"));
  }

  /** Takes received bytes, and copies what it takes. Where it says false, the rest is lent to it until it has taken that too. */
  receive(bytes: Uint8Array): boolean {
    if (this.#state === "ending" || this.#over) return true;
    this.#hear();
    this.#input.push(bytes);
    this.#proceed();
    return this.#input.available === 0;
  }

  /** The connection has ended, whoever ended it. */
  closed(): void {
    if (this.#state === "gone") return;
    this.#abandon("gone", "the connection has ended");
    this.#settle();
  }

  /** Ends the connection, whatever is under way. */
  drop(reason: string): void {
    if (this.#over) return;
    this.#abandon("failed", reason);
    this.#sink.destroy();
  }

  /** Ends the session when the initiator has been told so, and everything before has left. */
  dismiss(reason: string): void {
    if (this.#state === "ending") return;
    if (this.#state !== "open" || this.#features === null || this.#session === null) return this.drop(reason);
    this.#features.announcements.dropSession();
    this.#end(reason);
  }

  /** Asks the initiator to log out, and dismisses it when it has not in time. */
  askToLeave(reason: string): void {
    if (this.#state !== "open" || this.#features === null || this.#session === null) return this.dismiss(reason);
    const { leaveTimeout } = this.#portal.limits;
    this.#features.announcements.requestLogout(Math.ceil(leaveTimeout / 1000));
    this.#arm(leaveTimeout, () => this.dismiss(reason));
  }

  get #over(): boolean {
    return this.#state === "failed" || this.#state === "gone";
  }

  /** Goes on as far as bytes and room allow. */
  #proceed(): void {
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      while (this.#takes && this.#step()) {}
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refuse(error.message);
    } finally {
      this.#stepping = false;
    }
    this.#regulate();
    this.#endWhenSent();
  }

  get #takes(): boolean {
    return (this.#state === "login" || this.#state === "open") && !this.#blocked;
  }

  get #blocked(): boolean {
    const most = 2 * this.#portal.limits.bytesInFlight;
    const { unsent, unsentText } = this.#writer;
    if (unsent > MOST_UNSENT || unsentText > MOST_UNSENT_TEXT) return true;
    return this.#state === "opening" || this.#outbox.unsent > most;
  }

  /** False when bytes are missing. */
  #step(): boolean {
    const arrival = this.#reader.step(this.#input);
    const { pdu } = this.#reader;
    switch (arrival) {
      case "wait":
        return false;
      case "header":
        this.#takeHeader();
        return true;
      case "whole":
        if (this.#features === null) this.#takeLogin();
        else this.#features.whole(pdu);
        return true;
      case "header-digest":
        // Nobody knows where the next one begins, nor whom an answer would be for (RFC 7143 7.8).
        this.#end("the digest of a header is wrong");
        return true;
      case "data-digest":
        // Without recovery within a session, all of it ends (RFC 7143 7.1.4.1).
        this.#features?.reject(pdu, RejectReason.dataDigestError);
        this.#end("the digest of a data segment is wrong");
        return true;
    }
  }

  #takeHeader(): void {
    const { pdu } = this.#reader;
    if (this.#features !== null) return this.#features.header(pdu);
    const opcode = pdu.request.opcode & OPCODE_MASK;
    if (opcode !== Opcode.login) return this.#refuseStranger(`opcode 0x${opcode.toString(16)} before the login's end`);
    this.#loginText = new Uint8Array(pdu.dataLength);
    if (pdu.dataLength > 0) pdu.into([this.#loginText], pdu.dataLength, 0);
  }

  /** Only a login request opens a connection; once one has, its initiator hears why it ends (RFC 7143 6.3). */
  #refuseStranger(reason: string): void {
    if (!this.#login.begun) throw new ProtocolError(reason);
    this.#answerLogin({ flags: 0, status: LoginStatus.invalidDuringLogin, text: NO_TEXT, finished: false, reason }, 0);
    this.#end(reason);
  }

  #takeLogin(): void {
    const { login } = this.#reader.pdu;
    const reply = this.#login.take(login, this.#loginText);
    const { identity } = this.#login;
    if (reply.status !== LoginStatus.success || identity === null || !reply.finished) {
      this.#answerLogin(reply, login.tsih);
      if (reply.status !== LoginStatus.success) this.#end(reply.reason);
      return;
    }
    if (identity.destination === null) return this.#begin(identity, reply, 0);
    this.#open({ ...identity, destination: identity.destination }, reply);
  }

  #open(identity: LoginIdentity & { readonly destination: Destination }, reply: LoginReply): void {
    const { cmdSN } = this.#reader.pdu.login;
    const opened = this.#portal.open(identity, cmdSN, this);
    if (opened === null) {
      this.#answerLogin({ ...reply, flags: 0, status: LoginStatus.outOfResources, text: NO_TEXT }, 0);
      return this.#end("there are too many sessions");
    }
    const { session, before } = opened;
    this.#session = session;
    if (before === null) return this.#begin(identity, reply, session.tsih);
    this.#state = "opening";
    void before.then(() => {
      if (this.#state !== "opening") return;
      this.#begin(identity, reply, session.tsih);
      this.#proceed();
    });
  }

  /** Full feature phase begins with the answer that ends the login. */
  #begin(identity: LoginIdentity, reply: LoginReply, tsih: number): void {
    const { parameters } = this.#login;
    const { portal, session } = { portal: this.#portal, session: this.#session };
    this.#answerLogin(reply, tsih);
    this.#state = "open";
    if (session !== null) session.commands = this.#commands = this.#newCommands(session);
    const features = new FullFeature(
      {
        writer: this.#writer,
        session,
        commands: this.#commands,
        text: {
          identity,
          negotiation: this.#login.negotiation,
          addresses: this.#reached.addresses,
          targets: () => portal.targets,
        },
        others: () => (session === null ? [] : portal.others(session)),
        finish: () => this.#end("logged out"),
      },
      this.#reader.pdu.login.cmdSN,
    );
    this.#features = features;
    if (session !== null) this.#unwatch = session.destination.target.watch(() => features.announcements.lunsChanged());
    this.#writer.numbers = session?.window ?? features;
    this.#writer.headerDigest = this.#reader.headerDigest = parameters.HeaderDigest === "CRC32C";
    this.#writer.dataDigest = this.#reader.dataDigest = parameters.DataDigest === "CRC32C";
    if (this.#login.declared) this.#reader.maximumData = KEYS.MaxRecvDataSegmentLength.ours;
    this.#watchSilence(portal.limits.silence);
    if (session !== null && portal.probes.listening) portal.probes.emit("iscsi:login", session);
  }

  #newCommands(session: Session): Commands {
    const { pages, probes, limits } = this.#portal;
    const { parameters } = this.#login;
    parameters.FirstBurstLength = Math.min(parameters.FirstBurstLength, parameters.MaxBurstLength);
    return new Commands({
      nexus: session.nexus,
      window: session.window,
      writer: this.#writer,
      pages,
      incoming: this.#reader.pdu,
      parameters,
      probes,
      bytesInFlight: limits.bytesInFlight,
      bytesInAll: limits.bytesInAll,
      idle: () => this.#settle(),
    });
  }

  #answerLogin(reply: LoginReply, tsih: number): void {
    const { login } = this.#reader.pdu;
    const depth = this.#portal.depthOf(this.#login.identity?.destination ?? null) - 1;
    this.#writer.numbers = { expCmdSN: login.cmdSN, maxCmdSN: (login.cmdSN + depth) >>> 0 };
    const pdu = this.#writer.begin(Opcode.loginResponse, reply.flags);
    const fields = new LoginResponse(pdu.bytes);
    fields.isid = login.isid;
    fields.tsih = tsih;
    fields.itt = login.itt;
    fields.status = reply.status;
    this.#writer.sendBytes(pdu, reply.text, true);
  }

  /** The initiator broke the protocol: it hears so where it can, and the connection ends. */
  #refuse(reason: string): void {
    if (this.#features === null) return this.drop(reason);
    this.#features.reject(this.#reader.pdu, RejectReason.protocolError);
    this.#end(reason);
  }

  /** Takes nothing more, and ends the connection when everything has left. */
  #end(reason: string): void {
    if (this.#over || this.#state === "ending") return;
    this.#state = "ending";
    this.#tell(reason);
    this.#input.clear();
    this.#closeSession();
    this.#arm(this.#portal.limits.pingTimeout, () => this.drop("its last answers were not taken"));
    this.#endWhenSent();
  }

  #endWhenSent(): void {
    if (this.#state !== "ending" || this.#ended || this.#outbox.unsent > 0) return;
    this.#ended = true;
    this.#sink.end();
  }

  /** Something has left, and more will: whoever takes bytes is there. */
  #left(): void {
    if (this.#outbox.unsent > 0) this.#hear();
    this.#proceed();
    this.#settle();
  }

  #hear(): void {
    this.#heard = this.#portal.clock.now();
    this.#pinged = false;
  }

  #regulate(): void {
    const blocked = this.#blocked && !this.#over;
    if (blocked === this.#paused) return;
    this.#paused = blocked;
    if (blocked) this.#sink.pause();
    else this.#sink.resume();
  }

  /** Looks after `milliseconds` whether the initiator has been silent. */
  #watchSilence(milliseconds: number): void {
    this.#arm(milliseconds, () => {
      const { silence, pingTimeout } = this.#portal.limits;
      const left = silence - (this.#portal.clock.now() - this.#heard);
      if (left > 0) return this.#watchSilence(left);
      if (this.#pinged || this.#session === null) return this.drop("the initiator is silent");
      this.#pinged = true;
      this.#features?.ping();
      this.#watchSilence(pingTimeout);
    });
  }

  #abandon(state: "failed" | "gone", reason: string): void {
    if (this.#state !== "ending" && this.#state !== "failed") this.#tell(reason);
    this.#state = state;
    this.#disarm();
    this.#input.clear();
    this.#closeSession();
    this.#outbox.close();
  }

  #closeSession(): void {
    const session = this.#session;
    if (session === null) return;
    this.#session = null;
    this.#closing = true;
    this.#unwatch();
    this.#portal.forget(session);
    void session.close().then(() => {
      this.#closing = false;
      this.#settle();
    });
  }

  /** The last call goes out when the connection is gone and nothing of it is under way. */
  #settle(): void {
    const busy = this.#closing || (this.#commands?.underWay ?? 0) > 0 || this.#writer.unsent > 0;
    if (this.#state !== "gone" || busy || this.#settled) return;
    this.#settled = true;
    this.#sink.settled();
  }

  #tell(reason: string): void {
    const { probes } = this.#portal;
    if (!probes.listening) return;
    const who = this.#login.identity?.initiator ?? "an initiator";
    probes.emit(this.#features === null ? "iscsi:refused" : "iscsi:end", printable(`${who}: ${reason}`));
  }

  #after(milliseconds: number, act: () => void): Timer {
    return this.#portal.clock.after(milliseconds, { run: act });
  }

  #arm(milliseconds: number, act: () => void): void {
    this.#disarm();
    this.#timer = this.#after(milliseconds, act);
  }

  #disarm(): void {
    if (this.#timer !== null) this.#portal.clock.cancel(this.#timer);
    this.#timer = null;
  }
}

const LONGEST_REASON = 300;

/** A reason may quote what an initiator has sent: people's terminals and logs get no controls of its making. */
function printable(text: string): string {
  return text.slice(0, LONGEST_REASON).replaceAll(/[^\x20-\x7e]/g, "?");
}
