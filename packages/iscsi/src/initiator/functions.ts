// Knows what an initiator asks a target besides commands, one PDU each, and their answers: task management, logout, pings
// (RFC 7143 11.5, 11.14, 11.18). Each answer is waited for, and for so long.

import type { Clock, Timer } from "@pvscsi/wire";
import type { OutgoingRequest } from "./outgoing-request.js";

/** Tags of commands are below, and that of a login is this one. */
const FIRST_TAG = 0x8000_0000;
const TAGS = 0x7fff_fffe;

/** How one ended: by the code that was answered, or without an answer. */
export type FunctionOutcome = number | "rejected" | "lost";

interface Pending {
  readonly timer: Timer;
  readonly ended: (outcome: FunctionOutcome) => void;
}

export class Functions {
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  #next = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Gives a PDU its tag. `late` is called when nothing was answered in `milliseconds`, `ended` in any other case. */
  begin(
    pdu: OutgoingRequest,
    milliseconds: number,
    late: () => void,
    ended: (outcome: FunctionOutcome) => void,
  ): number {
    this.#next = (this.#next % TAGS) + 1;
    const tag = FIRST_TAG + this.#next;
    pdu.request.itt = tag;
    const timer = this.#clock.after(milliseconds, { run: late });
    this.#pending.set(tag, { timer, ended });
    return tag;
  }

  /** Takes an answer; false where nobody has asked. */
  end(tag: number, outcome: FunctionOutcome): boolean {
    const pending = this.#pending.get(tag);
    if (pending === undefined) return false;
    this.#pending.delete(tag);
    this.#clock.cancel(pending.timer);
    pending.ended(outcome);
    return true;
  }

  /** Nothing is answered any more. */
  lose(): void {
    for (const tag of [...this.#pending.keys()]) this.end(tag, "lost");
  }
}
