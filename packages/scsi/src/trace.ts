// Knows the text trace: one line a task, from the probes a nexus fires.

import type { Clock, ProbeListener } from "@pvscsi/wire";
import { describeCdb } from "./cdb.js";
import { decodeSense } from "./sense.js";
import { describeSense, statusName } from "./sense-text.js";
import { Status, type Task } from "./task.js";

/**
 * Listens to `task:begin` and `task:end` and writes, when a task ends,
 * `12.345678 scsi 0:0:1 READ(10) lba=2048 blocks=8 -> GOOD 4096 bytes 0.041 ms`: seconds, channel:target:lun, the
 * command, how it ended, how long it took.
 */
export function traceTasks(clock: Clock, write: (line: string) => void): ProbeListener {
  const began = new Map<Task, number>();
  return (name, subject) => {
    if (name === "task:begin") began.set(subject as Task, clock.now());
    if (name !== "task:end") return;
    const task = subject as Task;
    const now = clock.now();
    const start = began.get(task) ?? now;
    began.delete(task);
    write(`${(now / 1000).toFixed(6)} scsi ${describeTask(task)} ${(now - start).toFixed(3)} ms`);
  };
}

/** `0:0:1 READ(10) lba=2048 blocks=8 -> GOOD 4096 bytes`, for a task that has just ended. */
export function describeTask(task: Task): string {
  const address = `${task.nexus?.name ?? "?"}:${task.lun}`;
  return `${address} ${describeCdb(task.cdb, task.cdbLength)} -> ${describeOutcome(task)}`;
}

function describeOutcome(task: Task): string {
  if (task.aborted) return "aborted";
  const sense = task.status === Status.checkCondition ? decodeSense(task.sense, task.senseLength) : null;
  if (sense !== null) return `${statusName(task.status)} ${describeSense(sense)}`;
  return task.transferLength > 0 ? `${statusName(task.status)} ${task.transferLength} bytes` : statusName(task.status);
}
