// Knows what a domain does at a moment, as xl shows it, where a domain is a process: what the kernel says of that.

import { readFileSync } from "node:fs";

/** xl's letters, in its order; `-` stands where one does not hold. */
const LETTERS = ["r", "b", "p", "s", "c", "d"] as const;
export type ActivityLetter = (typeof LETTERS)[number];

export interface Activity {
  /** Runs, waits for something (blocked), or stands still (paused). */
  readonly state: ActivityLetter;
  /** Seconds of processors' time that it has used. */
  readonly time: number;
}

/** What a domain without a process of its own here does: it waits. */
export const WAITING: Activity = { state: "b", time: 0 };
/** One that nobody has started yet. */
export const PAUSED: Activity = { state: "p", time: 0 };

/** USER_HZ: what /proc counts in, on every machine that Node runs on. */
const TICKS = 100;
/** Fields of proc(5)'s stat from the state on, behind the name, which may have blanks in it. */
const UTIME = 11;
const STIME = 12;

/** Of a process of this machine; as of one that waits where there is no /proc, or the process is gone. */
export function activityOf(pid: number): Activity {
  const fields = statFields(pid);
  if (fields === null) return WAITING;
  const time = (Number(fields[UTIME]) + Number(fields[STIME])) / TICKS;
  return { state: letterOf(fields[0]), time };
}

/** `-b----` */
export function activityText({ state }: Activity): string {
  return LETTERS.map((letter) => (letter === state ? letter : "-")).join("");
}

function letterOf(state: string): ActivityLetter {
  if (state === "R") return "r";
  return state === "T" || state === "t" ? "p" : "b";
}

function statFields(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}
