// Knows the time seams: what runs later, and when. Knows no timer of any platform; those are given.

import { fail } from "./errors.js";

/** What can be run from a queue. A record that is queued often is one itself, so that queueing allocates nothing. */
export interface Runnable {
  run(): void;
}

/** Queues work for later on the same thread; nothing queued ever runs on the caller's stack. */
export interface Scheduler {
  /** Runs `runnable` once, soon. Queueing it twice runs it twice. */
  soon(runnable: Runnable): void;
}

/** An armed timer; opaque to all but the clock that made it. */
export interface Timer {
  readonly due: number;
}

/** Time as the drivers see it. */
export interface Clock {
  /** Milliseconds since an arbitrary start, fractional, never going back. */
  now(): number;
  /** Runs `runnable` once, `milliseconds` from now; at most 2^31 - 1 of them (24 days). */
  after(milliseconds: number, runnable: Runnable): Timer;
  /** Disarms a timer; one that has fired already is ignored. */
  cancel(timer: Timer): void;
}

/** What a platform offers towards a clock: Node's or a browser's functions, given at the edge. */
export interface PlatformTimers {
  now(): number;
  arm(callback: () => void, milliseconds: number): unknown;
  disarm(handle: unknown): void;
}

interface ArmedTimer extends Timer {
  readonly handle: unknown;
}

/** Platforms run a timer at once that is set for longer. */
const LONGEST = 0x7fff_ffff;

/** A clock over a platform's timers. */
export function platformClock(platform: PlatformTimers): Clock {
  return {
    now: () => platform.now(),
    after(milliseconds, runnable) {
      if (!(milliseconds <= LONGEST)) fail(`a timer of ${milliseconds} milliseconds`);
      const handle = platform.arm(() => runnable.run(), milliseconds);
      return { due: platform.now() + milliseconds, handle } as ArmedTimer;
    },
    cancel: (timer) => platform.disarm((timer as ArmedTimer).handle),
  };
}
