// Knows how messages lie in a byte stream: a header of 16 bytes, then the payload. Knows nothing of what they mean.

import { ProtocolError } from "@pvscsi/wire";
import { XENSTORE_PAYLOAD_MAX, XsdSockmsg } from "../abi/xenstore.js";

const HEADER = XsdSockmsg.size;

/** One message of either direction. Its payload has one character (0 to 255) a byte. */
export interface Message {
  readonly type: number;
  readonly requestId: number;
  readonly transactionId: number;
  readonly payload: string;
}

/** How many bytes a message with that payload has. */
export function messageSize(payload: string): number {
  return HEADER + payload.length;
}

/** The bytes of a message; the payload's characters are bytes, and at most XENSTORE_PAYLOAD_MAX. */
export function encodeMessage({ type, requestId, transactionId, payload }: Message): Uint8Array {
  const bytes = new Uint8Array(HEADER + payload.length);
  const header = new XsdSockmsg(bytes);
  header.type = type;
  header.reqId = requestId;
  header.txId = transactionId;
  header.len = payload.length;
  for (let i = 0; i < payload.length; i++) bytes[HEADER + i] = payload.charCodeAt(i);
  return bytes;
}

/** Cuts a byte stream, which may come in any pieces, into messages. */
export class MessageReader {
  #bytes = new Uint8Array(1024);
  #start = 0;
  #end = 0;

  /** Bytes that wait to be taken. */
  get buffered(): number {
    return this.#end - this.#start;
  }

  /** Appends a copy of `bytes`. */
  push(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#bytes.length) this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /**
   * Takes the next whole message; null when there is none yet. Throws a ProtocolError as soon as a header is there
   * whose length is above the limit: the stream cannot be read on after it.
   */
  next(): Message | null {
    if (this.buffered < HEADER) return null;
    const header = new XsdSockmsg(this.#bytes, this.#start);
    const { type, reqId, txId, len } = header;
    if (len > XENSTORE_PAYLOAD_MAX)
      throw new ProtocolError(`xenstore message of ${len} bytes, ${XENSTORE_PAYLOAD_MAX} at most`);
    if (this.buffered < HEADER + len) return null;
    const from = this.#start + HEADER;
    const payload = String.fromCharCode(...this.#bytes.subarray(from, from + len));
    this.#start = from + len;
    return { type, requestId: reqId, transactionId: txId, payload };
  }

  #makeRoom(more: number): void {
    const kept = this.#bytes.subarray(this.#start, this.#end);
    let size = this.#bytes.length;
    while (size < kept.length + more) size *= 2;
    const bytes = size > this.#bytes.length ? new Uint8Array(size) : this.#bytes;
    bytes.set(kept);
    this.#bytes = bytes;
    this.#end = kept.length;
    this.#start = 0;
  }
}

/** The strings of a payload that end in NUL; what follows the last NUL is left out, as xenstored does. */
export function splitStrings(payload: string): string[] {
  const strings = payload.split("\0");
  strings.pop();
  return strings;
}

/** Strings as a payload: each ends in NUL. */
export function joinStrings(strings: readonly string[]): string {
  return strings.map((text) => `${text}\0`).join("");
}
