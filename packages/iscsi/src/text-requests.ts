// Knows text requests of full feature phase (RFC 7143 11.10, 11.11): SendTargets, and what may be agreed on anew. An answer
// longer than the initiator takes at once is fetched piece by piece.

import { ProtocolError } from "@pvscsi/wire";
import { CONTINUE, FINAL } from "./abi/codes.js";
import { NO_TAG } from "./abi/pdu.js";
import type { LoginIdentity } from "./login.js";
import type { Negotiation } from "./negotiation.js";
import { admission, type IscsiPortalGroup, type IscsiTarget, isReachedBy, normalName } from "./target.js";
import { formatText, type KeyValue, parseText, TextAssembly } from "./text.js";

/** Bytes of one request, in however many PDUs. */
const MAX_TEXT = 16 * 1024;

export interface TextParts {
  readonly identity: LoginIdentity;
  readonly negotiation: Negotiation;
  /** Where each portal is reached by this initiator, by number: `ADDR:PORT`. */
  readonly addresses: readonly string[];
  readonly targets: () => Iterable<IscsiTarget>;
}

/** One PDU of an answer. */
export interface TextReply {
  readonly flags: number;
  readonly ttt: number;
  readonly text: Uint8Array;
}

export class TextRequests {
  readonly #parts: TextParts;
  readonly #request = new TextAssembly(MAX_TEXT);
  /** What is left of an answer. */
  #rest: Uint8Array = new Uint8Array(0);
  #tag = 0;

  constructor(parts: TextParts) {
    this.#parts = parts;
  }

  /** Takes one PDU, whose text is its own from now on; null where its tag continues nothing. Throws ProtocolError. */
  take(flags: number, ttt: number, text: Uint8Array): TextReply | null {
    if (ttt === NO_TAG) {
      this.#request.take();
      this.#rest = this.#rest.subarray(0, 0);
    } else if (ttt !== this.#tag) return null;
    else if (this.#rest.length > 0) return this.#next(flags);
    this.#request.add(text);
    if ((flags & CONTINUE) !== 0) {
      if ((flags & FINAL) !== 0) throw new ProtocolError("a text that goes on and ends at once");
      return { flags: 0, ttt: this.#newTag(), text: this.#rest };
    }
    const answers = parseText(this.#request.take()).flatMap((pair) => this.#answer(pair));
    this.#rest = formatText(answers);
    return this.#next(flags);
  }

  /** The last piece is no end where the initiator has said that it goes on (11.11.1). */
  #next(asked: number): TextReply {
    const size = Math.min(this.#rest.length, this.#parts.negotiation.parameters.MaxRecvDataSegmentLength);
    const text = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(size);
    if (this.#rest.length > 0) return { flags: CONTINUE, ttt: this.#newTag(), text };
    return (asked & FINAL) !== 0 ? { flags: FINAL, ttt: NO_TAG, text } : { flags: 0, ttt: this.#newTag(), text };
  }

  #newTag(): number {
    this.#tag = (this.#tag % 0xffff) + 1;
    return this.#tag;
  }

  #answer(pair: KeyValue): KeyValue[] {
    if (pair.key === "SendTargets") return this.#sendTargets(pair.value);
    const answer = this.#parts.negotiation.offerLater(pair);
    return answer === null ? [] : [answer];
  }

  /** RFC 7143 appendix C: all in a discovery session; in a normal one only its own target. */
  #sendTargets(value: string): KeyValue[] {
    const { identity, targets } = this.#parts;
    const own = identity.destination;
    const wanted = value === "" ? own?.name : value === "All" ? null : normalName(value);
    if (wanted === undefined || (wanted === null && own !== null)) return [{ key: "SendTargets", value: "Reject" }];
    return [...targets()]
      .filter((target) => wanted === null || target.name === wanted)
      .filter(({ name }) => own === null || name === own.name)
      .flatMap((target) => this.#describe(target));
  }

  /** Each address of each group that the initiator may log in by, with the group's tag; nothing where there is none. */
  #describe({ name, groups }: IscsiTarget): KeyValue[] {
    const { identity, addresses } = this.#parts;
    const admitted = groups.filter((group) => admission(group, identity.initiator) !== null);
    const found = admitted.flatMap((group) => addressesOf(group, addresses));
    return found.length === 0 ? [] : [{ key: "TargetName", value: name }, ...found];
  }
}

function addressesOf(group: IscsiPortalGroup, addresses: readonly string[]): KeyValue[] {
  return addresses
    .filter((_, portal) => isReachedBy(group, portal))
    .map((address) => ({ key: "TargetAddress", value: `${address},${group.tag}` }));
}
