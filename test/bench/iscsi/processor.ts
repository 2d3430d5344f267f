// Knows how much processor time a process has used, all its threads together, as Linux tells it (proc_pid_stat(5)).

import { readFile } from "node:fs/promises";

/** Microseconds. */
export interface ProcessorTime {
  readonly user: number;
  readonly system: number;
}

/** USER_HZ is 100 on every architecture that Node runs on. */
const TICK = 10_000;
/** Fields behind the program's name, which may contain anything but is followed by the last parenthesis. */
const UTIME = 11;
const STIME = 12;

/** Throws where there is no such process. */
export async function processorTime(pid: number): Promise<ProcessorTime> {
  return readStat(await readFile(`/proc/${pid}/stat`, "latin1"));
}

export function readStat(text: string): ProcessorTime {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { user: Number(fields[UTIME]) * TICK, system: Number(fields[STIME]) * TICK };
}
