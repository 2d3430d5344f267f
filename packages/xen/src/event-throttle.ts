// Knows how to live with a peer that sends events without work behind them (XSA-332, XSA-391): such a port is masked
// for a while, longer each time, so that a storm costs a bounded share of the processor. Knows no ring.

import type { Clock, Runnable } from "@pvscsi/wire";
import type { EventChannels, Port } from "./domain.js";

/** Idle events in a row that are nobody's fault: the one of binding, and races with the final check. */
const TOLERATED = 16;
const FIRST_DELAY = 1;
/** Milliseconds. What waits on a masked port waits this long at the most. */
const LONGEST_DELAY = 64;

export class EventThrottle implements Runnable {
  readonly #events: EventChannels;
  readonly #port: Port;
  readonly #clock: Clock;
  #idle = 0;
  #delay = FIRST_DELAY;
  #closed = false;

  constructor(events: EventChannels, port: Port, clock: Clock) {
    this.#events = events;
    this.#port = port;
    this.#clock = clock;
  }

  /** To be called once per delivered event, with whether there was anything to do. */
  handled(work: boolean): void {
    if (work) {
      this.#idle = 0;
      this.#delay = FIRST_DELAY;
      return;
    }
    this.#idle += 1;
    if (this.#idle < TOLERATED) return;
    this.#events.mask(this.#port);
    this.#clock.after(this.#delay, this);
    this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY);
  }

  /** The delay is over. */
  run(): void {
    if (!this.#closed) this.#events.unmask(this.#port);
  }

  close(): void {
    this.#closed = true;
  }
}
