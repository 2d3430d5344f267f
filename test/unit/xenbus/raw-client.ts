// Knows how to say anything to a hub: messages by their tables, right or wrong, and frames by hand.

import { type Arrival, encodeHello, type Hub, MESSAGES, MessageCursors, MessageType, padded } from "@pvscsi/xenbus";

type Name = keyof typeof MessageType;

/** A message: its fields, then its payload. */
export function message(
  name: Name,
  fields: Readonly<Record<string, number>> = {},
  payload: Uint8Array = NOTHING,
): Uint8Array {
  const type = MessageType[name];
  const { size } = MESSAGES[type];
  const bytes = new Uint8Array(size + padded(payload.length));
  const cursor = new MessageCursors(bytes)[name] as unknown as Record<string, number>;
  Object.assign(cursor, fields);
  if ("length" in cursor && fields.length === undefined) cursor.length = payload.length;
  bytes[0] = type;
  bytes.set(payload, size);
  return bytes;
}

export function hello(id: number, secret: Uint8Array): Uint8Array {
  return message("control", {}, encodeHello(id, secret));
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const NOTHING = new Uint8Array(0);

/** The far end of a connection that a hub has accepted. */
export class RawClient {
  readonly arrival: Arrival;
  /** Why the hub has ended it; null while it has not. */
  ended: string | null = null;

  /** Frames in which xenstored says that there is too much of something. */
  refusals = 0;

  constructor(hub: Hub) {
    const end = (reason: string) => {
      this.ended ??= reason;
    };
    const send = (frame: Uint8Array, sent: () => void) => {
      if (new TextDecoder("latin1").decode(frame).includes("E2BIG")) this.refusals += 1;
      sent();
    };
    this.arrival = hub.accept({ send, end });
  }

  say(...frames: readonly Uint8Array[]): this {
    for (const frame of frames) this.arrival.receive(frame);
    return this;
  }
}
