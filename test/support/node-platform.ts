// Knows Node's clock and loop, for tests of sockets: they take the time they take.

import { platformClock, TurnScheduler } from "@pvscsi/wire";

/** Milliseconds since the process started. */
export const realClock = platformClock({
  now: () => performance.now(),
  arm: (callback, milliseconds) => setTimeout(callback, milliseconds),
  disarm: (handle) => clearTimeout(handle as NodeJS.Timeout),
});

export const realScheduler = new TurnScheduler((callback) => {
  setImmediate(callback);
});
