// Knows Node's clock, timers and event loop: the one place that reads them.

import { type Clock, platformClock, type Scheduler, TurnScheduler } from "@pvscsi/wire";

/** Milliseconds since the process started. */
export const nodeClock: Clock = platformClock({
  now: () => performance.now(),
  arm: (callback, milliseconds) => setTimeout(callback, milliseconds),
  disarm: (handle) => clearTimeout(handle as NodeJS.Timeout),
});

export function nodeScheduler(): Scheduler {
  return new TurnScheduler((callback) => {
    setImmediate(callback);
  });
}
