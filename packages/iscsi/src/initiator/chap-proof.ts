// Knows CHAP from the initiator's side (RFC 1994; RFC 7143 12.1.3): the target's challenge is answered, and a target that is
// asked has to answer ours. Knows no PDU.

import { timingSafeEqual } from "node:crypto";
import { CHAP_DIGESTS, chapResponse, hexadecimal, NotAuthenticated, parseBinary } from "../chap.js";
import type { KeyValue } from "../text.js";
import type { InitiatorProof } from "./options.js";

const CHALLENGE_SIZE = 32;
const MD5 = "5";

/** One login's exchange. */
export class ChapProof {
  readonly #proof: InitiatorProof;
  readonly #unguessable: (size: number) => Uint8Array;
  readonly #digests: readonly string[];
  #digest: string | null = null;
  #identifier = 0;
  #challenge: Uint8Array = new Uint8Array(0);
  /** Set once the target has proved who it is, or need not. */
  done = false;

  constructor(proof: InitiatorProof, unguessable: (size: number) => Uint8Array) {
    this.#proof = proof;
    this.#unguessable = unguessable;
    this.#digests = (proof.digests ?? [MD5]).filter((each) => Object.hasOwn(CHAP_DIGESTS, each));
  }

  /** Which digests we have. */
  begin(): KeyValue[] {
    return [{ key: "CHAP_A", value: this.#digests.join(",") }];
  }

  /** Answers the target's challenge, and asks for its own proof where there is one to ask for. Throws NotAuthenticated. */
  answer(keys: ReadonlyMap<string, string>): KeyValue[] {
    const { initiator, target } = this.#proof;
    const algorithm = keys.get("CHAP_A") ?? "";
    const number = Number(keys.get("CHAP_I"));
    const challenge = parseBinary(keys.get("CHAP_C"));
    if (!this.#digests.includes(algorithm)) throw new NotAuthenticated(`the target wants the digest '${algorithm}'`);
    if (!/^\d{1,3}$/.test(keys.get("CHAP_I") ?? "") || number > 255 || challenge === null || challenge.length === 0) {
      throw new NotAuthenticated("no CHAP_I or no CHAP_C to answer");
    }
    this.#digest = CHAP_DIGESTS[algorithm].name;
    const response = chapResponse(this.#digest, number, initiator.secret, challenge);
    const answers = [
      { key: "CHAP_N", value: initiator.name },
      { key: "CHAP_R", value: hexadecimal(response) },
    ];
    if (target === undefined) {
      this.done = true;
      return answers;
    }
    // A target could have our own secret answer its proof (12.1.3).
    if (Buffer.compare(initiator.secret, target.secret) === 0) throw new NotAuthenticated("both sides have one secret");
    this.#identifier = this.#unguessable(1)[0];
    this.#challenge = this.#unguessable(CHALLENGE_SIZE);
    return [
      ...answers,
      { key: "CHAP_I", value: String(this.#identifier) },
      { key: "CHAP_C", value: hexadecimal(this.#challenge) },
    ];
  }

  /** Takes the target's proof. Throws NotAuthenticated where it is none. */
  verify(keys: ReadonlyMap<string, string>): void {
    const { target } = this.#proof;
    if (target === undefined || this.#digest === null) return;
    const response = parseBinary(keys.get("CHAP_R"));
    const expected = chapResponse(this.#digest, this.#identifier, target.secret, this.#challenge);
    const right = response !== null && response.length === expected.length && timingSafeEqual(expected, response);
    if (!right || keys.get("CHAP_N") !== target.name) throw new NotAuthenticated("the target has not proved who it is");
    this.done = true;
  }
}
