// Knows how a copy manager (SPC-4 5.17) copies: it reads from one logical unit and writes to another with commands of its own, in the
// name of the initiator that asked, so that reservations, limits and errors are those units' own.

import { Places, Pool } from "@pvscsi/wire";
import { put32, put64 } from "../big-endian.js";
import { COMMANDS } from "../cdb.js";
import type { LogicalUnit } from "../logical-unit.js";
import { SENSE, type Sense } from "../sense.js";
import { Status, Task, type TaskNexus } from "../task.js";
import { type CopyFailure, type Party, partyOf, writeCopyFailure } from "./failure.js";
import { COPY_LIMITS } from "./limits.js";
import { type CopyResult, CopyResults } from "./results.js";

/** A logical unit that is copied from or to. */
export interface CopyUnit {
  readonly lun: number;
  readonly unit: LogicalUnit;
  readonly blockSize: number;
}

/** A segment whose units are found. */
export interface CopyJob {
  readonly source: CopyUnit;
  readonly destination: CopyUnit;
  readonly sourceLba: number;
  readonly destinationLba: number;
  /** Whole blocks of both. */
  readonly bytes: number;
}

/** Bytes read before they are written. */
const CHUNK = 256 << 10;

/** A command of the copy manager's own: its nexus is the initiator's, which does not know of it. */
class OwnTask extends Task {
  override end(status: number): void {
    this.nexus = null;
    super.end(status);
  }
}

/** One EXTENDED COPY under way. */
class Copy {
  pooled = true;
  task: Task | null = null;
  nexus: TaskNexus | null = null;
  jobs: readonly CopyJob[] = [];
  result: CopyResult | null = null;
  descriptorSense = false;
  /** Which job it is at, how much of it is done, and how much of the buffer is to be written. */
  index = 0;
  done = 0;
  filled = 0;
  running = false;
  again = false;
  /** As what the unit serves that has ended what was under way there. */
  interrupted: Party["role"] | null = null;
  /** The unit that has `own` now. */
  at: LogicalUnit | null = null;
  readonly own = new OwnTask();
  readonly buffer = new Uint8Array(CHUNK);
}

export class CopyManager {
  readonly results = new CopyResults();
  readonly #copies = new Pool(() => this.#make());
  readonly #underWay = new Map<Task, Copy>();

  get full(): boolean {
    return this.#copies.taken >= COPY_LIMITS.concurrent;
  }

  /** Copies one job after the other and ends the task; `result` tells how far it is. */
  begin(task: Task, jobs: readonly CopyJob[], result: CopyResult, descriptorSense: boolean): void {
    const copy = this.#copies.take();
    copy.task = task;
    copy.nexus = task.nexus;
    copy.jobs = jobs;
    copy.result = result;
    copy.descriptorSense = descriptorSense;
    copy.index = 0;
    copy.done = 0;
    copy.filled = 0;
    copy.interrupted = null;
    this.#underWay.set(task, copy);
    this.#run(copy);
  }

  /** Asks that a copy end; false when the task is none. */
  abort(task: Task): boolean {
    const copy = this.#underWay.get(task);
    if (copy === undefined) return false;
    this.#abortOwn(copy);
    return true;
  }

  /** Whether a task is a copy from or to a unit. */
  uses(task: Task, unit: LogicalUnit): boolean {
    return this.#underWay.get(task)?.jobs.some((job) => roleOf(job, unit) !== null) ?? false;
  }

  /** A unit ends what is under way there: a copy that uses it ends as if its command there had ended with TASK ABORTED. */
  interrupt(task: Task, unit: LogicalUnit): void {
    const copy = this.#underWay.get(task);
    if (copy === undefined || copy.interrupted !== null) return;
    const used = copy.jobs.find((job) => roleOf(job, unit) !== null);
    if (used === undefined) return;
    copy.interrupted = roleOf(used, unit);
    if (copy.at === unit) this.#abortOwn(copy);
  }

  #abortOwn({ own, at }: Copy): void {
    if (at === null) return;
    own.aborted = true;
    at.abort(own);
  }

  #make(): Copy {
    const copy = new Copy();
    copy.own.completed = () => this.#served(copy);
    copy.own.data = new Places();
    return copy;
  }

  /** One loop issues all commands: a unit that ends one at once comes back here. */
  #run(copy: Copy): void {
    copy.again = true;
    if (copy.running) return;
    copy.running = true;
    while (copy.again) {
      copy.again = false;
      this.#advance(copy);
    }
    copy.running = false;
  }

  #advance(copy: Copy): void {
    const result = copy.result as CopyResult;
    if (copy.task?.aborted) return this.#end(copy, null);
    if (copy.interrupted !== null) return this.#failInterrupted(copy, copy.interrupted);
    while (copy.index < copy.jobs.length && copy.done === copy.jobs[copy.index].bytes) {
      copy.index += 1;
      copy.done = 0;
      result.segments += 1;
    }
    const job = copy.jobs.at(copy.index);
    if (job === undefined) {
      result.state = "completed";
      return this.#end(copy, null);
    }
    const { done } = copy;
    if (copy.filled > 0) this.#issue(copy, job.destination, job.destinationLba, done, copy.filled);
    else this.#issue(copy, job.source, job.sourceLba, done, Math.min(CHUNK, job.bytes - done));
  }

  #issue(copy: Copy, { lun, unit, blockSize }: CopyUnit, lba: number, done: number, length: number): void {
    const { own, nexus, buffer } = copy;
    // It may have been taken away since.
    if (nexus?.unitAt(lun) !== unit) return this.#fail(copy, SENSE.copyTargetDeviceNotReachable, null);
    const command = copy.filled > 0 ? COMMANDS.write16 : COMMANDS.read16;
    own.begin();
    own.nexus = nexus;
    own.lun = lun;
    own.cdb.fill(0, 0, command.length);
    own.cdb[0] = command.opcode;
    put64(own.cdb, 2, lba + done / blockSize);
    put32(own.cdb, 10, length / blockSize);
    own.cdbLength = command.length;
    own.direction = copy.filled > 0 ? "to-device" : "from-device";
    own.data.clear();
    own.data.add(buffer, 0, length);
    copy.at = unit;
    unit.execute(own);
  }

  #served(copy: Copy): void {
    const { own } = copy;
    copy.at = null;
    const length = own.data.length;
    if (copy.interrupted === null && !copy.task?.aborted && own.status !== Status.good) {
      const role = copy.filled > 0 ? "destination" : "source";
      return this.#fail(copy, SENSE.copyAborted, partyOf(role, own.status, own.sense.subarray(0, own.senseLength)));
    }
    if (copy.filled === 0) copy.filled = length;
    else {
      copy.filled = 0;
      copy.done += length;
      (copy.result as CopyResult).bytes += length;
    }
    this.#run(copy);
  }

  #failInterrupted(copy: Copy, role: Party["role"]): void {
    this.#fail(copy, SENSE.copyAborted, partyOf(role, Status.taskAborted, copy.own.sense));
  }

  #fail(copy: Copy, sense: Sense, party: Party | null): void {
    const result = copy.result as CopyResult;
    result.state = "failed";
    result.failure = { sense, segment: copy.index, party };
    this.#end(copy, result.failure);
  }

  #end(copy: Copy, failure: CopyFailure | null): void {
    const task = copy.task as Task;
    const { descriptorSense } = copy;
    if (copy.result?.state === "in-progress") copy.result.state = "failed";
    this.#underWay.delete(task);
    copy.task = null;
    copy.nexus = null;
    copy.jobs = [];
    copy.result = null;
    this.#copies.giveBack(copy);
    if (task.aborted) return task.end(Status.taskAborted);
    if (failure === null) return task.end(Status.good);
    endWithFailure(task, failure, descriptorSense);
  }
}

function roleOf({ source, destination }: CopyJob, unit: LogicalUnit): Party["role"] | null {
  if (destination.unit === unit) return "destination";
  return source.unit === unit ? "source" : null;
}

/** Ends a task with what went wrong. */
export function endWithFailure(task: Task, failure: CopyFailure, descriptorSense: boolean): void {
  task.senseLength = writeCopyFailure(task.sense, failure, descriptorSense);
  task.transferLength = 0;
  task.end(Status.checkCondition);
}
