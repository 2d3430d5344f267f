// Knows how messages are cut from the stream of a connection, and which descriptors belong to which: the kernel gives
// the descriptors of a message with its first byte, so that header and payload are read for themselves.

import type { UnixConnection } from "@pvscsi/native";
import { ProtocolError } from "@pvscsi/wire";
import {
  fits,
  MAX_PAYLOAD,
  MAX_REGIONS,
  MESSAGES,
  MessageHeader,
  type MessageKind,
  type MessageName,
  messageName,
  VERSION,
  VERSION_MASK,
} from "./messages.js";

/** One message; the payload is lent until the next one is read. */
export interface Message {
  /** Null for a request that nobody here knows. */
  readonly name: MessageName | null;
  readonly id: number;
  readonly flags: number;
  readonly payload: Uint8Array;
  /** Whoever takes the message closes them. */
  readonly descriptors: readonly number[];
}

export class MessageReader {
  readonly #connection: UnixConnection;
  readonly #bytes = new Uint8Array(MessageHeader.size + MAX_PAYLOAD);
  readonly #header = new MessageHeader(this.#bytes);
  #have = 0;
  #descriptors: number[] = [];

  constructor(connection: UnixConnection) {
    this.#connection = connection;
  }

  /**
   * The next message; null while there is none, "end" when there will be none. Throws ProtocolError for bytes that are no
   * message, and SystemCallError.
   */
  next(): Message | null | "end" {
    const header = this.#read(MessageHeader.size);
    if (header !== "done") return header;
    const { request, flags, size } = this.#header;
    if ((flags & VERSION_MASK) !== VERSION) throw new ProtocolError(`message ${request} of version ${flags & 3}`);
    if (size > MAX_PAYLOAD) throw new ProtocolError(`message ${request} with ${size} bytes`);
    const payload = this.#read(MessageHeader.size + size);
    if (payload !== "done") return payload;
    const name = messageName(request) ?? null;
    if (name !== null) this.#check(MESSAGES[name], size);
    const message = { name, id: request, flags, payload: this.#payload(size), descriptors: this.#descriptors };
    this.#have = 0;
    this.#descriptors = [];
    return message;
  }

  /** The descriptors of a message that has not come whole; they are the caller's then. */
  takeDescriptors(): readonly number[] {
    const descriptors = this.#descriptors;
    this.#descriptors = [];
    return descriptors;
  }

  #read(end: number): "done" | null | "end" {
    while (this.#have < end) {
      const received = this.#connection.receive(this.#bytes.subarray(this.#have, end), this.#descriptors);
      if (received < 0) return null;
      if (received === 0) return "end";
      this.#have += received;
      this.#checkDescriptors(MAX_REGIONS);
    }
    return "done";
  }

  #check(kind: MessageKind, size: number): void {
    if (!fits(kind, size)) throw new ProtocolError(`${kind.name} with ${size} bytes`);
    this.#checkDescriptors(kind.descriptors, kind.name);
  }

  /** Of each piece of a message as well: every byte of it could bring more descriptors than this process may have. */
  #checkDescriptors(most: number, name = "a message"): void {
    const { length } = this.#descriptors;
    if (length > most) throw new ProtocolError(`${name} with ${length} descriptors`);
  }

  #payload(size: number): Uint8Array {
    return this.#bytes.subarray(MessageHeader.size, MessageHeader.size + size);
  }
}
