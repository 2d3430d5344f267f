// Knows how what a connection sends goes out by a stream socket, and what comes in by it. The socket is given, as Node has it.

import type { ByteSink } from "./outbox.js";

/** A stream socket, as far as it is used here: `Socket` of `node:net` is one. */
export interface StreamSocket {
  on(event: "data", listener: (bytes: Uint8Array) => void): unknown;
  on(event: "error" | "close", listener: () => void): unknown;
  cork(): void;
  write(bytes: Uint8Array, whenSent?: () => void): unknown;
  uncork(): void;
  pause(): unknown;
  resume(): unknown;
  destroySoon(): void;
  destroy(): unknown;
}

/** What is behind a socket. */
export interface StreamReceiver {
  receive(bytes: Uint8Array): void;
  /** The socket has closed, in order or not: the last call. */
  closed(): void;
}

export class SocketSink implements ByteSink {
  /** Resolves when the connection has ended and nothing of it is under way. */
  readonly over: Promise<void>;
  readonly #socket: StreamSocket;
  readonly #left: () => void;
  #resolve: () => void = () => {};

  /** `left` is called when the connection has ended and nothing of it is under way. */
  constructor(socket: StreamSocket, left: () => void) {
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#socket = socket;
    this.#left = left;
  }

  /** Hands over what comes; to be called once. */
  feed(receiver: StreamReceiver): void {
    this.#socket.on("data", (bytes) => receiver.receive(bytes));
    // What a broken connection says is followed by "close", which is all that matters here.
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => receiver.closed());
  }

  /** Node calls the callback of a write also when the socket ends first. */
  send(chunks: readonly Uint8Array[], count: number, whenSent: () => void): void {
    const last = count - 1;
    this.#socket.cork();
    for (let i = 0; i < last; i++) this.#socket.write(chunks[i]);
    this.#socket.write(chunks[last], whenSent);
    this.#socket.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Does not wait for the other end to close its side, which it may never do. */
  end(): void {
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  settled(): void {
    this.#left();
    this.#resolve();
  }
}
