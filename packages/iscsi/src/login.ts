// Knows the login phase of one connection (RFC 7143 clause 6): its stages, who is let in, and what both sides agreed on.
// It takes requests and gives answers; it knows no session that it ends in.

import { assert, ProtocolError } from "@pvscsi/wire";
import { CONTINUE, LoginStatus, Stage, TRANSIT } from "./abi/codes.js";
import type { LoginRequest } from "./abi/pdu.js";
import { ChapExchange, hexadecimal, NotAuthenticated } from "./chap.js";
import { defaultParameters, type Parameters } from "./keys.js";
import { Negotiation } from "./negotiation.js";
import {
  type Authentication,
  admission,
  type Destination,
  type IscsiTarget,
  isReachedBy,
  normalName,
} from "./target.js";
import { formatText, type KeyValue, parseText, TextAssembly } from "./text.js";

/** What a login asks of the portal it came to. */
export interface LoginHost {
  /** What a discovery session has to prove. */
  readonly discoveryAuthentication: Authentication | null;
  readonly unguessable: (size: number) => Uint8Array;
  findTarget(name: string): IscsiTarget | undefined;
  /** Whether there is a session by that number for that initiator and target. */
  hasSession(key: string, tsih: number): boolean;
}

/** Who logs in, to what. */
export interface LoginIdentity {
  readonly initiator: string;
  /** Hexadecimal. */
  readonly isid: string;
  /** Null for a discovery session. */
  readonly destination: Destination | null;
  readonly cid: number;
}

/** What is answered to one request. */
export interface LoginReply {
  readonly flags: number;
  /** LoginStatus. */
  readonly status: number;
  readonly text: Uint8Array;
  /** Set when this answer ends the login well. */
  readonly finished: boolean;
  /** For our own people, where it ends badly. */
  readonly reason: string;
}

/** Bytes of text in one stage's exchange, and requests of a whole login. */
const MAX_TEXT = 16 * 1024;
const MAX_REQUESTS = 32;

/** Ends a login. */
class Refused extends Error {
  readonly status: number;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

export class Login {
  readonly parameters: Parameters = defaultParameters();
  readonly #host: LoginHost;
  readonly #portal: number;
  readonly #text = new TextAssembly(MAX_TEXT);
  #requests = 0;
  /** Whose login it is, as its first request said. */
  #said: string | null = null;
  #stage: number | null = null;
  #identity: LoginIdentity | null = null;
  #negotiation: Negotiation | null = null;
  #chap: ChapExchange | null = null;
  /** Nothing has to be proved (any more). */
  #proved = false;
  /** What the first answer tells besides. */
  #tell: KeyValue[] = [];

  /** `portal` is the number of the one that the initiator came to. */
  constructor(host: LoginHost, portal: number) {
    this.#host = host;
    this.#portal = portal;
  }

  /** Whether any request has come. */
  get begun(): boolean {
    return this.#requests > 0;
  }

  /** Set once the first request was understood. */
  get identity(): LoginIdentity | null {
    return this.#identity;
  }

  /** What goes on in full feature phase: of a login that is done. */
  get negotiation(): Negotiation {
    assert(this.#negotiation !== null, "a login that has not begun");
    return this.#negotiation;
  }

  /** Whether this initiator was told how much we take: until then it is 8192 bytes. */
  get declared(): boolean {
    return this.#negotiation?.declared ?? false;
  }

  /** Takes a request; `text` is the login's own from now on. */
  take(request: InstanceType<typeof LoginRequest>, text: Uint8Array): LoginReply {
    try {
      return this.#take(request, text);
    } catch (error) {
      if (error instanceof Refused) return refusal(error.status, error.message);
      if (error instanceof NotAuthenticated) return refusal(LoginStatus.authenticationFailure, error.message);
      if (error instanceof ProtocolError) return refusal(LoginStatus.initiatorError, error.message);
      throw error;
    }
  }

  #take(request: InstanceType<typeof LoginRequest>, text: Uint8Array): LoginReply {
    const { flags } = request;
    const stage = (flags >>> 2) & 3;
    const next = flags & 3;
    const transit = (flags & TRANSIT) !== 0;
    this.#requests += 1;
    if (this.#requests > MAX_REQUESTS) throw new ProtocolError(`a login of more than ${MAX_REQUESTS} requests`);
    if (request.versionMin > 0) throw new Refused(LoginStatus.unsupportedVersion, `version ${request.versionMin} on`);
    this.#checkSame(request);
    this.#checkStage(stage, next, transit);
    this.#text.add(text);
    if ((flags & CONTINUE) !== 0) {
      if (transit) throw new ProtocolError("a login that goes on and ends its stage at once");
      return answer(stage << 2, []);
    }
    const pairs = parseText(this.#text.take());
    if (this.#identity === null) this.#identify(request, pairs);
    const answers = stage === Stage.security ? this.#secure(pairs) : this.#operate(pairs);
    answers.unshift(...this.#tell.splice(0));
    if (!transit || !this.#proved) return answer(stage << 2, answers);
    this.#stage = next;
    const finished = next === Stage.fullFeature;
    return answer(TRANSIT | (stage << 2) | next, answers, finished);
  }

  /** A login is one from its first request to its last: the same port, session, connection and task (11.12.4 to 11.12.7). */
  #checkSame({ isid, tsih, cid, itt }: InstanceType<typeof LoginRequest>): void {
    const said = [hexadecimal(isid), tsih, cid, itt].join();
    this.#said ??= said;
    if (said !== this.#said) throw new Refused(LoginStatus.invalidDuringLogin, "a request of another login");
  }

  /** A stage is as it was left, and there is only one way through them. */
  #checkStage(stage: number, next: number, transit: boolean): void {
    const first = this.#stage === null;
    if (stage > Stage.operational || (!first && stage !== this.#stage)) {
      throw new Refused(LoginStatus.invalidDuringLogin, `stage ${stage} after ${this.#stage}`);
    }
    if (transit && (next <= stage || next === 2)) {
      throw new Refused(LoginStatus.invalidDuringLogin, `from stage ${stage} to ${next}`);
    }
    this.#stage = stage;
  }

  #identify(request: InstanceType<typeof LoginRequest>, pairs: readonly KeyValue[]): void {
    const keys = new Map(pairs.map(({ key, value }) => [key, value]));
    const type = keys.get("SessionType") ?? "Normal";
    const named = keys.get("InitiatorName");
    if (named === undefined) throw new Refused(LoginStatus.missingParameter, "no InitiatorName");
    const initiator = normalName(named);
    if (initiator === null) throw new Refused(LoginStatus.initiatorError, "an InitiatorName that is none");
    if (type !== "Normal" && type !== "Discovery") {
      throw new Refused(LoginStatus.sessionTypeNotSupported, `SessionType=${type}`);
    }
    const isid = hexadecimal(request.isid).slice(2);
    const destination = type === "Normal" ? this.#find(keys.get("TargetName"), initiator) : null;
    this.#identity = { initiator, isid, destination, cid: request.cid };
    this.#checkSession(request.tsih);
    const authentication = (destination ?? { authentication: this.#host.discoveryAuthentication }).authentication;
    if (authentication === null) this.#proved = true;
    else this.#chap = new ChapExchange(authentication, this.#host.unguessable);
    this.#negotiation = new Negotiation(this.parameters, destination !== null);
    if (destination === null) return;
    const { alias, group } = destination;
    if (alias !== undefined) this.#tell.push({ key: "TargetAlias", value: alias });
    this.#tell.push({ key: "TargetPortalGroupTag", value: String(group.tag) });
  }

  /** The portal that somebody comes to says by which group of the target. */
  #find(named: string | undefined, initiator: string): Destination {
    if (named === undefined) throw new Refused(LoginStatus.missingParameter, "no TargetName");
    const target = this.#host.findTarget(normalName(named) ?? "");
    const group = target?.groups.find((each) => isReachedBy(each, this.#portal));
    if (target === undefined || group === undefined) {
      throw new Refused(LoginStatus.notFound, `${initiator} asks for an unknown target`);
    }
    const found = admission(group, initiator);
    if (found !== null) return { ...found, name: target.name, alias: target.alias, group };
    throw new Refused(LoginStatus.authorizationFailure, `${initiator} may not log in to ${target.name}`);
  }

  /** With a TSIH a connection is to be added to a session, which has its only one already. */
  #checkSession(tsih: number): void {
    if (tsih === 0 || this.#identity === null) return;
    if (this.#host.hasSession(sessionKey(this.#identity), tsih)) {
      throw new Refused(LoginStatus.tooManyConnections, `a further connection for session ${tsih}`);
    }
    throw new Refused(LoginStatus.sessionDoesNotExist, `a connection for session ${tsih}, which is not there`);
  }

  #secure(pairs: readonly KeyValue[]): KeyValue[] {
    const keys = new Map(pairs.map(({ key, value }) => [key, value]));
    const methods = keys.get("AuthMethod")?.split(",");
    if (methods !== undefined) {
      const method = this.#chap === null ? "None" : "CHAP";
      if (methods.includes(method)) return [{ key: "AuthMethod", value: method }, ...(this.#chap?.take(keys) ?? [])];
      throw new NotAuthenticated(`AuthMethod=${methods.join(",")}, and only ${method} will do`);
    }
    if (this.#chap === null) return [];
    const answers = this.#chap.take(keys);
    if (answers.length === 0 && !this.#chap.done) throw new NotAuthenticated("no AuthMethod");
    this.#proved = this.#chap.done;
    return answers;
  }

  #operate(pairs: readonly KeyValue[]): KeyValue[] {
    if (!this.#proved) throw new NotAuthenticated("the security stage was passed over");
    return this.#negotiation?.offer(pairs) ?? [];
  }
}

/** Which session a login is about: there is one for each initiator port and portal group of a target (10.1.1). */
export function sessionKey({ initiator, isid, destination }: LoginIdentity): string {
  const where = destination === null ? "" : `${destination.name},t,${destination.group.tag}`;
  return `${initiator},i,0x${isid},${where}`;
}

function answer(flags: number, pairs: readonly KeyValue[], finished = false): LoginReply {
  return { flags, status: LoginStatus.success, text: formatText(pairs), finished, reason: "" };
}

function refusal(status: number, reason: string): LoginReply {
  return { flags: 0, status, text: new Uint8Array(0), finished: false, reason };
}
