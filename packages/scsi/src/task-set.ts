// Knows the task set of a logical unit: which of its tasks may be executed now, as their attributes say (SAM-5, task set management). Every
// nexus of every target that has the unit shares it (TST 000b). Knows no command.

import { Queue } from "@pvscsi/wire";
import type { Place } from "./place.js";
import { endWithSense, SENSE } from "./sense.js";
import { Status, type Task, type TaskNexus } from "./task.js";

/** What the control mode page says of a task set (SPC-4 7.5.8). */
export interface TaskSetRules {
  /** TAS: those whose tasks another initiator ends are told by TASK ABORTED, else by a unit attention alone. */
  readonly tellsAborted: boolean;
  /** QERR: what a CHECK CONDITION ends besides its own task: nothing, the tasks of all, or those of the same nexus. */
  readonly errorEnds: "nothing" | "everyones" | "own";
}

/** Those of a unit without a control mode page. */
const DEFAULT_RULES: TaskSetRules = { tellsAborted: false, errorEnds: "nothing" };

/** More than any initiator has under way that does not mean to be told. */
export const DEFAULT_DEPTH = 1024;

export class TaskSet {
  /** The I_T_L nexuses whose tasks it has. */
  readonly places = new Set<Place>();
  /** Tasks that one nexus may have in it; those beyond end with TASK SET FULL. */
  readonly depth: number;
  readonly #rules: () => TaskSetRules;
  /** Those that wait for others, in the order in which they came. */
  readonly #dormant = new Queue<Task>();
  /** Tasks that were let in and have not ended; how many of them are HEAD OF QUEUE, and ORDERED: none or one. */
  #enabled = 0;
  #heads = 0;
  #ordered = 0;
  /** Those of them that others may have to wait for, and those that wait: while there are none, each may begin. */
  #restraints = 0;
  #waking = false;

  constructor(rules: () => TaskSetRules = () => DEFAULT_RULES, depth = DEFAULT_DEPTH) {
    this.depth = depth;
    this.#rules = rules;
  }

  get rules(): TaskSetRules {
    return this.#rules();
  }

  /**
   * Takes a task: true where it may be executed now. Else it has ended, or it is dormant: its nexus hears by `proceed`
   * when its turn has come.
   */
  enter(task: Task, place: Place): boolean {
    if (place.underWay >= place.depth) return this.#refuse(task);
    if (this.#restraints > 0 || task.attribute !== "simple") return this.#enterInOrder(task, place);
    task.place = place;
    place.underWay += 1;
    this.#enabled += 1;
    return true;
  }

  /** There is a task of that nexus at least, or none would ever be taken: so it is not BUSY (SAM-5, TASK SET FULL). */
  #refuse(task: Task): false {
    task.end(Status.taskSetFull);
    return false;
  }

  #enterInOrder(task: Task, place: Place): boolean {
    const { attribute } = task;
    if (attribute === "aca" || attribute === "reserved") {
      const descriptor = place.unit.descriptorSense === true;
      endWithSense(task, SENSE.invalidMessageError, { descriptor });
      return false;
    }
    task.place = place;
    place.underWay += 1;
    if (attribute === "head-of-queue" || (this.#dormant.length === 0 && this.#mayBegin(task))) {
      this.#begin(task);
      return true;
    }
    task.dormant = true;
    this.#restraints += 1;
    this.#dormant.push(task);
    return false;
  }

  /** Of the oldest that waits: SIMPLE waits for each HEAD OF QUEUE and what is ORDERED before it, ORDERED for all (SAM-5, task attributes). */
  #mayBegin({ attribute }: Task): boolean {
    if (attribute === "ordered") return this.#enabled === 0;
    return this.#heads + this.#ordered === 0;
  }

  #begin({ attribute }: Task): void {
    this.#enabled += 1;
    if (attribute === "simple") return;
    this.#restraints += 1;
    if (attribute === "ordered") this.#ordered += 1;
    else this.#heads += 1;
  }

  /** A task has ended, dormant or not; true where `wake` is due once its initiator has heard of that. */
  leave(task: Task, place: Place): boolean {
    place.underWay -= 1;
    if (this.#restraints > 0) return this.#leaveInOrder(task);
    this.#enabled -= 1;
    return false;
  }

  #leaveInOrder(task: Task): boolean {
    const { attribute, dormant } = task;
    if (dormant) this.#dormant.remove(task);
    else this.#enabled -= 1;
    task.dormant = false;
    if (dormant || attribute !== "simple") this.#restraints -= 1;
    if (!dormant && attribute === "ordered") this.#ordered -= 1;
    if (!dormant && attribute === "head-of-queue") this.#heads -= 1;
    return this.#dormant.length > 0;
  }

  /** Lets in those whose turn has come. One of them may end at once, which comes back here: one loop starts all. */
  wake(): void {
    if (this.#waking) return;
    this.#waking = true;
    while (this.#dormant.length > 0 && this.#mayBegin(this.#dormant.first())) {
      const task = this.#dormant.shift();
      this.#restraints -= 1;
      task.dormant = false;
      this.#begin(task);
      (task.nexus as TaskNexus).proceed(task);
    }
    this.#waking = false;
  }
}
