// Knows how received bytes become PDUs: header, additional headers, data, padding and digests, with their limits
// (RFC 7143 11.2). Where data goes, whoever reads the header says; knows no kind of PDU.

import { type Input, ProtocolError } from "@pvscsi/wire";
import { HEADER_SIZE, Request } from "./abi/pdu.js";
import { crc32c, DIGEST_SIZE, getDigest } from "./crc32c.js";

/** Four-byte words that the length of additional headers counts up to. */
const MAX_AHS = 255 * 4;
const MAX_PADDING = 3;

/** The PDU that is coming in, one record for all of a connection: what is to be kept of it is copied. */
export abstract class IncomingPdu {
  /** Basic header, additional headers, and the header's digest. */
  readonly bytes = new Uint8Array(HEADER_SIZE + MAX_AHS + DIGEST_SIZE);
  readonly request = new Request(this.bytes);
  /** Bytes of the additional headers, which lie behind the basic one. */
  ahsLength = 0;
  /** Bytes of the data segment. */
  dataLength = 0;
  /** Those of them that have come. */
  protected done = 0;

  /** Called by the reader when a header is whole. */
  begin(): void {
    this.ahsLength = this.request.ahsLength * 4;
    this.dataLength = this.request.dataLength;
    this.done = 0;
    this.drop();
  }

  /** Lets the data segment go nowhere; its digest is not looked at. */
  abstract drop(): void;

  /** Takes what there is of the data; true once it is whole. */
  abstract fill(input: Input): boolean;

  /** Whether what was received, with the first `padding` bytes of `tail` behind it, has the digest that follows there. */
  abstract isRight(tail: Uint8Array, padding: number): boolean;
}

/** What a step came to: bytes are missing; a header or a whole PDU is there; or a digest was wrong. */
export type Arrival = "wait" | "header" | "whole" | "header-digest" | "data-digest";

export class PduReader<Pdu extends IncomingPdu> {
  readonly pdu: Pdu;
  headerDigest = false;
  dataDigest = false;
  /** Bytes that a data segment may have: our MaxRecvDataSegmentLength. */
  maximumData: number;
  #part: "basic" | "additional" | "data" | "tail" = "basic";
  #filled = 0;
  /** Padding and the data's digest. */
  readonly #tail = new Uint8Array(MAX_PADDING + DIGEST_SIZE);

  constructor(pdu: Pdu, maximumData: number) {
    this.pdu = pdu;
    this.maximumData = maximumData;
  }

  /** Takes some of the input. Throws ProtocolError where a length is beyond its limit. */
  step(input: Input): Arrival {
    switch (this.#part) {
      case "basic":
        if (!this.#fill(input, this.pdu.bytes, HEADER_SIZE)) return "wait";
        this.#part = "additional";
        return this.step(input);
      case "additional":
        return this.#takeHeader(input);
      case "data":
        if (!this.pdu.fill(input)) return "wait";
        this.#part = "tail";
        this.#filled = 0;
        return this.step(input);
      case "tail":
        return this.#takeTail(input);
    }
  }

  #takeHeader(input: Input): Arrival {
    const { pdu } = this;
    const length = HEADER_SIZE + pdu.request.ahsLength * 4;
    if (!this.#fill(input, pdu.bytes, length + (this.headerDigest ? DIGEST_SIZE : 0))) return "wait";
    this.#part = "data";
    if (this.headerDigest && crc32c(pdu.bytes, length) !== getDigest(pdu.bytes, length)) return "header-digest";
    pdu.begin();
    if (pdu.dataLength > this.maximumData) {
      throw new ProtocolError(`a data segment of ${pdu.dataLength} bytes, more than ${this.maximumData}`);
    }
    return "header";
  }

  #takeTail(input: Input): Arrival {
    const { dataLength } = this.pdu;
    const padding = -dataLength & MAX_PADDING;
    const digest = this.dataDigest && dataLength > 0;
    if (!this.#fill(input, this.#tail, padding + (digest ? DIGEST_SIZE : 0))) return "wait";
    this.#part = "basic";
    this.#filled = 0;
    return digest && !this.pdu.isRight(this.#tail, padding) ? "data-digest" : "whole";
  }

  #fill(input: Input, bytes: Uint8Array, size: number): boolean {
    if (this.#filled < size) this.#filled += input.read(bytes, this.#filled, size - this.#filled);
    return this.#filled === size;
  }
}
