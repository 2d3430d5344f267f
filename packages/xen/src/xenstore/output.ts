// Knows what waits to be sent on one connection while its transport is full. Knows no store.

interface Waiting {
  readonly bytes: Uint8Array;
  /** What the event says, or null for a reply. */
  readonly event: string | null;
}

/** Takes a message; false says that it took this one but wants no more until the connection is `drained`. */
export type Send = (bytes: Uint8Array) => boolean;

/** Replies and events in order. An event that waits already is not queued again (XSA-349). */
export class OutputQueue {
  readonly #send: Send;
  #waiting: Waiting[] = [];
  readonly #events = new Set<string>();
  #full = false;
  /** Replies that wait. */
  replies = 0;
  /** Bytes that wait. */
  bytes = 0;

  constructor(send: Send) {
    this.#send = send;
  }

  reply(bytes: Uint8Array): void {
    this.#put({ bytes, event: null });
  }

  /** `text` is the event's payload: its path and token. */
  event(bytes: Uint8Array, text: string): void {
    if (!this.#events.has(text)) this.#put({ bytes, event: text });
  }

  /** The transport takes messages again. */
  drained(): void {
    this.#full = false;
    let sent = 0;
    while (sent < this.#waiting.length && !this.#full) {
      const { bytes, event } = this.#waiting[sent];
      sent += 1;
      this.bytes -= bytes.length;
      if (event === null) this.replies -= 1;
      else this.#events.delete(event);
      this.#full = !this.#send(bytes);
    }
    this.#waiting = this.#waiting.slice(sent);
  }

  clear(): void {
    this.#waiting = [];
    this.#events.clear();
    this.replies = 0;
    this.bytes = 0;
  }

  #put(message: Waiting): void {
    if (!this.#full) {
      this.#full = !this.#send(message.bytes);
      return;
    }
    this.#waiting.push(message);
    this.bytes += message.bytes.length;
    if (message.event === null) this.replies += 1;
    else this.#events.add(message.event);
  }
}
