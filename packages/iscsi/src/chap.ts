// Knows CHAP as a login carries it (RFC 1994; RFC 7143 12.1.3): an initiator answers our challenge, and we its own if it has
// one. Knows no PDU.

import { createHash, timingSafeEqual } from "node:crypto";
import type { Authentication, ChapAccount } from "./target.js";
import type { KeyValue } from "./text.js";

/** Digests by their numbers at IANA ("PPP Authentication Algorithms"), with Node's names and their bytes. */
export const CHAP_DIGESTS: { readonly [algorithm: string]: { readonly name: string; readonly size: number } } = {
  "5": { name: "md5", size: 16 },
  "6": { name: "sha1", size: 20 },
  "7": { name: "sha256", size: 32 },
  "8": { name: "sha3-256", size: 32 },
};

/** Bytes of a challenge of ours. */
const CHALLENGE_SIZE = 32;
/** RFC 7143 12.1.3: of any binary value of CHAP. */
const MAX_BINARY = 1024;

/** The other side has not proved who it is; why is for our own people, never for it. */
export class NotAuthenticated extends Error {
  override readonly name = "NotAuthenticated";
}

/** Our side of one login's exchange. */
export class ChapExchange {
  readonly #accounts: Authentication;
  readonly #unguessable: (size: number) => Uint8Array;
  #digest: { readonly name: string; readonly size: number } | null = null;
  #identifier = 0;
  #challenge: Uint8Array = new Uint8Array(0);
  /** Set once the initiator has proved who it is. */
  done = false;

  constructor(accounts: Authentication, unguessable: (size: number) => Uint8Array) {
    this.#accounts = accounts;
    this.#unguessable = unguessable;
  }

  /** Takes the initiator's keys and gives ours. Throws NotAuthenticated. */
  take(keys: ReadonlyMap<string, string>): KeyValue[] {
    const algorithms = keys.get("CHAP_A");
    if (algorithms !== undefined) return this.#begin(algorithms);
    return this.#digest === null ? [] : this.#finish(keys, this.#digest);
  }

  #begin(algorithms: string): KeyValue[] {
    if (this.#digest !== null) throw new NotAuthenticated("CHAP_A came twice");
    const chosen = algorithms.split(",").find((each) => Object.hasOwn(CHAP_DIGESTS, each));
    if (chosen === undefined) throw new NotAuthenticated(`no digest that we have in CHAP_A=${algorithms}`);
    this.#digest = CHAP_DIGESTS[chosen];
    this.#identifier = this.#unguessable(1)[0];
    this.#challenge = this.#unguessable(CHALLENGE_SIZE);
    return [
      { key: "CHAP_A", value: chosen },
      { key: "CHAP_I", value: String(this.#identifier) },
      { key: "CHAP_C", value: hexadecimal(this.#challenge) },
    ];
  }

  #finish(keys: ReadonlyMap<string, string>, digest: { readonly name: string; readonly size: number }): KeyValue[] {
    if (this.done) throw new NotAuthenticated("CHAP goes on after its end");
    const name = keys.get("CHAP_N");
    const response = parseBinary(keys.get("CHAP_R"));
    if (name === undefined || response?.length !== digest.size) throw new NotAuthenticated("no CHAP_N or no CHAP_R");
    const account = this.#accounts.initiators.find((each) => each.name === name);
    // What an unknown name takes as long as a known one: which names there are is not to be measured.
    const expected = chapResponse(digest.name, this.#identifier, account?.secret ?? this.#challenge, this.#challenge);
    if (!timingSafeEqual(expected, response) || account === undefined) {
      throw new NotAuthenticated(`'${name}' and its secret are not known here`);
    }
    const answers = this.#answer(keys, digest.name);
    this.done = true;
    return answers;
  }

  /** Proves who we are, where we are asked. */
  #answer(keys: ReadonlyMap<string, string>, digest: string): KeyValue[] {
    const [identifier, challenge] = [keys.get("CHAP_I"), keys.get("CHAP_C")];
    if (identifier === undefined && challenge === undefined) return [];
    const ours: ChapAccount | undefined = this.#accounts.target;
    if (ours === undefined) throw new NotAuthenticated("the target is asked who it is and has no secret of its own");
    const theirs = parseBinary(challenge);
    const number = Number(identifier);
    if (theirs === null || theirs.length === 0 || !/^\d{1,3}$/.test(identifier ?? "") || number > 255) {
      throw new NotAuthenticated("no CHAP_I or no CHAP_C to answer");
    }
    // Answering our own challenge would tell an initiator without the secret what to say (12.1.3).
    if (Buffer.compare(theirs, this.#challenge) === 0) throw new NotAuthenticated("our own challenge came back");
    return [
      { key: "CHAP_N", value: ours.name },
      { key: "CHAP_R", value: hexadecimal(chapResponse(digest, number, ours.secret, theirs)) },
    ];
  }
}

/** What answers a challenge: the digest of identifier, secret and challenge. */
export function chapResponse(
  digest: string,
  identifier: number,
  secret: Uint8Array,
  challenge: Uint8Array,
): Uint8Array {
  return createHash(digest).update(Uint8Array.of(identifier)).update(secret).update(challenge).digest();
}

/** Of a key's binary value: hexadecimal, or base64 (6.1); null where it is neither, or too long. */
export function parseBinary(text: string | undefined): Uint8Array | null {
  if (text === undefined || text.length > MAX_BINARY * 2 + 2) return null;
  const [prefix, digits] = [text.slice(0, 2).toLowerCase(), text.slice(2)];
  if (prefix === "0x" && /^[\da-f]+$/i.test(digits)) {
    return limited(Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex"));
  }
  if (prefix === "0b" && /^[\w+/]+={0,2}$/.test(digits) && digits.length % 4 === 0) {
    return limited(Buffer.from(digits, "base64"));
  }
  return null;
}

function limited(bytes: Uint8Array): Uint8Array | null {
  return bytes.length <= MAX_BINARY ? bytes : null;
}

export function hexadecimal(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString("hex")}`;
}
