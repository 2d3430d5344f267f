// Knows how a frame is taken apart into messages, and that it holds nothing else. Knows no meaning of a message.

import { copyBytes, ProtocolError } from "@pvscsi/wire";
import { LONGEST_FRAME, MESSAGES, MessageCursors, MessageType, padded } from "./abi/messages.js";

/** What takes messages, one call each. A message is lent for the call only; what breaks a rule throws ProtocolError. */
export interface MessageReceiver {
  control(payload: Uint8Array): void;
  exists(message: MessageCursors["exists"]): void;
  gone(message: MessageCursors["gone"]): void;
  grant(message: MessageCursors["grant"]): void;
  revoke(message: MessageCursors["revoke"]): void;
  use(message: MessageCursors["use"]): void;
  /** The bytes are those of `frame` from `at` on. */
  range(message: MessageCursors["range"], frame: Uint8Array, at: number): void;
  open(message: MessageCursors["open"]): void;
  close(message: MessageCursors["close"]): void;
  bind(message: MessageCursors["bind"]): void;
  event(message: MessageCursors["event"]): void;
  store(piece: Uint8Array): void;
}

const SIZES: readonly number[] = Object.entries(MESSAGES).reduce<number[]>((sizes, [type, { size }]) => {
  sizes[Number(type)] = size;
  return sizes;
}, []);

/** Reads frames of one connection. Each head is copied once, then checked, then used. */
export class FrameReader {
  readonly #head = new Uint8Array(Math.max(...Object.values(MESSAGES).map(({ size }) => size)));
  readonly #cursors = new MessageCursors(this.#head);

  /** Gives every message of `frame` to `receiver`. Throws ProtocolError, after the messages before the broken one. */
  read(frame: Uint8Array, receiver: MessageReceiver): void {
    const end = frame.length;
    if (end === 0 || end > LONGEST_FRAME) throw new ProtocolError(`a frame of ${end} bytes`);
    for (let at = 0; at < end; ) at = this.#readOne(frame, at, receiver);
  }

  /** Returns where the next message begins. */
  #readOne(frame: Uint8Array, at: number, receiver: MessageReceiver): number {
    const type = frame[at];
    const size = SIZES[type];
    if (size === undefined) throw new ProtocolError(`a message of type ${type}`);
    if (at + size > frame.length) throw new ProtocolError(`a message of type ${type} that is cut off`);
    copyBytes(frame, at, this.#head, 0, size);
    const length = this.#payloadLength(type);
    const next = at + size + padded(length);
    if (next > frame.length) throw new ProtocolError(`a message of type ${type} that is cut off`);
    this.#deliver(type, receiver, frame, at + size, length);
    return next;
  }

  #payloadLength(type: number): number {
    const { control, range, store } = this.#cursors;
    if (type === MessageType.range) return range.length;
    if (type === MessageType.store) return store.length;
    return type === MessageType.control ? control.length : 0;
  }

  #deliver(type: number, receiver: MessageReceiver, frame: Uint8Array, at: number, length: number): void {
    const cursors = this.#cursors;
    switch (type) {
      case MessageType.control:
        return receiver.control(frame.subarray(at, at + length));
      case MessageType.exists:
        return receiver.exists(cursors.exists);
      case MessageType.gone:
        return receiver.gone(cursors.gone);
      case MessageType.grant:
        return receiver.grant(cursors.grant);
      case MessageType.revoke:
        return receiver.revoke(cursors.revoke);
      case MessageType.use:
        return receiver.use(cursors.use);
      case MessageType.range:
        return receiver.range(cursors.range, frame, at);
      case MessageType.open:
        return receiver.open(cursors.open);
      case MessageType.close:
        return receiver.close(cursors.close);
      case MessageType.bind:
        return receiver.bind(cursors.bind);
      case MessageType.event:
        return receiver.event(cursors.event);
      default:
        return receiver.store(frame.subarray(at, at + length));
    }
  }
}
