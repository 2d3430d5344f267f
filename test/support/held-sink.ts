// Knows the far end of a connection under test: what was sent to it, which may be held back on its way, and what else the
// connection has asked for. Knows no protocol.

import type { ByteSink } from "@pvscsi/wire";
import { expect } from "chai";

interface Sending {
  readonly chunks: readonly Uint8Array[];
  readonly copy: Buffer;
  readonly whenSent: () => void;
}

export class HeldSink implements ByteSink {
  /** What has come and the test has not taken yet. */
  received: Buffer = Buffer.alloc(0);
  /** Batches that have not left, while `hold` is set. */
  readonly sending: Sending[] = [];
  hold = false;
  paused = false;
  ended = false;
  destroyed = false;
  /** How often it was told that all is over. */
  overs = 0;

  send(lent: readonly Uint8Array[], count: number, whenSent: () => void): void {
    const chunks = lent.slice(0, count);
    this.sending.push({ chunks, copy: Buffer.concat(chunks), whenSent });
    if (!this.hold) this.deliver();
  }

  /** Lets the held batches leave; what was lent must not have changed meanwhile. */
  deliver(): void {
    for (const { chunks, copy, whenSent } of this.sending.splice(0)) {
      expect(Buffer.concat(chunks).equals(copy), "bytes that are on their way stay as they are").to.equal(true);
      this.received = Buffer.concat([this.received, copy]);
      whenSent();
    }
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.destroyed = true;
  }

  settled(): void {
    this.overs += 1;
  }
}
