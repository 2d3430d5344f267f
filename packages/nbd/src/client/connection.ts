// Knows one connection to a server from the dialling to its end: handshake, then requests and replies. Knows no store.

import { type ByteSink, type Clock, Input, Outbox, ProtocolError, type Scheduler, type Timer } from "@pvscsi/wire";
import { CommandType } from "../abi/transmission.js";
import type { Step } from "../phase.js";
import { type Agreement, ClientNegotiation } from "./agreement.js";
import type { ClientRequest } from "./client-request.js";
import type { NbdAddress, NbdDial } from "./dial.js";
import { type Asker, Replies } from "./replies.js";

/** What connections to one export have in common. */
export interface ConnectionOptions {
  readonly address: NbdAddress;
  readonly exportName: string;
  readonly dial: NbdDial;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** Milliseconds from the dialling to the end of the handshake. */
  readonly handshakeTimeout: number;
}

/** Who uses a connection. */
export interface ConnectionUser extends Asker {
  /** Requests may be sent from now on. */
  agreed(agreement: Agreement): void;
  /** The bytes of a request have left, or never will: its data is lent no longer. */
  sent(request: ClientRequest): void;
  /** The last call: nothing is lent to the connection any more. */
  ended(reason: string): void;
}

/** Begins to connect when it is made. */
export class ClientConnection {
  readonly #sink: ByteSink;
  readonly #user: ConnectionUser;
  readonly #clock: Clock;
  readonly #input = new Input();
  readonly #outbox: Outbox<ClientRequest>;
  readonly #negotiation: ClientNegotiation;
  #replies: Replies | null = null;
  #timer: Timer | null;
  #failure: string | null = null;
  #stepping = false;
  #over = false;

  constructor(options: ConnectionOptions, user: ConnectionUser) {
    const { address, exportName, dial, clock, scheduler, handshakeTimeout } = options;
    this.#user = user;
    this.#clock = clock;
    this.#sink = dial(address, {
      receive: (bytes) => this.#receive(bytes),
      closed: (reason) => this.#closed(reason),
    });
    this.#outbox = new Outbox<ClientRequest>(
      this.#sink,
      scheduler,
      (request) => user.sent(request),
      () => {},
    );
    this.#negotiation = new ClientNegotiation(exportName, this.#outbox);
    const late = { run: () => this.fail(`no handshake within ${handshakeTimeout} ms`) };
    this.#timer = clock.after(handshakeTimeout, late);
  }

  /** Sends what a request's piece asks for. */
  send(request: ClientRequest, epoch: number): void {
    this.#outbox.add(request.head(epoch));
    if (request.type === CommandType.write) {
      const { places } = request;
      request.gather();
      for (let i = 0; i < places.count; i++) if (places.size(i) > 0) this.#outbox.add(places.view(i));
    }
    this.#outbox.finish(request);
  }

  /** Says goodbye, with what was sent before. */
  end(farewell: Uint8Array): void {
    this.#failure = "it was closed";
    this.#outbox.add(farewell);
    this.#outbox.run();
    this.#sink.end();
  }

  /** Drops the connection; `ended` says the reason. */
  fail(reason: string): void {
    if (this.#failure !== null || this.#over) return;
    this.#failure = reason;
    this.#input.clear();
    this.#sink.destroy();
  }

  #receive(bytes: Uint8Array): boolean {
    if (this.#failure !== null) return true;
    this.#input.push(bytes);
    if (!this.#stepping) this.#proceed();
    return this.#input.available === 0;
  }

  #proceed(): void {
    this.#stepping = true;
    try {
      while (this.#failure === null && this.#advance((this.#replies ?? this.#negotiation).step(this.#input))) {}
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.fail(error.message);
    } finally {
      this.#stepping = false;
    }
  }

  #advance(step: Step): boolean {
    if (step === "done") {
      this.#disarm();
      const { agreement } = this.#negotiation;
      this.#replies = new Replies(agreement, this.#user);
      this.#user.agreed(agreement);
    }
    return step !== "wait";
  }

  #closed(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#disarm();
    this.#input.clear();
    this.#outbox.close();
    this.#user.ended(this.#failure ?? reason);
  }

  #disarm(): void {
    if (this.#timer !== null) this.#clock.cancel(this.#timer);
    this.#timer = null;
  }
}
