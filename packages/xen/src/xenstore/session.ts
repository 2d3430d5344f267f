// Knows a client's connection to xenstored: which reply answers which request, which event goes to which listener,
// and what becomes of both when the connection ends. Knows no transport.

import { ProtocolError } from "@pvscsi/wire";
import { XENSTORE_PAYLOAD_MAX, XS, XsdErrno } from "../abi/xenstore.js";
import { RequestAccess } from "./access.js";
import { type XenstoreAccess, type XenstoreClient, type XenstoreErrno, XenstoreError } from "./client.js";
import { encodeMessage, joinStrings, type Message, MessageReader, splitStrings } from "./framing.js";

/** What carries a session's bytes. */
export interface SessionTransport {
  send(bytes: Uint8Array): void;
  /** The session is over, from this side or because xenstored broke the protocol. */
  close(): void;
}

interface Pending {
  readonly type: number;
  readonly what: string;
  readonly resolve: (payload: string) => void;
  readonly reject: (error: Error) => void;
}

type Listener = (path: string) => void;

/** How often a transaction is begun again for EIO: a store that is broken says so as well. */
const STALE_TRIES = 16;

export interface SessionOptions {
  /** A request is sent when those before it have been answered, as libxenstore does. */
  readonly oneAtATime?: boolean;
}

/** A client over a byte stream: any number of requests at once, each answered by its id. */
export class XenstoreSession extends RequestAccess implements XenstoreClient {
  readonly #transport: SessionTransport;
  readonly #reader = new MessageReader();
  readonly #oneAtATime: boolean;
  readonly #pending = new Map<number, Pending>();
  /** Messages that are not sent yet. */
  readonly #waiting: Uint8Array[] = [];
  readonly #listeners = new Map<string, Listener>();
  #requestId = 0;
  #token = 0;
  #end: Error | null = null;

  constructor(transport: SessionTransport, { oneAtATime = false }: SessionOptions = {}) {
    super((type, payload, what) => this.#ask(type, 0, payload, what));
    this.#transport = transport;
    this.#oneAtATime = oneAtATime;
  }

  /** Why the session is over; null while it is open. A ProtocolError when xenstored broke the protocol. */
  get ended(): Error | null {
    return this.#end;
  }

  /**
   * Takes bytes from xenstored, cut anywhere; they are copied. Listeners run on this call's stack: the first event may
   * come before `watch` has resolved.
   */
  receive(bytes: Uint8Array): void {
    if (this.#end !== null) return;
    this.#reader.push(bytes);
    for (let message = this.#next(); message !== null; message = this.#next()) {
      if (message.type === XS.WATCH_EVENT) this.#deliver(message.payload);
      else this.#settle(message);
    }
  }

  /** Ends the session: what is pending fails with EIO, listeners hear no more. */
  close(reason = "the session was closed"): void {
    this.#close(new Error(reason));
  }

  async transaction<Result>(body: (access: XenstoreAccess) => Promise<Result>): Promise<Result> {
    for (let stale = 0; ; stale++) {
      const id = await this.#start();
      // A request that comes after the end must not be taken for one outside of the transaction.
      let open = true;
      const access = new RequestAccess(async (type, payload, what) => {
        if (!open) throw new XenstoreError("EINVAL", `${what} after the end of its transaction`);
        return this.#ask(type, id, payload, what);
      });
      let result: Result;
      try {
        result = await body(access);
      } catch (error) {
        open = false;
        await this.#ask(XS.TRANSACTION_END, id, "F\0", "dropping a transaction").catch(() => {});
        if (stale < STALE_TRIES && this.#isStale(error)) continue;
        throw error;
      }
      open = false;
      if (await this.#commit(id)) return result;
    }
  }

  async watch(path: string, listener: Listener): Promise<() => Promise<void>> {
    const token = String(this.#token++);
    this.#listeners.set(token, listener);
    try {
      await this.#ask(XS.WATCH, 0, joinStrings([path, token]), `watching ${path}`);
    } catch (error) {
      this.#listeners.delete(token);
      throw error;
    }
    return async () => {
      if (!this.#listeners.delete(token)) return;
      await this.#ask(XS.UNWATCH, 0, joinStrings([path, token]), `no longer watching ${path}`).catch((error) => {
        if (this.#end === null) throw error;
      });
    };
  }

  /** Makes a domain known, with the frame and port of its xenstore ring. Privileged. */
  async introduce(domain: number, frame: number, port: number): Promise<void> {
    const payload = joinStrings([String(domain), String(frame), String(port)]);
    await this.#ask(XS.INTRODUCE, 0, payload, `introducing domain ${domain}`);
  }

  /** Forgets a domain, its connections, its nodes and its rights. Privileged. */
  async release(domain: number): Promise<void> {
    await this.#ask(XS.RELEASE, 0, `${domain}\0`, `releasing domain ${domain}`);
  }

  /** Privileged. */
  async isIntroduced(domain: number): Promise<boolean> {
    return (await this.#ask(XS.IS_DOMAIN_INTRODUCED, 0, `${domain}\0`, `asking for domain ${domain}`)) === "T\0";
  }

  /** A domain's home. */
  async getDomainPath(domain: number): Promise<string> {
    return (await this.#ask(XS.GET_DOMAIN_PATH, 0, `${domain}\0`, `home of domain ${domain}`)).slice(0, -1);
  }

  async #start(): Promise<number> {
    const reply = await this.#ask(XS.TRANSACTION_START, 0, "\0", "starting a transaction");
    const id = /^\d{1,10}\0$/.test(reply) ? Number.parseInt(reply, 10) : 0;
    if (id > 0 && id <= 0xffff_ffff) return id;
    const error = new ProtocolError(`a transaction id of ${JSON.stringify(reply)}`);
    this.#close(error);
    throw error;
  }

  /** A removal has met what was changed outside: EAGAIN would have been the answer to its end. */
  #isStale(error: unknown): boolean {
    return this.#end === null && error instanceof XenstoreError && error.errno === "EIO";
  }

  /** False when the transaction has to be done again. */
  async #commit(id: number): Promise<boolean> {
    try {
      await this.#ask(XS.TRANSACTION_END, id, "T\0", "ending a transaction");
      return true;
    } catch (error) {
      if (error instanceof XenstoreError && error.errno === "EAGAIN") return false;
      throw error;
    }
  }

  #ask(type: number, transactionId: number, payload: string, what: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal(payload);
      if (refusal !== null) {
        reject(new XenstoreError(refusal, what, { cause: this.#end }));
        return;
      }
      const requestId = this.#nextId();
      this.#pending.set(requestId, { type, what, resolve, reject });
      const message = encodeMessage({ type, requestId, transactionId, payload });
      if (this.#oneAtATime && this.#pending.size > 1) this.#waiting.push(message);
      else this.#transport.send(message);
    });
  }

  /** What cannot be sent at all. */
  #refusal(payload: string): XenstoreErrno | null {
    if (this.#end !== null) return "EIO";
    if (payload.length > XENSTORE_PAYLOAD_MAX) return "E2BIG";
    return /[^\0-\xff]/.test(payload) ? "EINVAL" : null;
  }

  #nextId(): number {
    do this.#requestId = (this.#requestId + 1) >>> 0;
    while (this.#pending.has(this.#requestId));
    return this.#requestId;
  }

  #next(): Message | null {
    if (this.#end !== null) return null;
    try {
      return this.#reader.next();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#close(error);
      return null;
    }
  }

  #settle({ type, requestId, payload }: Message): void {
    const pending = this.#pending.get(requestId);
    if (pending === undefined) this.#broken(`a reply to request ${requestId}, which is not pending`);
    else if (type !== pending.type && type !== XS.ERROR) this.#broken(`a reply of type ${type} to ${pending.type}`);
    else {
      this.#pending.delete(requestId);
      if (type === XS.ERROR) pending.reject(new XenstoreError(errnoOf(payload), pending.what));
      else pending.resolve(payload);
      const next = this.#waiting.shift();
      if (next !== undefined) this.#transport.send(next);
    }
  }

  /** An event may still be on its way when its watch has ended. */
  #deliver(payload: string): void {
    const [path, token, ...more] = splitStrings(payload);
    if (token === undefined || more.length > 0) this.#broken("a watch event is not a path and a token");
    else this.#listeners.get(token)?.(path);
  }

  #broken(rule: string): void {
    this.#close(new ProtocolError(rule));
  }

  #close(reason: Error): void {
    if (this.#end !== null) return;
    this.#end = reason;
    this.#listeners.clear();
    for (const { what, reject } of this.#pending.values()) reject(new XenstoreError("EIO", what, { cause: reason }));
    this.#pending.clear();
    this.#waiting.length = 0;
    this.#transport.close();
  }
}

/** A name that is not known means EINVAL, as in libxenstore. */
function errnoOf(payload: string): XenstoreErrno {
  const name = payload.slice(0, -1);
  return Object.hasOwn(XsdErrno, name) ? (name as XenstoreErrno) : "EINVAL";
}
