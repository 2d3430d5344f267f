// Knows Node's clock, timers, event loop and random numbers: the one place that reads them for what lies below.

import { randomBytes } from "node:crypto";
import { type Clock, platformClock, type Scheduler, TurnScheduler } from "@pvscsi/wire";

/** Milliseconds since the process started. */
export const nodeClock: Clock = platformClock({
  now: () => performance.now(),
  arm: (callback, milliseconds) => setTimeout(callback, milliseconds),
  disarm: (handle) => clearTimeout(handle as NodeJS.Timeout),
});

/** As many bytes that nobody can guess. */
export const unguessable: (length: number) => Uint8Array = randomBytes;

/** Milliseconds that all processes of a machine count alike: `nodeClock` begins with each, the time of day may be set. */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function nodeScheduler(): Scheduler {
  return new TurnScheduler((callback) => {
    setImmediate(callback);
  });
}
