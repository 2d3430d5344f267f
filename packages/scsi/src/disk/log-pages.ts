// Knows the log pages of a disk (SPC-4 7.3): one table lists, writes and sets them back.

import { put64 } from "../big-endian.js";
import { type LogPage, type LogParameter, type LogValues, PRIMARY_LOG_PAGES, UNBOUNDED } from "../device/log-pages.js";
import { DiskCounters, type ErrorCounters } from "./counters.js";
import type { Disk } from "./disk.js";

/** In ascending order. */
export const LOG_PAGES: readonly LogPage<Disk>[] = [
  PRIMARY_LOG_PAGES.supported,
  errorPage(0x02, "Write Error Counters", ({ write }) => write),
  errorPage(0x03, "Read Error Counters", ({ read }) => read),
  errorPage(0x05, "Verify Error Counters", ({ verify }) => verify),
  {
    code: 0x19,
    name: "General Statistics and Performance",
    counters: ({ counters }) => counters.statistics,
    parameters: (disk, values) => [generalStatistics(countersOf(disk, values), disk.blockSize)],
  },
  PRIMARY_LOG_PAGES.informationalExceptions,
];

const AT_POWER_ON = new DiskCounters();

function countersOf({ counters }: Disk, values: LogValues): DiskCounters {
  return values === "cumulative" ? counters : AT_POWER_ON;
}

const TOTAL_BYTES = 0x0005;
const TOTAL_UNCORRECTED = 0x0006;

/** SPC-4 7.3.5: the parameters of which something is known. Errors are corrected out of sight, by whatever is below. */
function errorPage(code: number, name: string, of: (counters: DiskCounters) => ErrorCounters): LogPage<Disk> {
  const parameters = (disk: Disk, values: LogValues): LogParameter[] => {
    const { bytes, uncorrected } = of(countersOf(disk, values));
    return [counter(TOTAL_BYTES, bytes), counter(TOTAL_UNCORRECTED, uncorrected)];
  };
  return { code, name, counters: ({ counters }) => of(counters), parameters };
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
function generalStatistics({ statistics: { reads, writes } }: DiskCounters, blockSize: number): LogParameter {
  const value = new Uint8Array(64);
  put64(value, 0, reads.commands.value);
  put64(value, 8, writes.commands.value);
  put64(value, 16, writes.bytes.value / blockSize);
  put64(value, 24, reads.bytes.value / blockSize);
  return { code: 0x0001, control: UNBOUNDED, value };
}
