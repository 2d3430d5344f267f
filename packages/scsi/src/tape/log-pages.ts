// Knows the log pages of a tape drive (SSC-3 8.2): one table lists, writes and sets them back.

import { put64 } from "../big-endian.js";
import { BINARY_LIST, type LogPage, type LogParameter, PRIMARY_LOG_PAGES, UNBOUNDED } from "../device/log-pages.js";
import { TapeCounters } from "./counters.js";
import type { Tape } from "./tape.js";

const AT_POWER_ON = new TapeCounters();

/** SSC-3 8.2.3: bytes from and to initiators, and from and to the medium, which are the same as nothing is compressed. */
const sequentialAccess: LogPage<Tape> = {
  code: 0x0c,
  name: "Sequential-Access Device",
  counters: ({ counters }) => counters,
  parameters: ({ counters }, values) => {
    const { written, read } = values === "cumulative" ? counters : AT_POWER_ON;
    return [written, written, read, read].map((count, code) => counter(code, count));
  },
};

function counter(code: number, count: number): LogParameter {
  const value = new Uint8Array(8);
  put64(value, 0, count);
  return { code, control: UNBOUNDED, value };
}

/** TapeAlert flags that can become true here (SSC-3 annex A). */
export const ALERTS: { readonly [flag: number]: (tape: Tape) => boolean } = {
  5: ({ counters }) => counters.readErrors > 0,
  6: ({ counters }) => counters.writeErrors > 0,
  31: ({ counters }) => counters.hardwareErrors > 0,
};
const FLAGS = 64;

/** One bit a flag, the first being the highest. */
export function activeAlerts(tape: Tape): Uint8Array {
  return flagBytes((flag) => ALERTS[flag](tape));
}

/** Those that can become true. */
export function supportedAlerts(): Uint8Array {
  return flagBytes(() => true);
}

function flagBytes(chosen: (flag: number) => boolean): Uint8Array {
  const bytes = new Uint8Array(FLAGS / 8);
  for (const flag of Object.keys(ALERTS).map(Number)) {
    if (chosen(flag)) bytes[(flag - 1) >>> 3] |= 0x80 >>> ((flag - 1) & 7);
  }
  return bytes;
}

/** SSC-3 8.2.8: a flag is deactivated by nothing but another medium or a reset. */
const tapeAlert: LogPage<Tape> = {
  code: 0x2e,
  name: "TapeAlert",
  parameters: (tape, values) =>
    Array.from({ length: FLAGS }, (_, i) => {
      const active = values === "cumulative" && (ALERTS[i + 1]?.(tape) ?? false);
      return { code: i + 1, control: BINARY_LIST, value: Uint8Array.of(active ? 1 : 0) };
    }),
};

/** In ascending order. */
export const LOG_PAGES: readonly LogPage<Tape>[] = [
  PRIMARY_LOG_PAGES.supported,
  sequentialAccess,
  tapeAlert,
  PRIMARY_LOG_PAGES.informationalExceptions,
];
