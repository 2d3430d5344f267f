// Knows how a client and xenstored meet in one process: through real messages, each way in order.

import type { Runnable, Scheduler } from "@pvscsi/wire";
import type { PeerIdentity } from "./peer.js";
import { XenstoreSession } from "./session.js";
import type { Xenstored } from "./xenstored.js";

/** Messages on their way before the pipe says it is full. */
const DEPTH = 64;

/** One direction: a queue of its own behind one record, as a scheduler may run different records in any order. */
class Pipe implements Runnable {
  readonly #scheduler: Scheduler;
  readonly #queue: (Uint8Array | null)[] = [];
  #full = false;
  /** Set once by who joins the pipes. */
  deliver: (bytes: Uint8Array) => void = () => {};
  closed: () => void = () => {};
  /** The pipe was full, and is empty now. */
  drained: () => void = () => {};

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** False once the pipe is full; what is sent is taken all the same. */
  send(bytes: Uint8Array): boolean {
    this.#put(bytes);
    this.#full ||= this.#queue.length >= DEPTH;
    return !this.#full;
  }

  /** Ends the pipe behind what was sent. */
  close(): void {
    this.#put(null);
  }

  run(): void {
    const bytes = this.#queue.shift();
    if (bytes === null) this.closed();
    else if (bytes !== undefined) this.deliver(bytes);
    if (!this.#full || this.#queue.length > 0) return;
    this.#full = false;
    this.drained();
  }

  #put(bytes: Uint8Array | null): void {
    this.#queue.push(bytes);
    this.#scheduler.soon(this);
  }
}

/** A session with `xenstored` in the same process. Bytes are delivered from the scheduler. */
export function connectInProcess(xenstored: Xenstored, identity: PeerIdentity, scheduler: Scheduler): XenstoreSession {
  const requests = new Pipe(scheduler);
  const replies = new Pipe(scheduler);
  let reason = "xenstored ended the connection";
  const connection = xenstored.connect(
    identity,
    (bytes) => replies.send(bytes),
    (why) => {
      reason = why;
      replies.close();
    },
  );
  const session = new XenstoreSession({ send: (bytes) => requests.send(bytes), close: () => requests.close() });
  requests.deliver = (bytes) => connection.receive(bytes);
  requests.closed = () => connection.close();
  replies.deliver = (bytes) => session.receive(bytes);
  replies.closed = () => session.close(reason);
  replies.drained = () => connection.drained();
  return session;
}
