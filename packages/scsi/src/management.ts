// Knows task management functions, and that one is complete only when the tasks it ended have really ended.

import type { Sense } from "./sense.js";
import type { Task } from "./task.js";

/** SAM-5's task management functions, and TARGET RESET, which is SAM-2's. */
export type ManagementFunction =
  | "abort-task"
  | "abort-task-set"
  | "clear-task-set"
  | "logical-unit-reset"
  | "target-reset"
  | "i-t-nexus-reset"
  | "query-task"
  | "query-task-set"
  | "query-asynchronous-event";

/**
 * SAM-5's service responses. "task-does-not-exist" is its FUNCTION COMPLETE for a task that is not there (any more),
 * told apart because some transports answer it with a failure (vscsiif) or a code of its own (iSCSI).
 */
export type ManagementResponse =
  | "function-complete"
  | "function-succeeded"
  | "task-does-not-exist"
  | "incorrect-logical-unit-number";

export interface ManagementRequest {
  readonly function: ManagementFunction;
  /** Unused by "target-reset" and "i-t-nexus-reset". */
  readonly lun: number;
  /** The task, for "abort-task" and "query-task". */
  readonly tag?: number;
  /** Called exactly once, perhaps before `Nexus.manage` returns. */
  readonly completed: (response: ManagementResponse, event?: PendingEvent) => void;
}

/** The unit attention that "query-asynchronous-event" has found, which stays where it is (SAM-5, QUERY ASYNCHRONOUS EVENT). */
export interface PendingEvent {
  readonly sense: Sense;
  /** Whether others wait behind it. */
  readonly more: boolean;
}

/** Tasks that somebody waits for to end; each of them has it in its list. */
export class Ending {
  #left: number;
  readonly #completed: () => void;

  constructor(tasks: readonly Task[], completed: () => void) {
    this.#left = tasks.length;
    this.#completed = completed;
    for (const task of tasks) {
      if (task.endings === null) task.endings = [this];
      else task.endings.push(this);
    }
  }

  taskEnded(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#completed();
  }
}

/**
 * Asks all of `tasks` to end, and calls `completed` when the last has, at once if there are none: a store may still be
 * writing into the initiator's pages until then. `tells` says whose initiator hears of it by TASK ABORTED.
 */
export function endTasks(tasks: readonly Task[], tells: (task: Task) => boolean, completed: () => void): void {
  if (tasks.length === 0) return completed();
  const ending = new Ending(tasks, completed);
  const fresh = tasks.filter(({ aborted }) => !aborted);
  // All of them before the first one ends: none that waited for it begins.
  for (const task of fresh) {
    task.aborted = true;
    task.tellsAborted = tells(task);
  }
  // What one end brings about may end another task, and its record may be in use for a new one by then.
  for (const task of fresh) if (task.endings?.includes(ending)) task.nexus?.endAborted(task);
}
