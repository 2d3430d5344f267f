// Knows how frames pass between two threads: through a pipe each way, with a port that wakes whoever sleeps at the other
// end, hands memory over and says how it ended. Knows no message of the xenbus.

import { ProtocolError, Queue, type Runnable, type Scheduler } from "@pvscsi/wire";
import type { ArenaDescription, DomainId } from "@pvscsi/xen";
import type { FramePipe } from "./frame-pipe.js";
import { BUFFER_SIZE, type FrameTransport } from "./outbox.js";

/** What passes beside the frames. */
export type ThreadMessage =
  | { readonly kind: "wake" }
  /** The memory of a domain that a frame will speak of. */
  | { readonly kind: "memory"; readonly domain: DomainId; readonly arena: ArenaDescription }
  /** The end, after all frames that are there. */
  | { readonly kind: "end"; readonly reason: string };

/** One end of what two threads talk over. */
export interface ThreadPort {
  post(message: ThreadMessage): void;
  /** The next message that is there already, taken before it is heard of; undefined when there is none. */
  take(): ThreadMessage | undefined;
  /** The other end hears that it is closed. */
  close(): void;
}

/** Who is told of what arrives. */
export interface ThreadUser {
  /** A frame, lent. */
  receive(frame: Uint8Array): void;
  memory(domain: DomainId, arena: ArenaDescription): void;
  /** The other end is closed, and its thread touches nothing that is shared any more. */
  ended(reason: string): void;
}

export interface ThreadTransportParts {
  readonly port: ThreadPort;
  readonly outgoing: FramePipe;
  readonly incoming: FramePipe;
  readonly scheduler: Scheduler;
}

/** Frames that are read in a turn, so that others have theirs. */
const A_TURN = 16;
const WAKE: ThreadMessage = { kind: "wake" };

export class ThreadTransport implements FrameTransport, Runnable {
  readonly prompt = true;
  readonly #port: ThreadPort;
  readonly #outgoing: FramePipe;
  readonly #incoming: FramePipe;
  readonly #scheduler: Scheduler;
  readonly #frame = new Uint8Array(BUFFER_SIZE);
  /** Frames for which there was no room. */
  readonly #waiting = new Queue<{ readonly frame: Uint8Array; readonly sent: () => void }>();
  /** Of frames that have left since the turn began. */
  readonly #sent = new Queue<() => void>();
  #user: ThreadUser | null = null;
  #queued = false;
  /** Why it ends, once all has left. */
  #ending: string | null = null;
  /** Nothing is sent any more. */
  #said = false;
  /** What comes is for somebody who is gone. */
  #deaf = false;
  /** Why the other end has ended. */
  #heardEnd: string | null = null;

  constructor({ port, outgoing, incoming, scheduler }: ThreadTransportParts) {
    this.#port = port;
    this.#outgoing = outgoing;
    this.#incoming = incoming;
    this.#scheduler = scheduler;
  }

  /** Begins to listen. */
  start(user: ThreadUser): void {
    this.#user = user;
    this.#wake();
  }

  /** Hands a domain's memory over, ahead of the frames to come. */
  show(domain: DomainId, { buffer, memoryPages, grantFrames }: ArenaDescription): void {
    if (!this.#said) this.#port.post({ kind: "memory", domain, arena: { buffer, memoryPages, grantFrames } });
  }

  /** `sent` is called from the scheduler, as a socket's would be. */
  send(frame: Uint8Array, sent: () => void): void {
    if (this.#waiting.length > 0 || !this.#put(frame)) this.#waiting.push({ frame, sent });
    else this.#sent.push(sent);
    this.#wake();
  }

  end(reason: string): void {
    this.#ending ??= reason;
    this.#deaf = true;
    this.#wake();
  }

  /** Takes messages that are there already: what a frame speaks of was handed over before it. */
  takeMessages(): void {
    for (let message = this.#port.take(); message !== undefined; message = this.#port.take()) this.heard(message);
  }

  /** A message of the other end. It may come while a frame is read. */
  heard(message: ThreadMessage): void {
    if (message.kind === "memory") return this.#user?.memory(message.domain, message.arena);
    if (message.kind === "end") this.#heardEnd ??= message.reason;
    this.#wake();
  }

  /** The other end is closed: its thread has ended, or it has no more to say. */
  closed(): void {
    this.#heardEnd ??= "the thread at the other end has ended";
    this.#wake();
  }

  run(): void {
    this.#queued = false;
    for (let left = this.#sent.length; left > 0; left--) this.#sent.shift()();
    const sending = this.#sendWaiting();
    const reading = this.#readSome(A_TURN);
    if (this.#heardEnd !== null) this.#finish(this.#heardEnd);
    else if (sending || reading || !this.#incoming.sleepForFrame()) this.#wake();
  }

  #wake(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#scheduler.soon(this);
  }

  #put(frame: Uint8Array): boolean {
    if (this.#said) return true;
    if (!this.#outgoing.write(frame)) return false;
    if (this.#outgoing.takeSleepingReader()) this.#port.post(WAKE);
    return true;
  }

  /** True when it is to be tried again in the next turn. */
  #sendWaiting(): boolean {
    while (this.#waiting.length > 0) {
      const { frame, sent } = this.#waiting.first();
      if (!this.#put(frame)) return !this.#outgoing.sleepForRoom();
      this.#waiting.shift();
      this.#sent.push(sent);
    }
    if (this.#ending !== null && !this.#said) this.#sayEnd(this.#ending);
    return this.#sent.length > 0;
  }

  /** The other end closes when it has heard it. */
  #sayEnd(reason: string): void {
    this.#said = true;
    this.#port.post({ kind: "end", reason });
  }

  /** True when there may be more. */
  #readSome(most: number): boolean {
    if (this.#user === null) return false;
    let frames = 0;
    try {
      for (; frames < most; frames++) {
        const length = this.#incoming.read(this.#frame);
        if (length === 0) break;
        if (!this.#deaf) this.#user.receive(this.#frame.subarray(0, length));
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#finish(error.message);
      return false;
    }
    if (frames > 0 && this.#incoming.takeSleepingWriter()) this.#port.post(WAKE);
    return frames > 0;
  }

  /** Takes what was said before the end, and closes. */
  #finish(reason: string): void {
    if (this.#user === null) return;
    while (!this.#deaf && this.#readSome(A_TURN));
    const user = this.#user;
    this.#user = null;
    this.#said = true;
    while (this.#waiting.length > 0) this.#sent.push(this.#waiting.shift().sent);
    this.#wake();
    this.#port.close();
    user.ended(reason);
  }
}
