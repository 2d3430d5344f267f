// Knows the log pages of a disk (SPC-4 7.3): one table lists, writes and sets them back.

import { put16, put64 } from "../big-endian.js";
import type { DiskCounters, ErrorCounters, PageCounters, Statistics } from "./counters.js";

export interface LogParameter {
  readonly code: number;
  /** Its parameter control byte. */
  readonly control: number;
  readonly value: Uint8Array;
}

export interface LogPage {
  readonly code: number;
  readonly name: string;
  /** Its counters, where it has some that an initiator can set back. */
  readonly counters?: (counters: DiskCounters) => PageCounters;
  /** What it tells; absent of the page that lists the others. */
  readonly parameters?: (counters: DiskCounters, blockSize: number) => readonly LogParameter[];
}

/** In ascending order. */
export const LOG_PAGES: readonly LogPage[] = [
  { code: 0x00, name: "Supported Log Pages" },
  errorPage(0x02, "Write Error Counters", ({ write }) => write),
  errorPage(0x03, "Read Error Counters", ({ read }) => read),
  errorPage(0x05, "Verify Error Counters", ({ verify }) => verify),
  {
    code: 0x19,
    name: "General Statistics and Performance",
    counters: ({ statistics }) => statistics,
    parameters: ({ statistics }, blockSize) => [generalStatistics(statistics, blockSize)],
  },
  { code: 0x2f, name: "Informational Exceptions", parameters: () => [NO_EXCEPTION] },
];

/** FORMAT AND LINKING: a counter without a bound, and a list of bytes. */
const UNBOUNDED = 0x02;
const BINARY_LIST = 0x03;

/** None of the mode page's exceptions was reported, and the temperature is not known. */
const NO_EXCEPTION: LogParameter = { code: 0x0000, control: BINARY_LIST, value: Uint8Array.of(0, 0, 0xff, 0) };

const TOTAL_BYTES = 0x0005;
const TOTAL_UNCORRECTED = 0x0006;

/** SPC-4 7.3.5: the parameters of which something is known. Errors are corrected out of sight, by whatever is below. */
function errorPage(code: number, name: string, counters: (counters: DiskCounters) => ErrorCounters): LogPage {
  const parameters = (all: DiskCounters): LogParameter[] => {
    const { bytes, uncorrected } = counters(all);
    return [counter(TOTAL_BYTES, bytes), counter(TOTAL_UNCORRECTED, uncorrected)];
  };
  return { code, name, counters, parameters };
}

function counter(code: number, count: number): LogParameter {
  const value = new Uint8Array(8);
  put64(value, 0, count);
  return { code, control: UNBOUNDED, value };
}

/**
 * SPC-4 7.3.9. No times are taken, as that would be paid by each command: what is told of processing and idle times is zero, or is not
 * there, as with disks that do not support it.
 */
function generalStatistics({ reads, writes }: Statistics, blockSize: number): LogParameter {
  const value = new Uint8Array(64);
  put64(value, 0, reads.commands.value);
  put64(value, 8, writes.commands.value);
  put64(value, 16, writes.bytes.value / blockSize);
  put64(value, 24, reads.bytes.value / blockSize);
  return { code: 0x0001, control: UNBOUNDED, value };
}

const PARAMETER_HEADER = 4;

/** Writes a parameter at `at`; returns where the next one goes. */
export function writeParameter(bytes: Uint8Array, at: number, { code, control, value }: LogParameter): number {
  put16(bytes, at, code);
  bytes[at + 2] = control;
  bytes[at + 3] = value.length;
  bytes.set(value, at + PARAMETER_HEADER);
  return at + PARAMETER_HEADER + value.length;
}
