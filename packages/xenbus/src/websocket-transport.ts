// Knows how frames go out on a WebSocket, and how its end is told. Knows no message.

import type { Clock, Runnable } from "@pvscsi/wire";
import type { WebSocket } from "ws";
import type { FrameTransport } from "./outbox.js";

/** The code of a close whose reason is ours. */
const END_CODE = 4000;
/** Bytes of a close's reason (RFC 6455, 5.5.1). */
const LONGEST_REASON = 123;
/** Milliseconds after which a peer that does not answer a close is left. */
export const CLOSE_TIME = 1000;

export class WebSocketTransport implements FrameTransport, Runnable {
  readonly #socket: WebSocket;
  readonly #clock: Clock;

  constructor(socket: WebSocket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
  }

  /** A frame whose socket is gone has left as far as it ever will. */
  send(frame: Uint8Array, sent: () => void): void {
    this.#socket.send(frame, { binary: true }, () => sent());
  }

  end(reason: string): void {
    this.#socket.close(END_CODE, shortened(reason));
    // A peer that does not read would keep the connection for ws's 30 seconds.
    const timer = this.#clock.after(CLOSE_TIME, this);
    this.#socket.once("close", () => this.#clock.cancel(timer));
  }

  /** The peer has had its time. */
  run(): void {
    this.#socket.terminate();
  }
}

/** As much of a reason as a close carries. */
function shortened(reason: string): string {
  const bytes = new TextEncoder().encode(reason);
  if (bytes.length <= LONGEST_REASON) return reason;
  return new TextDecoder().decode(bytes.subarray(0, LONGEST_REASON - 3)).replace(/\ufffd$/u, "");
}
