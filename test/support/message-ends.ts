// Knows two ends of a port in one thread: what one posts the other one hears later, as a clone, in order.

import type { MessageEnd } from "@pvscsi/virtio";

class End implements MessageEnd {
  other: End | null = null;
  #heard: (message: unknown) => void = () => {};
  #closed: () => void = () => {};
  #open = true;

  post(message: unknown): void {
    if (!this.#open) return;
    const clone = structuredClone(message);
    queueMicrotask(() => this.other?.receive(clone));
  }

  listen(heard: (message: unknown) => void, closed: () => void): void {
    this.#heard = heard;
    this.#closed = closed;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    queueMicrotask(() => this.other?.otherClosed());
  }

  receive(message: unknown): void {
    if (this.#open) this.#heard(message);
  }

  otherClosed(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#closed();
  }
}

/** Two ends of one port. */
export function messageEnds(): [MessageEnd, MessageEnd] {
  const ends: [End, End] = [new End(), new End()];
  [ends[0].other, ends[1].other] = [ends[1], ends[0]];
  return ends;
}
