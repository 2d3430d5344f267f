// Knows one I_T nexus: which tasks of an initiator are under way, and which unit attentions it is owed.
// Knows no transport and no device type.

import { assert, nullProbes, type Probes } from "@pvscsi/wire";
import type { LogicalUnit, UnitEvent } from "./logical-unit.js";
import { REPORT_LUNS_UNIT } from "./lun.js";
import { endTasks, type ManagementRequest } from "./management.js";
import { Place } from "./place.js";
import { endWithSense, SENSE, type Sense } from "./sense.js";
import type { Target } from "./target.js";
import { type NexusIdentity, nexusKey, Status, type Task, type TaskNexus } from "./task.js";
import { TaskManager } from "./task-manager.js";
import { localTransportId, type TransportId } from "./transport-id.js";
import { type Attentions, attentionFor, passesAttention } from "./unit-attention.js";

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
  /** Made at the first use of a LUN: of thousands, an initiator has few in use. Whatever it knows of a unit it has asked there. */
  readonly #places = new Map<number, Place>();
  readonly #leaving = new Map<Place, () => void>();
  readonly #manager: TaskManager;
  readonly #disconnect: () => void;
  #open = true;
  /** Whether LUNs have come or gone since it was last told which there are; the last that came, where none has since. */
  #lunsChanged = false;
  #newest: number | null = null;
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
    this.#manager = new TaskManager(this, target);
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

  get neighbours(): readonly TaskNexus[] {
    return this.#target.nexuses;
  }

  /** Tasks under way. */
  get underWay(): number {
    return this.#count;
  }

  /** Takes a task whose `completed` is set; it comes back exactly once, perhaps before this returns. */
  submit(task: Task): void {
    if (task.collecting) return this.#collected(task);
    this.#take(task);
    this.proceed(task);
  }

  #collected(task: Task): void {
    task.collecting = false;
    if (!task.waiting && !task.dormant) this.proceed(task);
  }

  /**
   * Takes a task whose data is still to come, at its place in the order of tasks. `submit` follows when the data has come,
   * unless it has ended before; whoever announced it may end it as well.
   */
  announce(task: Task): void {
    this.#take(task);
    task.collecting = true;
    this.proceed(task);
  }

  #take(task: Task): void {
    task.begin();
    task.nexus = this;
    task.slot = this.#count;
    this.#tasks[this.#count++] = task;
    if (this.#probes.listening) this.#probes.emit("task:begin", task);
  }

  /** Called by a task set as well: the task is executed, or waits for what is being executed. */
  proceed(task: Task): void {
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
    const place = task.place ?? this.#enter(task);
    if (place !== null && !task.collecting) this.#run(task, place);
  }

  /** Its place in the task set; null where it has ended, or its turn has not come. */
  #enter(task: Task): Place | null {
    const place = this.placeAt(task.lun);
    if (place === undefined) this.#executeMissing(task);
    else if (place.taskSet.enter(task, place)) return place;
    return null;
  }

  #executeMissing(task: Task): void {
    if (!task.collecting) this.#target.missing.execute(task);
  }

  #run(task: Task, { unit, attentions }: Place): void {
    if (attentions.pending && !passesAttention(task.cdb[0])) this.#tellAttention(task, unit, attentions);
    else unit.execute(task);
  }

  /** A conflict with a reservation comes first, and the unit attention stays. */
  #tellAttention(task: Task, unit: LogicalUnit, attentions: Attentions): void {
    if (unit.ignoresAttention?.(task.cdb[0])) return unit.execute(task);
    if (unit.conflicts?.(task)) return task.end(Status.reservationConflict);
    endWithSense(task, attentions.take() as Sense, { descriptor: unit.descriptorSense === true });
  }

  ended(task: Task): void {
    if (this.#probes.listening) this.#probes.emit("task:end", task);
    const last = this.#tasks[--this.#count] as Task;
    this.#tasks[task.slot] = last;
    last.slot = task.slot;
    this.#tasks[this.#count] = null;
    task.nexus = null;
    const { place, endings } = task;
    const wakes = place?.taskSet.leave(task, place);
    task.place = null;
    task.endings = null;
    if (task.status === Status.checkCondition && place !== null) this.#manager.failed(place);
    task.completed(task);
    if (endings !== null) for (const ending of endings) ending.taskEnded();
    if (wakes) place?.taskSet.wake();
  }

  /** Ends a task that has not begun at once, and asks the unit to end one that has. */
  endAborted(task: Task): void {
    if (task.waiting) return;
    if (task.dormant || task.collecting) task.end(Status.taskAborted);
    else task.place?.unit.abort(task);
  }

  reportLuns(): readonly number[] {
    for (const { attentions } of this.#places.values()) attentions.remove(SENSE.reportedLunsChanged);
    this.#lunsChanged = false;
    return this.#target.luns;
  }

  protects(lun: number): boolean {
    return this.#target.protects(lun);
  }

  findLun(wanted: (unit: LogicalUnit) => boolean): number | undefined {
    return this.#target.luns.find((lun) => wanted(this.#target.get(lun) as LogicalUnit));
  }

  unitAt(lun: number): LogicalUnit | undefined {
    return this.placeAt(lun)?.unit;
  }

  takeAttention(lun: number): Sense | null {
    return this.placeAt(lun)?.attentions.take() ?? null;
  }

  /** Performs a task management function; completes when every task it ended has ended. */
  manage(request: ManagementRequest): void {
    this.#manager.manage(request);
  }

  /** Ends every task and lets go of the target: resolves when the last task has ended. */
  close(): Promise<void> {
    this.#open = false;
    this.#disconnect();
    for (const place of this.#places.values()) this.#leave(place);
    return new Promise((resolve) => endTasks(this.tasks(), () => false, resolve));
  }

  /** Called by the target. */
  lunAdded(lun: number): void {
    this.#tellLunsChanged();
    this.#newest = lun;
  }

  #tellLunsChanged(): void {
    for (const { attentions } of this.#places.values()) attentions.add(SENSE.reportedLunsChanged);
    this.#lunsChanged = true;
    this.#newest = null;
  }

  /** What stands at a LUN, for this initiator. */
  #find(lun: number): LogicalUnit | undefined {
    return this.wellKnownLuns.includes(lun) ? this.#target.reportLuns : this.#target.get(lun);
  }

  /** Whoever comes to a unit for the first time hears that, and what all the others have heard of the target. */
  #place(lun: number, unit: LogicalUnit): Place {
    const place = new Place(this, lun, unit);
    place.attentions.add(SENSE.powerOn);
    if (this.#lunsChanged && lun !== this.#newest) place.attentions.add(SENSE.reportedLunsChanged);
    place.taskSet.places.add(place);
    const unlisten = unit.listen((event, cause) => this.#heard(place, event, cause));
    const disconnect = unit.connect?.({
      nexus: this,
      attend: (sense) => place.attentions.add(sense),
      abortTasks: (except, ended) => this.#manager.preempt(place, except, ended),
    });
    this.#leaving.set(place, () => {
      unlisten();
      disconnect?.();
    });
    this.#places.set(lun, place);
    return place;
  }

  #leave(place: Place): void {
    place.taskSet.places.delete(place);
    this.#leaving.get(place)?.();
    this.#leaving.delete(place);
  }

  /** Called by the target; resolves when no task at that LUN is under way any more. */
  lunRemoved(lun: number): Promise<void> {
    const place = this.#places.get(lun);
    if (place !== undefined) this.#leave(place);
    this.#places.delete(lun);
    this.#tellLunsChanged();
    return new Promise((resolve) => endTasks(this.tasksAt(lun), () => false, resolve));
  }

  /** The place at a LUN, which is in use from now on; undefined where nothing stands there. */
  placeAt(lun: number): Place | undefined {
    return this.#places.get(lun) ?? this.#use(lun);
  }

  #use(lun: number): Place | undefined {
    const unit = this.#open ? this.#find(lun) : undefined;
    return unit === undefined ? undefined : this.#place(lun, unit);
  }

  /** Those in use. */
  places(): Iterable<Place> {
    return this.#places.values();
  }

  /** The tasks under way. */
  tasks(): Task[] {
    return this.#tasks.slice(0, this.#count) as Task[];
  }

  /** The tasks under way at a LUN. */
  tasksAt(lun: number): Task[] {
    return this.tasks().filter((task) => task.lun === lun);
  }

  #heard(place: Place, event: UnitEvent, cause: Task | null): void {
    // Who brought it about knows by its status: so SPC-4 has it for mode parameters, and tgt for a loaded medium.
    if (cause?.nexus === this) return;
    place.attentions.add(attentionFor(event));
  }
}

function identityOf(target: Target, { initiator = "", initiatorPort, targetPort }: NexusOptions): NexusIdentity {
  const port = targetPort ?? target.ports[0];
  assert(target.ports.includes(port), `target ${target.name} has no port ${port}`);
  const initiatorIs = initiatorPort ?? localTransportId(`initiator ${initiator}`);
  return { initiatorPort: initiatorIs, targetPort: port, key: nexusKey(initiatorIs, port) };
}
