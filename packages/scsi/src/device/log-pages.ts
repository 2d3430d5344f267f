// Knows how log pages are said and written (SPC-4 7.3), and those that every device has. A device type's own are its own to say.

import { put16 } from "../big-endian.js";
import type { Device } from "./device.js";

export interface LogParameter {
  readonly code: number;
  /** Its parameter control byte. */
  readonly control: number;
  readonly value: Uint8Array;
}

/** What one page tells that can be set back. */
export interface PageCounters {
  /** Nothing was counted. */
  readonly fresh: boolean;
  clear(): void;
}

/** What of a page is asked for: what was counted, or what it was at power on. */
export type LogValues = "cumulative" | "default";

export interface LogPage<D extends Device> {
  readonly code: number;
  readonly name: string;
  /** Its counters, where it has some that an initiator can set back. */
  readonly counters?: (device: D) => PageCounters;
  /** What it tells, in ascending order of codes; absent of the page that lists the others. */
  readonly parameters?: (device: D, values: LogValues) => readonly LogParameter[];
}

/** FORMAT AND LINKING: a counter without a bound, and a list of bytes. */
export const UNBOUNDED = 0x02;
export const BINARY_LIST = 0x03;

/** None of the mode page's exceptions was reported, and the temperature is not known. */
const NO_EXCEPTION: LogParameter = { code: 0x0000, control: BINARY_LIST, value: Uint8Array.of(0, 0, 0xff, 0) };

/** Those of every device, for a type's table, which is in ascending order. */
export const PRIMARY_LOG_PAGES = {
  supported: { code: 0x00, name: "Supported Log Pages" },
  informationalExceptions: { code: 0x2f, name: "Informational Exceptions", parameters: () => [NO_EXCEPTION] },
} as const satisfies Record<string, LogPage<Device>>;

const PARAMETER_HEADER = 4;

/** Writes a parameter at `at`; returns where the next one goes. */
export function writeParameter(bytes: Uint8Array, at: number, { code, control, value }: LogParameter): number {
  put16(bytes, at, code);
  bytes[at + 2] = control;
  bytes[at + 3] = value.length;
  bytes.set(value, at + PARAMETER_HEADER);
  return at + PARAMETER_HEADER + value.length;
}
