// Knows how the task manager performs a function for one nexus: whose tasks it ends, and who hears of that (SAM-4 5.6).

import type { LogicalUnit } from "./logical-unit.js";
import { Ending, endTasks, type ManagementRequest } from "./management.js";
import type { Nexus } from "./nexus.js";
import type { Place } from "./place.js";
import { SENSE } from "./sense.js";
import type { Target } from "./target.js";
import type { Task, TaskNexus } from "./task.js";

export class TaskManager {
  readonly #nexus: Nexus;
  readonly #target: Target;

  constructor(nexus: Nexus, target: Target) {
    this.#nexus = nexus;
    this.#target = target;
  }

  /** Completes when every task it ended has ended. */
  manage(request: ManagementRequest): void {
    if (request.function === "target-reset") return this.#resetTarget(request);
    if (request.function === "i-t-nexus-reset") return this.#resetNexus(request);
    const place = this.#nexus.placeAt(request.lun);
    if (place === undefined) return request.completed("incorrect-logical-unit-number");
    this.#manageAt(place, request);
  }

  #manageAt(place: Place, request: ManagementRequest): void {
    const complete = (): void => request.completed("function-complete");
    switch (request.function) {
      case "query-task":
        return request.completed(this.#find(request) === undefined ? "task-does-not-exist" : "function-succeeded");
      case "query-task-set":
        return request.completed(
          this.#nexus.tasksAt(request.lun).length > 0 ? "function-succeeded" : "function-complete",
        );
      case "query-asynchronous-event":
        return queryEvent(place, request);
      case "abort-task": {
        const victim = this.#find(request);
        if (victim === undefined) return request.completed("task-does-not-exist");
        return endTasks([victim], silently, complete);
      }
      case "abort-task-set":
        return endTasks(this.#nexus.tasksAt(request.lun), silently, complete);
      case "clear-task-set":
        return this.#clear(place, complete);
      case "logical-unit-reset":
        return this.#reset([place.unit], complete);
    }
  }

  #find({ lun, tag }: ManagementRequest): Task | undefined {
    return this.#nexus.tasks().find((task) => task.lun === lun && task.tag === tag);
  }

  /** PREEMPT AND ABORT ends tasks of this nexus at a place, and copies from or to it (SPC-4 5.13.11.2.6). */
  preempt(place: Place, except: Task, ended: () => void): void {
    const isMeant = (task: Task): boolean => task.lun === place.lun || copies(task, place);
    const tasks = this.#nexus.tasks().filter((task) => task !== except && isMeant(task));
    clear(tasks, except.nexus as TaskNexus, ended);
  }

  /** What a CHECK CONDITION at a place ends besides its own task (SPC-4 7.5.8, QERR). */
  failed(place: Place): void {
    const { errorEnds } = place.taskSet.rules;
    if (errorEnds === "nothing") return;
    const tasks = errorEnds === "own" ? this.#nexus.tasksAt(place.lun) : tasksOf([place.unit]);
    clear(tasks, this.#nexus, () => {});
  }

  /** Units go back to what they were at power on while their tasks are ending. */
  #reset(units: readonly LogicalUnit[], completed: () => void): void {
    const third = afterAll(3, completed);
    interruptCopies(units, third);
    endTasks(tasksOf(units), (task) => tells(task, this.#nexus), third);
    for (const unit of units) unit.reset();
    third();
  }

  #clear(place: Place, completed: () => void): void {
    const half = afterAll(2, completed);
    interruptCopies([place.unit], half);
    clear(tasksOf([place.unit]), this.#nexus, half);
  }

  #resetTarget(request: ManagementRequest): void {
    const units = this.#target.luns.map((lun) => this.#target.get(lun) as LogicalUnit);
    this.#reset(units, () => request.completed("function-complete"));
  }

  /** Only what is this initiator's ends, and only it hears of it (SAM-5, I_T NEXUS RESET). */
  #resetNexus(request: ManagementRequest): void {
    endTasks(this.#nexus.tasks(), silently, () => request.completed("function-complete"));
    for (const { attentions, unit } of this.#nexus.places()) {
      attentions.add(SENSE.nexusLossOccurred);
      unit.nexusLost?.(this.#nexus);
    }
  }
}

function queryEvent({ attentions }: Place, { completed }: ManagementRequest): void {
  const { first, count } = attentions;
  if (first === null) completed("function-complete");
  else completed("function-succeeded", { sense: first, more: count > 1 });
}

/** The tasks of all initiators at units, by whichever target they reach them. */
function tasksOf(units: readonly LogicalUnit[]): Task[] {
  return units.flatMap(({ taskSet }) => [...taskSet.places].flatMap(({ nexus, lun }) => nexus.tasksAt(lun)));
}

/** Whether a task is at another unit and copies from or to that of a place. */
function copies(task: Task, { nexus, unit }: Place): boolean {
  const at = nexus.unitAt(task.lun);
  return at !== undefined && at !== unit && at.copiesBy?.(task, unit) === true;
}

/** Copies from or to units end with those units' tasks, but as errors of their own; `ended` follows when the last has. */
function interruptCopies(units: readonly LogicalUnit[], ended: () => void): void {
  const found = units.flatMap((unit) =>
    [...unit.taskSet.places].flatMap((place) =>
      place.nexus
        .tasks()
        .filter((task) => copies(task, place))
        .map((task) => ({ task, at: place.nexus.unitAt(task.lun) as LogicalUnit, unit })),
    ),
  );
  if (found.length === 0) return ended();
  const tasks = [...new Set(found.map(({ task }) => task))];
  const ending = new Ending(tasks, ended);
  for (const { task, at, unit } of found) if (task.endings?.includes(ending)) at.interrupt?.(task, unit);
}

/** Calls `completed` when it has been called `count` times itself. */
function afterAll(count: number, completed: () => void): () => void {
  return () => {
    count -= 1;
    if (count === 0) completed();
  };
}

/** Whoever asked for the end of its own tasks hears of it by the function's response alone (SAM-4 5.6). */
const silently = (): boolean => false;

/** Others are told as TAS of the unit says (SAM-4 5.6.3), of resets as well where an initiator asked for them. */
function tells({ nexus, lun }: Task, by: TaskNexus): boolean {
  return nexus !== by && (nexus as Nexus).placeAt(lun)?.taskSet.rules.tellsAborted === true;
}

/**
 * Ends tasks because one nexus wants it; the others are told by TASK ABORTED, or by a unit attention (SAM-4 5.6.3, SPC-4 7.5.8). After
 * PREEMPT AND ABORT it stands beside REGISTRATIONS PREEMPTED, as SCST has it.
 */
function clear(tasks: readonly Task[], by: TaskNexus, completed: () => void): void {
  for (const task of tasks) {
    if (task.aborted || task.nexus === by || tells(task, by)) continue;
    (task.nexus as Nexus).placeAt(task.lun)?.attentions.add(SENSE.commandsCleared);
  }
  endTasks(tasks, (task) => tells(task, by), completed);
}
