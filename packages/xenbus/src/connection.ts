// Knows one side of a connection: how its messages are written, in the order things happened, and how it slows down
// with a peer that does not read. What arrives is its hub's or its client's.

import { copyBytes, type Scheduler } from "@pvscsi/wire";
import type { Port, PortEnd } from "@pvscsi/xen";
import {
  ControlMessage,
  LONGEST_STORE_PIECE,
  MESSAGES,
  MessageType,
  padded,
  RangeMessage,
  StoreMessage,
  USE_SHIFT,
} from "./abi/messages.js";
import { type FrameTransport, Outbox, type OutboxOwner } from "./outbox.js";
import type { SharedEntry } from "./shared-pages.js";

/** Unsent bytes above which no rings are consumed, and xenstored's messages wait. */
const CONGESTED = 1024 * 1024;

/** Unsent bytes above which whoever makes them more has to go. */
const FLOOD = 64 * 1024 * 1024;

/** What a connection's messages are handed to once the peer may be answered. */
export interface ConnectionUser {
  /** An event for a port has arrived. */
  deliver(port: Port): void;
  /** `store` takes bytes again, after it said no. */
  storeDrained(): void;
  /** More waits for the peer than it may leave unread. */
  flooded(): void;
}

export class Connection implements OutboxOwner {
  readonly #outbox: Outbox;
  readonly #user: ConnectionUser;
  /** Entries whose use may have changed since it was told; the array keeps its length, which was the most there were. */
  readonly #uses: SharedEntry[] = [];
  #usesCount = 0;
  /** Ports whose events wait for the peer to read. */
  readonly #held = new Set<Port>();
  #storeWaits = false;
  /** Messages that are no events. */
  #messages = 0;
  /** By port: the moment of its last event. */
  readonly #lastEvent: number[] = [];

  constructor(transport: FrameTransport, scheduler: Scheduler, user: ConnectionUser) {
    this.#user = user;
    this.#outbox = new Outbox(transport, scheduler, this);
  }

  get unsent(): number {
    return this.#outbox.unsent;
  }

  control(payload: Uint8Array): void {
    const base = this.#begin(MessageType.control, payload.length);
    this.#outbox.cursors.control.at(base).length = payload.length;
    this.#outbox.bytes.set(payload, base + ControlMessage.size);
  }

  exists(id: number, entries: number): void {
    const base = this.#begin(MessageType.exists, 0);
    const message = this.#outbox.cursors.exists.at(base);
    message.domain = id;
    message.entries = entries;
  }

  gone(id: number): void {
    const base = this.#begin(MessageType.gone, 0);
    this.#outbox.cursors.gone.at(base).domain = id;
  }

  grant({ owner, reference, generation, to, writable }: SharedEntry): void {
    const base = this.#begin(MessageType.grant, 0);
    const message = this.#outbox.cursors.grant.at(base);
    message.writing = writable ? 1 : 0;
    message.domain = owner.id;
    message.reference = reference;
    message.generation = generation;
    message.frame = owner.table.frame(reference);
    message.to = to;
  }

  revoke({ owner, reference, generation }: SharedEntry): void {
    const base = this.#begin(MessageType.revoke, 0);
    const message = this.#outbox.cursors.revoke.at(base);
    message.domain = owner.id;
    message.reference = reference;
    message.generation = generation;
  }

  /** The use of an entry may have changed: that is told before any byte or event that comes after. */
  useChanged(entry: SharedEntry): void {
    if (entry.queued) return;
    entry.queued = true;
    this.#uses[this.#usesCount++] = entry;
    // So that it is told even if nothing else is.
    this.#outbox.wake();
  }

  /** The bytes are captured now. */
  range({ owner, reference, generation }: SharedEntry, bytes: Uint8Array, offset: number, length: number): void {
    if (length === 0) return;
    this.#tellUses();
    const base = this.#begin(MessageType.range, length);
    const message = this.#outbox.cursors.range.at(base);
    message.domain = owner.id;
    message.reference = reference;
    message.generation = generation;
    message.offset = offset;
    message.length = length;
    copyBytes(bytes, offset, this.#outbox.bytes, base + RangeMessage.size, length);
    owner.copiedBytes += length;
  }

  open({ owner, port, serial, remote }: PortEnd): void {
    const base = this.#begin(MessageType.open, 0);
    const message = this.#outbox.cursors.open.at(base);
    message.domain = owner;
    message.port = port;
    message.serial = serial;
    message.remote = remote;
  }

  close({ owner, port }: PortEnd): void {
    const base = this.#begin(MessageType.close, 0);
    const message = this.#outbox.cursors.close.at(base);
    message.domain = owner;
    message.port = port;
  }

  bind({ owner, port, serial, remote }: PortEnd, peer: PortEnd): void {
    const base = this.#begin(MessageType.bind, 0);
    const message = this.#outbox.cursors.bind.at(base);
    message.domain = owner;
    message.port = port;
    message.serial = serial;
    message.remote = remote;
    message.remotePort = peer.port;
    message.remoteSerial = peer.serial;
  }

  event(port: Port): void {
    this.#tellUses();
    if (this.#lastEvent[port] === this.#moment) return;
    const base = this.#begin(MessageType.event, 0);
    this.#messages -= 1;
    this.#lastEvent[port] = this.#moment;
    this.#outbox.cursors.event.at(base).port = port;
    this.#outbox.barrier();
  }

  /** False when no more should come before `storeDrained`; what was given is taken all the same. */
  store(bytes: Uint8Array): boolean {
    this.#tellUses();
    for (let at = 0; at < bytes.length; at += LONGEST_STORE_PIECE) {
      const piece = bytes.subarray(at, at + LONGEST_STORE_PIECE);
      const base = this.#begin(MessageType.store, piece.length);
      this.#outbox.cursors.store.at(base).length = piece.length;
      this.#outbox.bytes.set(piece, base + StoreMessage.size);
    }
    this.#storeWaits = this.#congested;
    return !this.#storeWaits;
  }

  /** An event that has arrived: while the peer does not read, nothing is begun that would be answered. */
  received(port: Port): void {
    if (this.#congested) this.#held.add(port);
    else this.#user.deliver(port);
  }

  /** Sends what waits, then ends the connection with a reason for the peer. */
  end(reason: string): void {
    this.#tellUses();
    this.#outbox.end(reason);
  }

  /** The connection has ended. */
  drop(): void {
    this.#held.clear();
    this.#outbox.drop();
  }

  turnEnds(): void {
    this.#tellUses();
  }

  frameSent(): void {
    for (const port of this.#held) {
      if (this.#congested) return;
      this.#held.delete(port);
      this.#user.deliver(port);
    }
    if (!this.#storeWaits || this.#congested) return;
    this.#storeWaits = false;
    this.#user.storeDrained();
  }

  get #congested(): boolean {
    return this.#outbox.unsent > CONGESTED;
  }

  /** Changes with every message but events, and with every frame: a second event at one moment says nothing new. */
  get #moment(): number {
    return this.#messages + this.#outbox.frames;
  }

  /** What has changed and changed back is not told. */
  #tellUses(): void {
    for (let i = 0; i < this.#usesCount; i++) this.#tellUse(this.#uses[i]);
    this.#usesCount = 0;
  }

  #tellUse(entry: SharedEntry): void {
    entry.queued = false;
    if (!entry.live) return;
    const { owner, reference, generation, toldUse } = entry;
    const use = owner.table.use(reference);
    if (use === toldUse) return;
    entry.toldUse = use;
    const base = this.#begin(MessageType.use, 0);
    const message = this.#outbox.cursors.use.at(base);
    message.use = use >>> USE_SHIFT;
    message.domain = owner.id;
    message.reference = reference;
    message.generation = generation;
  }

  /** Room for a message with its type and its padding in it; returns where it begins. */
  #begin(type: keyof typeof MESSAGES, payload: number): number {
    const { size } = MESSAGES[type];
    const whole = size + padded(payload);
    const base = this.#outbox.reserve(whole);
    const { bytes } = this.#outbox;
    for (let at = base; at < base + size; at++) bytes[at] = 0;
    for (let at = base + size + payload; at < base + whole; at++) bytes[at] = 0;
    bytes[base] = type;
    this.#messages += 1;
    if (this.#outbox.unsent > FLOOD) this.#user.flooded();
    return base;
  }
}
