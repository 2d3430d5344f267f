// Knows task management functions, and that one is complete only when the tasks it ended have really ended.

import type { Task } from "./task.js";

/** SAM-5 7.1. */
export type ManagementFunction =
  | "abort-task"
  | "abort-task-set"
  | "clear-task-set"
  | "logical-unit-reset"
  | "target-reset"
  | "i-t-nexus-reset"
  | "query-task"
  | "query-task-set";

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
  readonly completed: (response: ManagementResponse) => void;
}

/** The functions that wait for tasks to end; while there is none, ending a task costs one comparison. */
export class Endings {
  readonly #waiting: { readonly tasks: Set<Task>; readonly completed: () => void }[] = [];

  get none(): boolean {
    return this.#waiting.length === 0;
  }

  /**
   * Asks all of `tasks` to end by calling `abort` for each, and calls `completed` when the last has, at once if there
   * are none. A store may still be writing into the initiator's pages until then.
   */
  endAll(tasks: readonly Task[], abort: (task: Task) => void, completed: () => void): void {
    if (tasks.length === 0) return completed();
    const left = new Set(tasks);
    this.#waiting.push({ tasks: left, completed });
    // What one abort brings about may end another task, and its record may be in use for a new one by then.
    for (const task of tasks) if (left.has(task)) abort(task);
  }

  /** Takes an ended task off; returns the functions that waited for nothing else, to be called after its submitter. */
  taskEnded(task: Task): (() => void)[] {
    const complete: (() => void)[] = [];
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const { tasks, completed } = this.#waiting[i];
      if (!tasks.delete(task) || tasks.size > 0) continue;
      this.#waiting.splice(i, 1);
      complete.unshift(completed);
    }
    return complete;
  }
}
