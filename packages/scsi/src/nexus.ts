// Knows one I_T nexus: which tasks of an initiator are under way, and which unit attentions it is owed.
// Knows no transport and no device type.

import { assert, nullProbes, type Probes } from "@pvscsi/wire";
import { COMMANDS } from "./cdb.js";
import type { LogicalUnit, UnitEvent } from "./logical-unit.js";
import { REPORT_LUNS_UNIT } from "./lun.js";
import type { ManagementRequest } from "./management.js";
import { endWithSense, SENSE, type Sense } from "./sense.js";
import type { Target } from "./target.js";
import { type NexusIdentity, nexusKey, Status, type Task, type TaskNexus } from "./task.js";
import { localTransportId, type TransportId } from "./transport-id.js";
import { Attentions, attentionFor, passesAttention } from "./unit-attention.js";

export interface NexusOptions {
  /** The initiator's name, for people. */
  readonly initiator?: string;
  /** Whose port it is; one that the initiator's name decides where it is not said. Reservations are remembered by it. */
  readonly initiatorPort?: TransportId;
  /** Which of the target's ports it came to; the first where it is not said. */
  readonly targetPort?: number;
  readonly probes?: Probes;
  /** Whether the initiator's wire can name the REPORT LUNS well-known logical unit; it is there then. */
  readonly wellKnown?: boolean;
}

/** The I_T_L nexus: one logical unit as this initiator sees it. */
interface Place {
  readonly unit: LogicalUnit;
  readonly attentions: Attentions;
  readonly leave: () => void;
}

/**
 * An initiator's connection to a target. Tasks are executed in the order of submission; one that is submitted while
 * another is being executed, i.e. from a completion, begins as soon as that call has returned, so that long chains of
 * synchronous completions need no stack.
 */
export class Nexus implements TaskNexus {
  readonly initiator: string;
  readonly identity: NexusIdentity;
  readonly wellKnownLuns: readonly number[];
  readonly #target: Target;
  readonly #probes: Probes;
  readonly #places = new Map<number, Place>();
  readonly #disconnect: () => void;
  #open = true;
  /** Tasks under way are the first `#count`; the array never shrinks, so that it is never grown again. */
  readonly #tasks: (Task | null)[] = [];
  #count = 0;
  #executing = false;
  /** Tasks that wait for it are linked from the first to the last. */
  #firstWaiting: Task | null = null;
  #lastWaiting: Task | null = null;

  constructor(target: Target, options: NexusOptions = {}) {
    const { initiator = "", probes = nullProbes, wellKnown = false } = options;
    this.initiator = initiator;
    this.identity = identityOf(target, options);
    this.wellKnownLuns = wellKnown ? [REPORT_LUNS_UNIT] : [];
    this.#target = target;
    this.#probes = probes;
    for (const lun of target.luns) this.#place(lun, target.get(lun) as LogicalUnit);
    for (const lun of this.wellKnownLuns) this.#place(lun, target.reportLuns);
    this.#disconnect = target.connect(this);
  }

  get name(): string {
    return this.#target.name;
  }

  get open(): boolean {
    return this.#open;
  }

  get targetPorts(): readonly number[] {
    return this.#target.ports;
  }

  /** Tasks under way. */
  get underWay(): number {
    return this.#count;
  }

  /** Takes a task whose `completed` is set; it comes back exactly once, perhaps before this returns. */
  submit(task: Task): void {
    task.begin();
    task.nexus = this;
    task.slot = this.#count;
    this.#tasks[this.#count++] = task;
    if (this.#probes.listening) this.#probes.emit("task:begin", task);
    if (this.#executing) return this.#wait(task);
    this.#executing = true;
    try {
      this.#execute(task);
      while (this.#firstWaiting !== null) this.#execute(this.#takeWaiting(this.#firstWaiting));
    } finally {
      this.#executing = false;
    }
  }

  #wait(task: Task): void {
    task.waiting = true;
    if (this.#lastWaiting === null) this.#firstWaiting = task;
    else this.#lastWaiting.next = task;
    this.#lastWaiting = task;
  }

  #takeWaiting(first: Task): Task {
    this.#firstWaiting = first.next;
    if (first.next === null) this.#lastWaiting = null;
    first.next = null;
    first.waiting = false;
    return first;
  }

  #execute(task: Task): void {
    if (!this.#open) task.aborted = true;
    if (task.aborted) return task.end(Status.taskAborted);
    const place = this.#places.get(task.lun);
    if (place === undefined) return this.#target.missing.execute(task);
    if (place.attentions.pending && !passesAttention(task.cdb[0])) {
      if (place.unit.conflicts?.(task)) return task.end(Status.reservationConflict);
      const sense = place.attentions.take() as Sense;
      return endWithSense(task, sense, { descriptor: place.unit.descriptorSense === true });
    }
    place.unit.execute(task);
  }

  ended(task: Task): void {
    if (this.#probes.listening) this.#probes.emit("task:end", task);
    const last = this.#tasks[--this.#count] as Task;
    this.#tasks[task.slot] = last;
    last.slot = task.slot;
    this.#tasks[this.#count] = null;
    task.nexus = null;
    const { endings } = this.#target;
    if (endings.none) return task.completed(task);
    const complete = endings.taskEnded(task);
    task.completed(task);
    for (const completed of complete) completed();
  }

  reportLuns(): readonly number[] {
    for (const { attentions } of this.#places.values()) attentions.remove(SENSE.reportedLunsChanged);
    return this.#target.luns;
  }

  protects(lun: number): boolean {
    return this.#target.protects(lun);
  }

  findLun(wanted: (unit: LogicalUnit) => boolean): number | undefined {
    for (const [lun, { unit }] of this.#places) if (wanted(unit)) return lun;
    return undefined;
  }

  unitAt(lun: number): LogicalUnit | undefined {
    return this.#places.get(lun)?.unit;
  }

  takeAttention(lun: number): Sense | null {
    return this.#places.get(lun)?.attentions.take() ?? null;
  }

  /** Performs a task management function; completes when every task it ended has ended. */
  manage(request: ManagementRequest): void {
    if (request.function === "target-reset") return this.#resetTarget(request);
    if (request.function === "i-t-nexus-reset") return this.#resetNexus(request);
    const place = this.#places.get(request.lun);
    if (place === undefined) return request.completed("incorrect-logical-unit-number");
    const complete = (): void => request.completed("function-complete");
    switch (request.function) {
      case "query-task":
        return request.completed(this.#find(request) === null ? "task-does-not-exist" : "function-succeeded");
      case "query-task-set":
        return request.completed(this.tasksAt(request.lun).length > 0 ? "function-succeeded" : "function-complete");
      case "abort-task": {
        const victim = this.#find(request);
        if (victim === null) return request.completed("task-does-not-exist");
        return this.#endTasks([victim], complete);
      }
      case "abort-task-set":
        return this.#endTasks(this.tasksAt(request.lun), complete);
      case "clear-task-set":
        return this.#clearTaskSet(request.lun, complete);
      case "logical-unit-reset":
        this.#endTasks(this.#everyonesTasksAt(request.lun), complete, () => place.unit.reset());
    }
  }

  /** Ends every task and lets go of the target: resolves when the last task has ended. */
  close(): Promise<void> {
    this.#open = false;
    this.#disconnect();
    for (const { leave } of this.#places.values()) leave();
    return new Promise((resolve) => this.#endTasks(this.#all(), resolve));
  }

  /** Called by the target. */
  lunAdded(lun: number, unit: LogicalUnit): void {
    for (const { attentions } of this.#places.values()) attentions.add(SENSE.reportedLunsChanged);
    this.#place(lun, unit);
  }

  #place(lun: number, unit: LogicalUnit): void {
    const attentions = new Attentions();
    attentions.add(SENSE.powerOn);
    const unlisten = unit.listen((event, cause) => this.#heard(lun, attentions, event, cause));
    const disconnect = unit.connect?.({
      nexus: this,
      attend: (sense) => attentions.add(sense),
      abortTasks: (except, ended) => this.#endTasks(this.#preemptedAt(lun, except), ended),
    });
    const leave = (): void => {
      unlisten();
      disconnect?.();
    };
    this.#places.set(lun, { unit, attentions, leave });
  }

  /** Called by the target; resolves when no task at that LUN is under way any more. */
  lunRemoved(lun: number): Promise<void> {
    const place = this.#places.get(lun);
    place?.leave();
    this.#places.delete(lun);
    for (const { attentions } of this.#places.values()) attentions.add(SENSE.reportedLunsChanged);
    return new Promise((resolve) => {
      this.#target.endings.endAll(this.tasksAt(lun), (task) => this.abort(task, place?.unit), resolve);
    });
  }

  /** What PREEMPT AND ABORT ends: tasks at a LUN, and copies wherever they are, which may be from or to it (SPC-4 5.13.11.2.6). */
  #preemptedAt(lun: number, except: Task): Task[] {
    const isCopy = ({ cdb }: Task): boolean => cdb[0] === COMMANDS.extendedCopy.opcode;
    return this.#all().filter((task) => task !== except && (task.lun === lun || isCopy(task)));
  }

  /** The tasks under way at a LUN. */
  tasksAt(lun: number): Task[] {
    return this.#all().filter((task) => task.lun === lun);
  }

  /** Asks that a task of this nexus end; it ends by itself where it has not begun. */
  abort(task: Task, unit = this.#places.get(task.lun)?.unit): void {
    if (task.aborted) return;
    task.aborted = true;
    if (!task.waiting) unit?.abort(task);
  }

  /** A unit attention at a LUN that is none of the unit's own events. */
  attend(lun: number, sense: Sense): void {
    this.#places.get(lun)?.attentions.add(sense);
  }

  #heard(lun: number, attentions: Attentions, event: UnitEvent, cause: Task | null): void {
    // Who brought it about knows by its status: so SPC-4 has it for mode parameters, and tgt for a loaded medium.
    if (cause?.nexus === this) return;
    attentions.add(attentionFor(event));
    // Somebody else may have reset it, through another target: what is under way here ends as well.
    if (event === "reset") for (const task of this.tasksAt(lun)) this.abort(task);
  }

  #all(): Task[] {
    return this.#tasks.slice(0, this.#count) as Task[];
  }

  #find({ lun, tag }: ManagementRequest): Task | null {
    return this.#all().find((task) => task.lun === lun && task.tag === tag) ?? null;
  }

  #everyonesTasksAt(lun: number): Task[] {
    return this.#target.nexuses.flatMap((nexus) => nexus.tasksAt(lun));
  }

  /** Aborts `tasks`, does `then` while they are ending, and completes when all have ended. */
  #endTasks(tasks: readonly Task[], complete: () => void, then: () => void = () => {}): void {
    let ended = false;
    let done = false;
    const both = (): void => {
      if (ended && done) complete();
    };
    const abort = (task: Task): void => (task.nexus as Nexus).abort(task);
    this.#target.endings.endAll(tasks, abort, () => {
      ended = true;
      both();
    });
    then();
    done = true;
    both();
  }

  /** Initiators whose tasks were cleared by another hear of it (SAM-5 7.5). */
  #clearTaskSet(lun: number, complete: () => void): void {
    const tasks = this.#everyonesTasksAt(lun);
    for (const nexus of new Set(tasks.map((task) => task.nexus as Nexus))) {
      if (nexus !== this) nexus.attend(lun, SENSE.commandsCleared);
    }
    this.#endTasks(tasks, complete);
  }

  /** Only what is this initiator's ends, and only it hears of it (SAM-5 7.6). */
  #resetNexus(request: ManagementRequest): void {
    this.#endTasks(this.#all(), () => request.completed("function-complete"));
    for (const { attentions, unit } of this.#places.values()) {
      attentions.add(SENSE.nexusLossOccurred);
      unit.nexusLost?.(this);
    }
  }

  #resetTarget(request: ManagementRequest): void {
    const tasks = this.#target.nexuses.flatMap((nexus) => nexus.#all());
    const resetAll = (): void => {
      for (const lun of this.#target.luns) this.#target.get(lun)?.reset();
    };
    this.#endTasks(tasks, () => request.completed("function-complete"), resetAll);
  }
}

function identityOf(target: Target, { initiator = "", initiatorPort, targetPort }: NexusOptions): NexusIdentity {
  const port = targetPort ?? target.ports[0];
  assert(target.ports.includes(port), `target ${target.name} has no port ${port}`);
  const initiatorIs = initiatorPort ?? localTransportId(`initiator ${initiator}`);
  return { initiatorPort: initiatorIs, targetPort: port, key: nexusKey(initiatorIs, port) };
}
