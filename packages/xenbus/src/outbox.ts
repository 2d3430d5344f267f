// Knows when messages leave: at the end of the turn, or as soon as enough wait; and how much has not left yet. A
// buffer is not touched again before the transport is done with it. Knows no message.

import { Pool, type Runnable, type Scheduler } from "@pvscsi/wire";
import { MessageCursors } from "./abi/messages.js";

/** What carries frames, in order. */
export interface FrameTransport {
  /** Frames cost so little that none has to wait for others to join it. */
  readonly prompt?: boolean;
  /** Takes a frame; `sent` is called once the bytes may be overwritten, and they have left this process. */
  send(frame: Uint8Array, sent: () => void): void;
  /** Ends the connection after what was sent, and tells the peer why. */
  end(reason: string): void;
}

/** Bytes of a buffer: no frame of ours is longer. */
export const BUFFER_SIZE = 256 * 1024;
/** Bytes that wait before a barrier sends them. */
const ENOUGH = 16 * 1024;
/** Frames on their way at a time, but for full ones: each has a buffer, however few bytes are in it. */
const MOST_FRAMES = 64;

/** A frame that is being written, or is on its way. */
class FrameBuffer {
  pooled = true;
  readonly bytes = new Uint8Array(BUFFER_SIZE);
  readonly cursors = new MessageCursors(this.bytes);
  used = 0;
  readonly sent: () => void;

  constructor(done: (buffer: FrameBuffer) => void) {
    this.sent = () => done(this);
  }
}

/** Whom an outbox asks and tells. */
export interface OutboxOwner {
  /** The turn ends: the last moment to add messages that say how things are by now. */
  turnEnds(): void;
  /** A frame has left. */
  frameSent(): void;
}

export class Outbox implements Runnable {
  readonly #transport: FrameTransport;
  readonly #enough: number;
  readonly #scheduler: Scheduler;
  readonly #owner: OutboxOwner;
  /** Frames that were given to the transport. */
  frames = 0;
  readonly #buffers: Pool<FrameBuffer>;
  #current: FrameBuffer;
  #queued = false;
  /** Bytes, and frames, that are on their way. */
  #inFlight = 0;
  #framesInFlight = 0;
  #open = true;

  constructor(transport: FrameTransport, scheduler: Scheduler, owner: OutboxOwner) {
    this.#transport = transport;
    this.#enough = transport.prompt ? 1 : ENOUGH;
    this.#scheduler = scheduler;
    this.#owner = owner;
    this.#buffers = new Pool(() => new FrameBuffer((buffer) => this.#done(buffer)));
    this.#current = this.#buffers.take();
  }

  /** Bytes that wait or are on their way. */
  get unsent(): number {
    return this.#inFlight + this.#current.used;
  }

  /** The bytes that `reserve` gives places in; others after each `reserve`. */
  get bytes(): Uint8Array {
    return this.#current.bytes;
  }

  /** Cursors over those bytes. */
  get cursors(): MessageCursors {
    return this.#current.cursors;
  }

  /** Makes room for a message of `size` bytes, a multiple of 4, and returns where it begins. */
  reserve(size: number): number {
    if (this.#current.used + size > BUFFER_SIZE) this.flush();
    const base = this.#current.used;
    this.#current.used += size;
    this.wake();
    return base;
  }

  /** Sees to it that the end of the turn is noticed. */
  wake(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#scheduler.soon(this);
  }

  /** A moment at which a frame may well end: what waits is sent if it is enough. */
  barrier(): void {
    if (this.#current.used >= this.#enough) this.#flushIfFew();
  }

  /** The end of the turn. */
  run(): void {
    this.#owner.turnEnds();
    this.#queued = false;
    this.#flushIfFew();
  }

  /** To a peer that does not read, what comes now goes out with what comes later. */
  #flushIfFew(): void {
    if (this.#framesInFlight < MOST_FRAMES) this.flush();
  }

  flush(): void {
    const buffer = this.#current;
    if (buffer.used === 0) return;
    if (!this.#open) {
      buffer.used = 0;
      return;
    }
    this.frames += 1;
    this.#inFlight += buffer.used;
    this.#framesInFlight += 1;
    this.#current = this.#buffers.take();
    this.#transport.send(buffer.bytes.subarray(0, buffer.used), buffer.sent);
  }

  /** Sends what waits, then ends the connection. */
  end(reason: string): void {
    if (!this.#open) return;
    this.flush();
    this.#open = false;
    this.#transport.end(reason);
  }

  /** The connection has ended: what waits goes nowhere. */
  drop(): void {
    this.#open = false;
    this.#current.used = 0;
  }

  #done(buffer: FrameBuffer): void {
    this.#inFlight -= buffer.used;
    this.#framesInFlight -= 1;
    if (this.#current.used > 0) this.wake();
    buffer.used = 0;
    this.#buffers.giveBack(buffer);
    this.#owner.frameSent();
  }
}
