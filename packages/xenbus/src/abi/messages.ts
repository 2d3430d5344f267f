// Knows every message of the xenbus, byte for byte: little-endian, each beginning with its type and padded to 4 bytes. A
// frame is any number of whole messages. What a message means is not here.

import { pad, type RecordOf, struct, u8, u16, u32 } from "@pvscsi/wire";

/** Counts up with each change that an older peer would misread. */
export const XENBUS_VERSION = 1;

/** Bytes of the longest frame. */
export const LONGEST_FRAME = 1024 * 1024;
/** Bytes of the longest frame before the log-in is done. */
export const LONGEST_LOGIN = 4096;
/** Bytes of xenstore's stream in one message. */
export const LONGEST_STORE_PIECE = 32 * 1024;

export const MessageType = {
  control: 1,
  exists: 2,
  gone: 3,
  grant: 4,
  revoke: 5,
  use: 6,
  range: 7,
  open: 8,
  close: 9,
  bind: 10,
  event: 11,
  store: 12,
} as const;

/** Log-in and its answer: `length` bytes of MessagePack follow. */
export const ControlMessage = struct("control", 8, { type: u8(0), reserved: pad(1, 3), length: u32(4) });

/**
 * Hub: there is a domain, whose grant table has so many entries by now; of the client itself, that the client has been
 * told of all that was there before it. Client: it knows the domain from here on, and means no earlier one of that id.
 */
export const ExistsMessage = struct("exists", 8, { type: u8(0), reserved: pad(1, 1), domain: u16(2), entries: u32(4) });

/** Hub: there is no such domain any more. */
export const GoneMessage = struct("gone", 4, { type: u8(0), reserved: pad(1, 1), domain: u16(2) });

/** `domain` lets `to` use one of its frames. `writing` is 1 for read-write, 0 for read-only. */
export const GrantMessage = struct("grant", 20, {
  type: u8(0),
  writing: u8(1),
  domain: u16(2),
  reference: u32(4),
  generation: u32(8),
  frame: u32(12),
  to: u16(16),
  reserved: pad(18, 2),
});

/** `domain` has ended a grant. */
export const RevokeMessage = struct("revoke", 12, {
  type: u8(0),
  reserved: pad(1, 1),
  domain: u16(2),
  reference: u32(4),
  generation: u32(8),
});

/** GTF_reading and GTF_writing stand this far to the left in an entry's flags. */
export const USE_SHIFT = 3;

/** How an entry of `domain` is used by now: GTF_reading and GTF_writing, shifted right by `USE_SHIFT`. */
export const UseMessage = struct("use", 12, {
  type: u8(0),
  use: u8(1),
  domain: u16(2),
  reference: u32(4),
  generation: u32(8),
});

/** Bytes of a granted page as they are now: `length` bytes follow, for the page from `offset` on. */
export const RangeMessage = struct("range", 16, {
  type: u8(0),
  reserved: pad(1, 1),
  domain: u16(2),
  reference: u32(4),
  generation: u32(8),
  offset: u16(12),
  length: u16(14),
});

/** A port of `domain` is unbound: `remote` may bind to it. */
export const OpenMessage = struct("open", 16, {
  type: u8(0),
  reserved: pad(1, 1),
  domain: u16(2),
  port: u32(4),
  serial: u32(8),
  remote: u16(12),
  reserved2: pad(14, 2),
});

/** A port of `domain` is closed. */
export const CloseMessage = struct("close", 8, { type: u8(0), reserved: pad(1, 1), domain: u16(2), port: u32(4) });

/** A new port of `domain` has bound itself to that port of `remote` which had this serial number. */
export const BindMessage = struct("bind", 24, {
  type: u8(0),
  reserved: pad(1, 1),
  domain: u16(2),
  port: u32(4),
  serial: u32(8),
  remote: u16(12),
  reserved2: pad(14, 2),
  remotePort: u32(16),
  remoteSerial: u32(20),
});

/** From the hub: the port, one of the client's own, has an event. To the hub: the client has sent on its port. */
export const EventMessage = struct("event", 8, { type: u8(0), reserved: pad(1, 3), port: u32(4) });

/** `length` bytes of the connection to xenstored follow. */
export const StoreMessage = struct("store", 8, { type: u8(0), reserved: pad(1, 3), length: u32(4) });

/** By type: which struct begins such a message. */
export const MESSAGES = {
  [MessageType.control]: ControlMessage,
  [MessageType.exists]: ExistsMessage,
  [MessageType.gone]: GoneMessage,
  [MessageType.grant]: GrantMessage,
  [MessageType.revoke]: RevokeMessage,
  [MessageType.use]: UseMessage,
  [MessageType.range]: RangeMessage,
  [MessageType.open]: OpenMessage,
  [MessageType.close]: CloseMessage,
  [MessageType.bind]: BindMessage,
  [MessageType.event]: EventMessage,
  [MessageType.store]: StoreMessage,
} as const;

/** Cursors over one stretch of bytes, one for each message. */
export class MessageCursors {
  readonly control: RecordOf<typeof ControlMessage>;
  readonly exists: RecordOf<typeof ExistsMessage>;
  readonly gone: RecordOf<typeof GoneMessage>;
  readonly grant: RecordOf<typeof GrantMessage>;
  readonly revoke: RecordOf<typeof RevokeMessage>;
  readonly use: RecordOf<typeof UseMessage>;
  readonly range: RecordOf<typeof RangeMessage>;
  readonly open: RecordOf<typeof OpenMessage>;
  readonly close: RecordOf<typeof CloseMessage>;
  readonly bind: RecordOf<typeof BindMessage>;
  readonly event: RecordOf<typeof EventMessage>;
  readonly store: RecordOf<typeof StoreMessage>;

  constructor(bytes: Uint8Array) {
    this.control = new ControlMessage(bytes);
    this.exists = new ExistsMessage(bytes);
    this.gone = new GoneMessage(bytes);
    this.grant = new GrantMessage(bytes);
    this.revoke = new RevokeMessage(bytes);
    this.use = new UseMessage(bytes);
    this.range = new RangeMessage(bytes);
    this.open = new OpenMessage(bytes);
    this.close = new CloseMessage(bytes);
    this.bind = new BindMessage(bytes);
    this.event = new EventMessage(bytes);
    this.store = new StoreMessage(bytes);
  }
}

/** Bytes with which a payload of `length`, up to 2^32 - 1, takes up a frame. */
export function padded(length: number): number {
  return length + (-length & 3);
}
