// Knows how a session's two phases, handshake and transmission, take what was received.

import type { Input } from "@pvscsi/wire";

/**
 * What a step came to: "again" when it may go on at once, "wait" when it needs more bytes or room, "done" when the
 * phase is over and the next begins, "end" when the connection is to be closed after all replies have left.
 */
export type Step = "again" | "wait" | "done" | "end";

export interface Phase {
  /** True while it waits for room rather than for bytes. */
  readonly blocked: boolean;
  /** Takes some of the input. Throws `ProtocolError` when the client broke the protocol. */
  step(input: Input): Step;
}
