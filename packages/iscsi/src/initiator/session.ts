// Knows an initiator's session through all its connections (ErrorRecoveryLevel 0): a connection that is lost ends what was under
// way, the next one logs in with the same ISID, and what was not sent waits for that, as long as it may. Knows no PDU's fields.

import { type Command, type DecodedSense, HostByte } from "@pvscsi/scsi";
import { nullProbes, type Probes, type Timer } from "@pvscsi/wire";
import { FINAL, LogoutReason } from "../abi/codes.js";
import { IMMEDIATE, NO_TAG, Opcode } from "../abi/pdu.js";
import type { Parameters } from "../keys.js";
import { Commands, refuse } from "./commands.js";
import { InitiatorConnection } from "./connection.js";
import { dialTcp, formatPortal, type PortalAddress } from "./dial.js";
import { FullFeature, type SessionEvents } from "./full-feature.js";
import { Functions } from "./functions.js";
import { InitiatorLogin, Redirected } from "./login.js";
import { DEFAULT_TIMEOUTS, type InitiatorOptions, type InitiatorTimeouts, randomIsid } from "./options.js";

/** Redirections of one login. */
const MOST_HOPS = 8;
/** Milliseconds between attempts to connect anew: doubled each time, up to the most. */
const FIRST_DELAY = 250;
const MOST_DELAY = 5000;
const DEFAULT_DEPTH = 128;

/** What an initiator's people are told by the probe `iscsi-initiator:session`. */
export interface SessionMessage {
  readonly target: string;
  readonly text: string;
}

/**
 * "opening": the first login. "open". "leaving": it logs out at the target's wish, and comes again. "lost": there is no connection.
 * "closed": by us.
 */
type State = "opening" | "open" | "leaving" | "lost" | "closed";

export class InitiatorSession implements SessionEvents {
  readonly commands: Commands;
  readonly functions: Functions;
  readonly timeouts: InitiatorTimeouts;
  readonly isid: Uint8Array;
  readonly #options: InitiatorOptions;
  readonly #probes: Probes;
  readonly #heard: Pick<SessionEvents, "scsiEvent">;
  #portal: PortalAddress;
  #connection: InitiatorConnection | null = null;
  #parameters: Parameters | null = null;
  #state: State = "opening";
  /** Commands have waited for a connection as long as they may. */
  #given = false;
  #hops = 0;
  #attempts = 0;
  /** Milliseconds that the target wants before the next connection. */
  #wait = 0;
  /** For the next attempt, a ping, or a logout; and for how long commands wait. */
  #timer: Timer | null = null;
  #replacement: Timer | null = null;
  #pinged = false;
  #opened: { resolve: () => void; reject: (error: Error) => void } | null = null;
  #closed: () => void = () => {};

  /** `heard` is told what the target reports of its logical units. */
  constructor(options: InitiatorOptions, heard: Pick<SessionEvents, "scsiEvent">) {
    this.#options = options;
    this.#probes = options.probes ?? nullProbes;
    this.#heard = heard;
    this.#portal = options.portal;
    this.timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
    this.isid = options.isid ?? randomIsid(options.unguessable);
    this.commands = new Commands(options.depth ?? DEFAULT_DEPTH, () => this.#idle());
    this.functions = new Functions(options.clock);
  }

  /** Logs in for the first time; rejects where that fails. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#opened = { resolve, reject };
      this.#connect(this.#portal);
    });
  }

  /** The same without anybody who waits: it is as if a connection had been lost just now. */
  start(): void {
    this.#state = "lost";
    this.#await();
    this.#connect(this.#portal);
  }

  get state(): State {
    return this.#state;
  }

  /** What both sides have agreed on last; null before the first login is done. */
  get parameters(): Parameters | null {
    return this.#parameters;
  }

  /** The connection in full feature phase; null where there is none. */
  get connection(): InitiatorConnection | null {
    return this.#state === "open" || this.#state === "leaving" ? this.#connection : null;
  }

  queue(command: Command): void {
    if (this.#state === "closed") refuse(command, HostByte.noConnect);
    else if (this.#given) refuse(command, HostByte.transportFailFast);
    else this.commands.queue(command);
  }

  /** Ends the connection; a new one is made, as after any other loss. */
  drop(error: Error): void {
    this.#connection?.drop(error);
  }

  /** Ends it for good: logs out where nothing is under way. Resolves when the connection is over. */
  close(): Promise<void> {
    if (this.#state === "closed") return Promise.resolve();
    const before = this.#state;
    this.#state = "closed";
    this.#disarm();
    this.#endReplacement();
    this.commands.refuseWaiting(HostByte.noConnect);
    if (this.#connection === null) return Promise.resolve();
    const over = new Promise<void>((resolve) => {
      this.#closed = resolve;
    });
    if ((before === "open" || before === "leaving") && this.commands.underWay === 0) this.#logOut();
    else this.#connection.drop(new Error("closed"));
    return over;
  }

  scsiEvent(lun: number, sense: DecodedSense): void {
    this.#heard.scsiEvent(lun, sense);
  }

  /** No more is sent; what is under way has until shortly before the time is out to end. */
  logoutRequested(seconds: number): void {
    if (this.#state !== "open") return;
    this.#state = "leaving";
    this.#say("the target asks for a logout");
    this.commands.held = true;
    this.#arm(seconds * 500, () => this.#logOut());
    this.#idle();
  }

  dropping(time2Wait: number): void {
    this.#wait = time2Wait * 1000;
    this.#connection?.drop(new Error("the target drops the connection"));
  }

  #idle(): void {
    if (this.#state === "leaving" && this.commands.underWay === 0) this.#logOut();
  }

  #connect(portal: PortalAddress): void {
    const { options, login } = { options: this.#options, login: this.#newLogin() };
    let features: FullFeature | null = null;
    const connection: InitiatorConnection = new InitiatorConnection({
      portal,
      dial: options.dial ?? dialTcp,
      clock: options.clock,
      scheduler: options.scheduler,
      login,
      isid: this.isid,
      loginTimeout: this.timeouts.login,
      owner: {
        opened: () => {
          features = new FullFeature(connection, this.commands, this.functions, this);
          this.#begin(connection, login.parameters);
        },
        header: (pdu) => features?.header(pdu),
        whole: (pdu) => features?.whole(pdu),
        ended: (error) => this.#ended(error),
      },
    });
    this.#connection = connection;
  }

  #newLogin(): InitiatorLogin {
    const { initiator, target, proof, headerDigest, dataDigest, unsolicited, unguessable } = this.#options;
    return new InitiatorLogin({
      initiator,
      target,
      proof: proof ?? null,
      headerDigest: headerDigest ?? "None",
      dataDigest: dataDigest ?? "None",
      unsolicited: unsolicited ?? true,
      unguessable,
    });
  }

  #begin(connection: InitiatorConnection, parameters: Parameters): void {
    this.#say(this.#state === "opening" ? "logged in" : "connected anew");
    this.#parameters = parameters;
    this.#state = "open";
    this.#given = false;
    this.#attempts = 0;
    this.#hops = 0;
    this.#wait = parameters.DefaultTime2Wait * 1000;
    this.#endReplacement();
    this.#pinged = false;
    this.#watchSilence(this.timeouts.noopInterval);
    this.commands.held = false;
    this.commands.use({ writer: connection.writer, parameters });
    this.#opened?.resolve();
    this.#opened = null;
  }

  /** What was under way may have been done or not: its submitter hears just that. */
  #ended(error: Error): void {
    const before = this.#state;
    this.#connection = null;
    this.#disarm();
    this.commands.use(null);
    this.functions.lose();
    if (before === "closed") {
      this.commands.endAll(HostByte.noConnect);
      return this.#closed();
    }
    this.commands.endAll(HostByte.transportDisrupted);
    if (error instanceof Redirected && this.#hops < MOST_HOPS) return this.#follow(error);
    if (before === "opening") return this.#opened?.reject(error);
    this.#state = "lost";
    this.#say(error.message);
    if (before !== "lost") this.#await();
    this.#arm(this.#delay(before === "lost"), () => this.#connect(this.#portal));
  }

  #follow({ portal, permanent }: Redirected): void {
    this.#hops += 1;
    if (permanent) this.#portal = portal;
    this.#say(`moved to ${formatPortal(portal)}`);
    this.#connect(portal);
  }

  /** Commands wait from now on, so long. */
  #await(): void {
    const { replacement } = this.timeouts;
    this.#replacement = this.#options.clock.after(replacement, {
      run: () => {
        this.#replacement = null;
        this.#given = true;
        this.#say(`no connection in ${replacement / 1000} s`);
        this.commands.refuseWaiting(HostByte.transportFailFast);
      },
    });
  }

  #delay(failed: boolean): number {
    this.#hops = 0;
    // A target may want hours; commands do not wait for longer than this.
    if (!failed) return Math.min(this.#wait, this.timeouts.replacement);
    return Math.min(MOST_DELAY, FIRST_DELAY * 2 ** this.#attempts++);
  }

  /** Asks the target, after it has been silent for a while, whether it is there. */
  #watchSilence(milliseconds: number): void {
    const { noopInterval, noopTimeout } = this.timeouts;
    const connection = this.#connection;
    if (noopInterval === 0 || connection === null) return;
    this.#arm(milliseconds, () => {
      const left = noopInterval - (this.#options.clock.now() - connection.heard);
      if (left > 0) return this.#watchSilence(left);
      this.#ping(connection, noopTimeout);
      this.#watchSilence(noopInterval);
    });
  }

  #ping(connection: InitiatorConnection, milliseconds: number): void {
    if (this.#pinged) return;
    this.#pinged = true;
    const { writer } = connection;
    const pdu = writer.begin(Opcode.nopOut | IMMEDIATE, FINAL);
    const late = (): void => connection.drop(new Error(`the target is silent for ${milliseconds} ms after a ping`));
    this.functions.begin(pdu, milliseconds, late, () => {
      this.#pinged = false;
    });
    pdu.request.ttt = NO_TAG;
    writer.send(pdu, null, false);
  }

  #logOut(): void {
    const connection = this.#connection;
    if (connection === null) return;
    this.#disarm();
    this.commands.held = true;
    const { writer } = connection;
    const pdu = writer.begin(Opcode.logout | IMMEDIATE, FINAL | LogoutReason.closeSession);
    const over = (): void => connection.drop(new Error("logged out"));
    this.functions.begin(pdu, this.timeouts.logout, over, over);
    writer.send(pdu, null, false);
  }

  #say(text: string): void {
    if (!this.#probes.listening) return;
    this.#probes.emit("iscsi-initiator:session", { target: this.#options.target, text } satisfies SessionMessage);
  }

  #arm(milliseconds: number, run: () => void): void {
    this.#disarm();
    this.#timer = this.#options.clock.after(milliseconds, { run });
  }

  #disarm(): void {
    if (this.#timer !== null) this.#options.clock.cancel(this.#timer);
    this.#timer = null;
  }

  #endReplacement(): void {
    if (this.#replacement !== null) this.#options.clock.cancel(this.#replacement);
    this.#replacement = null;
  }
}
