// Knows one client's session from greeting to end: which phase it is in, when it takes bytes, and when it is over.
// Bytes come in and go out; it knows no socket.

import {
  type ByteSink,
  type Clock,
  Input,
  Outbox,
  type Probes,
  ProtocolError,
  type Scheduler,
  type Timer,
} from "@pvscsi/wire";
import type { NbdExport } from "./export.js";
import { Negotiation } from "./negotiation.js";
import type { Phase, Step } from "./phase.js";
import type { NbdRequest } from "./request.js";
import { Transmission } from "./transmission.js";

/** What all sessions of a server share. */
export interface NbdHost {
  /** The first one is also what the empty name stands for. */
  readonly exports: readonly NbdExport[];
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** `nbd:open` fires with a `Choice`, `nbd:request` with an `NbdRequest`, `nbd:failed` with the reason in words. */
  readonly probes: Probes;
  /** Milliseconds a client has for its handshake. */
  readonly handshakeTimeout: number;
  /** Bytes of data that may be under way for one connection; a single request always has room. */
  readonly bytesInFlight: number;
}

/**
 * The server's side of one connection. Feed it with `receive`, tell it of the connection's end with `closed`; it
 * answers through its sink, whose `settled` is the last call.
 */
export class NbdSession {
  readonly #host: NbdHost;
  readonly #sink: ByteSink;
  readonly #input = new Input();
  readonly #outbox: Outbox<NbdRequest>;
  readonly #negotiation: Negotiation;
  #transmission: Transmission | null = null;
  #phase: Phase;
  /** "ending": no more is taken, but all under way is answered. "failed": dropped by us. "gone": the connection ended. */
  #state: "open" | "ending" | "failed" | "gone" = "open";
  #timer: Timer | null;
  #stepping = false;
  #paused = false;
  #ended = false;
  #settled = false;

  /** Sends the greeting. */
  constructor(host: NbdHost, sink: ByteSink) {
    this.#host = host;
    this.#sink = sink;
    this.#outbox = new Outbox(
      sink,
      host.scheduler,
      (request) => this.#release(request),
      () => this.#proceed(),
    );
    this.#negotiation = new Negotiation(host.exports, this.#outbox);
    this.#phase = this.#negotiation;
    const expired = { run: () => this.#fail(`no export chosen within ${host.handshakeTimeout} ms`) };
    this.#timer = host.clock.after(host.handshakeTimeout, expired);
  }

  /** Takes received bytes, and copies what it takes. Where it says false, the rest is lent to it until it has taken that too. */
  receive(bytes: Uint8Array): boolean {
    if (this.#state !== "open") return true;
    this.#input.push(bytes);
    this.#proceed();
    return this.#state !== "open" || this.#input.available === 0;
  }

  /** The connection has ended, whoever ended it. Requests in the store finish; their replies go nowhere. */
  closed(): void {
    if (this.#state === "gone") return;
    this.#abandon("gone");
    this.#settle();
  }

  /** Takes no more requests, answers those under way, then ends the connection. */
  shutdown(): void {
    if (this.#state !== "open") return;
    this.#finish();
    this.#endWhenIdle();
  }

  /** Requests that are under way. */
  get inFlight(): number {
    return this.#transmission?.inFlight ?? 0;
  }

  /** Goes on as far as bytes and room allow. */
  #proceed(): void {
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      while (this.#state === "open" && this.#advance(this.#phase.step(this.#input))) {}
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#fail(error.message);
    } finally {
      this.#stepping = false;
    }
    if (this.#state === "open") this.#regulate();
    else this.#endWhenIdle();
  }

  /** Does what a step came to; false when there is no further step for now. */
  #advance(step: Step): boolean {
    if (step === "done") this.#beginTransmission();
    if (step === "end") this.#finish();
    return step === "again" || step === "done";
  }

  #beginTransmission(): void {
    const choice = this.#negotiation.choice;
    if (choice === null) return;
    this.#disarm();
    const { probes, bytesInFlight } = this.#host;
    this.#transmission = new Transmission(choice, this.#outbox, probes, bytesInFlight);
    this.#phase = this.#transmission;
    if (probes.listening) probes.emit("nbd:open", choice);
  }

  /** Stops the client's bytes while there is no room for what they ask. */
  #regulate(): void {
    const blocked = this.#phase.blocked;
    if (blocked === this.#paused) return;
    this.#paused = blocked;
    if (blocked) this.#sink.pause();
    else this.#sink.resume();
  }

  #finish(): void {
    this.#state = "ending";
    this.#disarm();
    this.#input.clear();
    this.#transmission?.close();
  }

  #endWhenIdle(): void {
    if (this.#state !== "ending" || this.#ended || this.inFlight > 0 || this.#outbox.unsent > 0) return;
    this.#ended = true;
    this.#sink.end();
  }

  #fail(reason: string): void {
    if (this.#state === "failed" || this.#state === "gone") return;
    if (this.#host.probes.listening) this.#host.probes.emit("nbd:failed", reason);
    this.#abandon("failed");
    this.#sink.destroy();
  }

  #abandon(state: "failed" | "gone"): void {
    this.#state = state;
    this.#disarm();
    this.#input.clear();
    this.#outbox.close();
    this.#transmission?.abandon();
  }

  #release(request: NbdRequest): void {
    this.#transmission?.release(request);
    this.#settle();
  }

  #settle(): void {
    if (this.#state !== "gone" || this.inFlight > 0 || this.#settled) return;
    this.#settled = true;
    this.#sink.settled();
  }

  #disarm(): void {
    if (this.#timer !== null) this.#host.clock.cancel(this.#timer);
    this.#timer = null;
  }
}
