// Knows the login phase from the initiator's side (RFC 7143 clause 6): what is asked in each stage, and what the answers come to.
// It gives texts and takes them; it knows no connection.

import { ProtocolError } from "@pvscsi/wire";
import { CONTINUE, LoginStatus, Stage, TRANSIT } from "../abi/codes.js";
import { NotAuthenticated } from "../chap.js";
import { DECLARATIONS, defaultParameters, KEYS, type KeyName, type KeyRow, type Parameters } from "../keys.js";
import { ANSWERS, agree, formatValue, NOT_UNDERSTOOD, REJECT, settle } from "../negotiation.js";
import { formatText, type KeyValue, parseText, TextAssembly } from "../text.js";
import { ChapProof } from "./chap-proof.js";
import { type PortalAddress, parsePortal } from "./dial.js";
import type { DigestWish, InitiatorProof } from "./options.js";

/** A target refuses a login, or it came to nothing that we may use. */
export class LoginRefused extends Error {
  override readonly name = "LoginRefused";
  /** LoginStatus, where the target has given one. */
  readonly status: number;

  constructor(reason: string, status: number = LoginStatus.success) {
    super(reason);
    this.status = status;
  }
}

/** A target wants to be reached elsewhere. */
export class Redirected extends Error {
  override readonly name = "Redirected";
  readonly portal: PortalAddress;
  /** Also from now on. */
  readonly permanent: boolean;

  constructor(portal: PortalAddress, permanent: boolean) {
    super("the target has moved");
    this.portal = portal;
    this.permanent = permanent;
  }
}

export interface LoginWishes {
  readonly initiator: string;
  /** Null for a discovery session. */
  readonly target: string | null;
  readonly proof: InitiatorProof | null;
  readonly headerDigest: DigestWish;
  readonly dataDigest: DigestWish;
  readonly unsolicited: boolean;
  readonly unguessable: (size: number) => Uint8Array;
}

/** One request of a login. */
export interface LoginStep {
  readonly flags: number;
  readonly text: Uint8Array;
}

/** What of an answer's header is looked at. */
export interface LoginAnswer {
  readonly flags: number;
  readonly status: number;
}

const MAX_TEXT = 64 * 1024;
const MAX_ROUNDS = 32;
const REASONS: { readonly [status: number]: string } = {
  [LoginStatus.initiatorError]: "the target finds an error of ours",
  [LoginStatus.authenticationFailure]: "authentication failed",
  [LoginStatus.authorizationFailure]: "we may not log in to that target",
  [LoginStatus.notFound]: "there is no such target",
  [LoginStatus.targetRemoved]: "the target was removed",
  [LoginStatus.unsupportedVersion]: "the target has no version of ours",
  [LoginStatus.tooManyConnections]: "the target has too many connections",
  [LoginStatus.missingParameter]: "the target misses a parameter",
  [LoginStatus.sessionTypeNotSupported]: "the target has no sessions of that type",
  [LoginStatus.outOfResources]: "the target is out of resources",
};

export class InitiatorLogin {
  /** What both have agreed on: MaxRecvDataSegmentLength is what the target takes. */
  readonly parameters: Parameters = defaultParameters();
  readonly #wishes: LoginWishes;
  readonly #text = new TextAssembly(MAX_TEXT);
  readonly #offered = new Map<string, string>();
  readonly #chap: ChapProof | null;
  /** What was sent last of the security stage. */
  #security: "method" | "digests" | "proof" | "none" = "method";
  #stage: number = Stage.security;
  #asked = false;
  #rounds = 0;

  constructor(wishes: LoginWishes) {
    this.#wishes = wishes;
    this.#chap = wishes.proof === null ? null : new ChapProof(wishes.proof, wishes.unguessable);
  }

  /** The first request. */
  begin(): LoginStep {
    const { initiator, target } = this.#wishes;
    // A target that has no accounts says None, which is well where it need not prove itself.
    const method = this.#chap === null ? "None" : this.#mutual ? "CHAP" : "CHAP,None";
    const pairs = [
      { key: "InitiatorName", value: initiator },
      { key: "SessionType", value: target === null ? "Discovery" : "Normal" },
      ...(target === null ? [] : [{ key: "TargetName", value: target }]),
      { key: "AuthMethod", value: method },
    ];
    return this.#step(this.#chap === null ? Stage.operational : null, pairs);
  }

  /** Takes an answer and gives the next request, or null where the login is done. Throws LoginRefused, Redirected and ProtocolError. */
  take(answer: LoginAnswer, text: Uint8Array): LoginStep | null {
    if (++this.#rounds > MAX_ROUNDS) throw new ProtocolError("a login without an end");
    if (answer.status !== LoginStatus.success) throw refusal(answer.status, text);
    const { flags } = answer;
    if (((flags >>> 2) & 3) !== this.#stage) throw new ProtocolError(`an answer of stage ${(flags >>> 2) & 3}`);
    this.#text.add(text);
    if ((flags & CONTINUE) !== 0) return { flags: this.#stage << 2, text: new Uint8Array(0) };
    const transit = (flags & TRANSIT) !== 0;
    const next = this.#stage === Stage.security ? Stage.operational : Stage.fullFeature;
    if (transit && (!this.#asked || (flags & 3) !== next)) throw new ProtocolError(`a transit to stage ${flags & 3}`);
    const pairs = parseText(this.#text.take());
    try {
      return this.#stage === Stage.security ? this.#secure(pairs, transit) : this.#operate(pairs, transit);
    } catch (error) {
      if (error instanceof NotAuthenticated) throw new LoginRefused(error.message);
      throw error;
    }
  }

  get #mutual(): boolean {
    return this.#wishes.proof?.target !== undefined;
  }

  #secure(pairs: readonly KeyValue[], transit: boolean): LoginStep {
    const keys = new Map(pairs.map(({ key, value }) => [key, value]));
    const chap = this.#chap;
    if (this.#security === "method") this.#security = this.#methodOf(keys.get("AuthMethod"));
    else if (this.#security === "digests" && chap !== null) {
      this.#security = "proof";
      return this.#step(Stage.operational, chap.answer(keys));
    } else if (this.#security === "proof" && chap?.done === false) chap.verify(keys);
    if (this.#security === "digests" && chap !== null) return this.#step(null, chap.begin());
    return transit ? this.#offer() : this.#step(Stage.operational, []);
  }

  #methodOf(method: string | undefined): "digests" | "none" {
    if (this.#chap !== null && method === "CHAP") return "digests";
    if (this.#mutual || (method !== undefined && method !== "None")) {
      throw new LoginRefused(`the target answers AuthMethod=${method ?? "nothing"}`);
    }
    return "none";
  }

  /** All that there is to agree on, in one request. */
  #offer(): LoginStep {
    const { target, headerDigest, dataDigest, unsolicited } = this.#wishes;
    this.#stage = Stage.operational;
    const wishes: Partial<Record<KeyName, string>> = { HeaderDigest: headerDigest, DataDigest: dataDigest };
    if (!unsolicited) Object.assign(wishes, { InitialR2T: "Yes", ImmediateData: "No" });
    for (const [key, row] of Object.entries(KEYS) as [KeyName, KeyRow][]) {
      if ((row.normal && target === null) || key === "TaskReporting") continue;
      this.#offered.set(key, wishes[key] ?? formatValue(row.ours));
    }
    return this.#step(
      Stage.fullFeature,
      [...this.#offered].map(([key, value]) => ({ key, value })),
    );
  }

  #operate(pairs: readonly KeyValue[], transit: boolean): LoginStep | null {
    const answers: KeyValue[] = [];
    for (const { key, value } of pairs) {
      if (!Object.hasOwn(KEYS, key)) {
        if (!DECLARATIONS.has(key) && !/^Target/.test(key) && !ANSWERS.has(value)) {
          answers.push({ key, value: NOT_UNDERSTOOD });
        }
      } else this.#settle(key as KeyName, value, answers);
    }
    if (!transit) return this.#step(Stage.fullFeature, answers);
    const { parameters } = this;
    parameters.FirstBurstLength = Math.min(parameters.FirstBurstLength, parameters.MaxBurstLength);
    return null;
  }

  /** Takes the answer to an offer of ours, or answers one of the target's. */
  #settle(key: KeyName, value: string, answers: KeyValue[]): void {
    const row: KeyRow = KEYS[key];
    const offered = this.#offered.get(key);
    if (ANSWERS.has(value)) {
      const bearable = row.rule !== "list" || offered === undefined || offered.split(",").includes(String(row.default));
      if (!bearable) throw new LoginRefused(`the target answers ${key}=${value} to ${offered}`);
      return;
    }
    const agreed = offered === undefined ? agree(row, value) : settle(row, offered, value);
    if (offered === undefined) answers.push({ key, value: agreed === null ? REJECT : formatValue(agreed) });
    else if (agreed === null) throw new LoginRefused(`the target answers ${key}=${value} to ${offered}`);
    if (agreed !== null) (this.parameters as Record<string, string | number | boolean>)[key] = agreed;
  }

  #step(next: number | null, pairs: readonly KeyValue[]): LoginStep {
    this.#asked = next !== null;
    const flags = (this.#stage << 2) | (next === null ? 0 : TRANSIT | next);
    return { flags, text: formatText(pairs) };
  }
}

function refusal(status: number, text: Uint8Array): Error {
  if (status === LoginStatus.movedTemporarily || status === LoginStatus.movedPermanently) {
    const address = parseText(text).find(({ key }) => key === "TargetAddress")?.value ?? "";
    const portal = parsePortal(address);
    if (portal === null) return new ProtocolError("a target that has moved and does not say where to");
    return new Redirected(portal, status === LoginStatus.movedPermanently);
  }
  const code = `0x${status.toString(16).padStart(4, "0")}`;
  return new LoginRefused(`login refused: ${REASONS[status] ?? "for a reason of its own"} (${code})`, status);
}
