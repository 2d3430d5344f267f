// Knows a connection from its first frame: who it says it is has to be proven before anything else is heard. Knows no
// socket.

import { timingSafeEqual } from "node:crypto";
import { ProtocolError } from "@pvscsi/wire";
import { LONGEST_LOGIN } from "./abi/messages.js";
import { decodeHello, encodeWelcome, SECRET_SIZE } from "./control.js";
import { FrameReader, type MessageReceiver } from "./frame-reader.js";
import type { AdmittedDomain, Hub } from "./hub.js";
import type { HubConnection, ShowArena } from "./hub-connection.js";
import type { FrameTransport } from "./outbox.js";

/** Compared with when there is no such domain, so that this takes as long. */
const NOBODY = new Uint8Array(SECRET_SIZE);

export class Arrival {
  readonly #hub: Hub;
  readonly #transport: FrameTransport;
  readonly #show: ShowArena | null;
  #connection: HubConnection | null = null;
  #open = true;

  /** `show` hands memory over, to a thread of this process. */
  constructor(hub: Hub, transport: FrameTransport, show: ShowArena | null) {
    this.#hub = hub;
    this.#transport = transport;
    this.#show = show;
  }

  /** Whether it has proven who it is. */
  get known(): boolean {
    return this.#connection !== null;
  }

  /** Whose it is; null until that is proven. */
  get connection(): HubConnection | null {
    return this.#connection;
  }

  receive(frame: Uint8Array): void {
    if (!this.#open) return;
    if (this.#connection !== null) this.#connection.receive(frame);
    else this.#login(frame);
  }

  /** The transport has ended, or has to. */
  close(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#connection === null) return this.#refuse(reason);
    const { id } = this.#connection.domain;
    // It may have been expelled before, and another have come under its id.
    if (this.#hub.connectionOf(id) === this.#connection) this.#hub.expel(id, reason);
  }

  /** Whoever it was touches no shared memory any more, now that it is closed. */
  gone(): void {
    if (this.#connection !== null) this.#hub.endUses(this.#connection.domain.id);
  }

  #login(frame: Uint8Array): void {
    try {
      readLogin(frame, (payload) => this.#hello(payload));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(error.message);
    }
  }

  #hello(payload: Uint8Array): void {
    const admitted = identify(this.#hub, payload);
    const domain = admitted.domain.id;
    if (this.#hub.sharesMemory !== (this.#show !== null)) {
      const runs = this.#hub.sharesMemory ? "runs" : "does not run";
      throw new ProtocolError(`domain ${domain} ${runs} in a thread of the hub's process`);
    }
    if (this.#connection !== null || admitted.connection !== null) {
      throw new ProtocolError(`domain ${domain} is connected already`);
    }
    this.#connection = this.#hub.join(admitted, this.#transport, encodeWelcome(domain, admitted.limits), this.#show);
  }

  #refuse(reason: string): void {
    this.#transport.end(reason);
    const { probes } = this.#hub;
    if (probes.listening) probes.emit("xenbus:end", { domain: null, reason });
  }
}

/** Reads a frame that may be a hello and nothing else. Throws ProtocolError. */
export function readLogin(frame: Uint8Array, hello: (payload: Uint8Array) => void): void {
  if (frame.length > LONGEST_LOGIN) throw new ProtocolError(`a frame of ${frame.length} bytes before the log-in`);
  new FrameReader().read(frame, onlyControl(hello));
}

/** Whose hello it is. Throws ProtocolError when it proves nothing. */
export function identify(hub: Hub, payload: Uint8Array): AdmittedDomain {
  const { domain, secret } = decodeHello(payload);
  const admitted = hub.admitted(domain);
  if (!proves(secret, admitted)) throw new ProtocolError("no such domain, or a wrong secret");
  return admitted;
}

function proves(secret: Uint8Array, admitted: AdmittedDomain | undefined): admitted is AdmittedDomain {
  const expected = admitted?.admission.secret ?? NOBODY;
  const same = secret.length === expected.length && timingSafeEqual(secret, expected);
  return same && admitted !== undefined;
}

/** Takes a control message and refuses all others. */
function onlyControl(control: (payload: Uint8Array) => void): MessageReceiver {
  const refuse = (): never => {
    throw new ProtocolError("a message before the log-in");
  };
  return {
    control,
    exists: refuse,
    gone: refuse,
    grant: refuse,
    revoke: refuse,
    use: refuse,
    range: refuse,
    open: refuse,
    close: refuse,
    bind: refuse,
    event: refuse,
    store: refuse,
  };
}
