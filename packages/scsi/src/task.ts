// Knows one command at a logical unit: what was asked, and how it ended. Knows no transport and no device type.

import { fail, Places } from "@pvscsi/wire";
import type { LogicalUnit } from "./logical-unit.js";
import type { Ending } from "./management.js";
import type { Place } from "./place.js";
import type { Sense } from "./sense.js";
import type { TransportId } from "./transport-id.js";

/** SAM-5's status codes. */
export const Status = {
  good: 0x00,
  checkCondition: 0x02,
  conditionMet: 0x04,
  busy: 0x08,
  reservationConflict: 0x18,
  taskSetFull: 0x28,
  acaActive: 0x30,
  taskAborted: 0x40,
} as const;

/** "bidirectional" is one buffer that may be used either way, as the command wants it (vscsiif has it). */
export type DataDirection = "none" | "to-device" | "from-device" | "bidirectional";

/**
 * Where in its task set the initiator wants a task (SAM-5, task attributes); what is untagged is SIMPLE. No device here has ACA conditions,
 * and "reserved" is what the wire has no word for: both are refused.
 */
export type TaskAttribute = "simple" | "ordered" | "head-of-queue" | "aca" | "reserved";

/** The longest CDB of SPC: a variable length one. */
export const MAX_CDB = 260;
/** The longest sense data of SPC. */
export const MAX_SENSE = 252;

/** Who an I_T nexus is: what reservations remember of it while it is gone. */
export interface NexusIdentity {
  readonly initiatorPort: TransportId;
  /** The relative target port identifier, 1 to 65535; unique among all targets that have a logical unit in common. */
  readonly targetPort: number;
  /** The same in one word. */
  readonly key: string;
}

/** The key of an I_T nexus. */
export function nexusKey({ text }: TransportId, targetPort: number): string {
  return `${targetPort} ${text}`;
}

/** The I_T nexus a task came by, as device servers see it. */
export interface TaskNexus {
  readonly identity: NexusIdentity;
  /** The relative identifiers of all ports of its target. */
  readonly targetPorts: readonly number[];
  /** All nexuses that its target has, itself among them. */
  readonly neighbours: readonly TaskNexus[];
  /** Where the target is, for traces: `channel:target`. */
  readonly name: string;
  /** False once it is lost: what a device remembered for it (e.g. PREVENT ALLOW MEDIUM REMOVAL) ends then. */
  readonly open: boolean;
  /** The well-known logical units that can be reached by it, as the two bytes of their LUNs. */
  readonly wellKnownLuns: readonly number[];
  /** The target's LUNs in ascending order, for REPORT LUNS; clears what says that they have changed. */
  reportLuns(): readonly number[];
  /** Whether its initiator may only read what is at a LUN, whatever others may. */
  protects(lun: number): boolean;
  /** The first LUN whose logical unit is what is wanted; undefined where none is. */
  findLun(wanted: (unit: LogicalUnit) => boolean): number | undefined;
  /** What it reaches at a LUN. */
  unitAt(lun: number): LogicalUnit | undefined;
  /** Takes off the unit attention pending at `lun`, for REQUEST SENSE. */
  takeAttention(lun: number): Sense | null;
  /** Called by `Task.end`; hands the task back to its submitter. */
  ended(task: Task): void;
  /** The turn of a dormant task has come. */
  proceed(task: Task): void;
  /** A task under way that is `aborted` since now is to end soon. */
  endAborted(task: Task): void;
}

/**
 * A command on its way through a target, as a pooled record: the transport fills in what was asked and `completed`,
 * hands it to `Nexus.submit`, and gets it back exactly once, perhaps before `submit` returns.
 */
export class Task {
  pooled = true;
  /** The initiator's name for it, unique among the tasks of its nexus that are under way. */
  tag = 0;
  /** The logical unit number as a flat integer. */
  lun = 0;
  readonly cdb = new Uint8Array(MAX_CDB);
  cdbLength = 0;
  attribute: TaskAttribute = "simple";
  direction: DataDirection = "none";
  /**
   * Whether the initiator hears how much more a command would have moved. A command that reads has no room then where there is
   * data for the device only (SAM-5 5.1 has a size for each way), and is not refused.
   */
  tellsOverflow = false;
  /** Where the initiator's data lies: filled by the device for "from-device", read by it for "to-device". Lent. */
  data: Places = noPlaces;

  status: number = Status.good;
  readonly sense = new Uint8Array(MAX_SENSE);
  senseLength = 0;
  /** Bytes the command wanted to move, whatever `data` had room for. */
  transferLength = 0;
  /** Set when a task management function ended it: the status means nothing then. */
  aborted = false;
  /** Set with it where the initiator did not ask for that and hears of it: the task ends with TASK ABORTED then, as any other. */
  tellsAborted = false;

  /** Set by the submitter; called exactly once for each submission. */
  completed: (task: Task) => void = unsubmitted;
  /** The submitter's own record for this task. */
  context: unknown = null;
  /** Set by the nexus for as long as the task is under way. */
  nexus: TaskNexus | null = null;
  /** The nexus's place for it in its table of tasks under way. */
  slot = 0;
  /** Set by the nexus while the task waits to be executed. */
  waiting = false;
  /** The one that waits behind it. */
  next: Task | null = null;
  /** Set by the task set while it is in one: by which I_T_L nexus, and whether it waits for others there. */
  place: Place | null = null;
  dormant = false;
  /** Set by the nexus while its data has not come that it was announced without. */
  collecting = false;
  /** What is complete only when it has ended. */
  endings: Ending[] | null = null;
  /** The device server's own record for it while it executes. */
  work: unknown = null;
  #running = false;

  /** Expected bytes less the bytes the command wanted to move: positive is underflow, negative overflow. */
  get residual(): number {
    return this.data.length - this.transferLength;
  }

  /** Marks it as under way; a `Nexus` does this once per submission. */
  begin(): void {
    if (this.#running) fail(`task ${this.tag} submitted twice`);
    this.#running = true;
    this.status = Status.good;
    this.senseLength = 0;
    this.transferLength = 0;
    this.aborted = false;
    this.tellsAborted = false;
  }

  /** Ends it; ending twice throws. */
  end(status: number): void {
    if (!this.#running) fail(`task ${this.tag} ended twice`);
    this.#running = false;
    this.collecting = false;
    this.status = status;
    if (this.aborted && this.tellsAborted) this.#tellAborted();
    if (this.nexus === null) this.completed(this);
    else this.nexus.ended(this);
  }

  /** Whatever it has done, nobody hears of that. */
  #tellAborted(): void {
    this.aborted = false;
    this.status = Status.taskAborted;
    this.senseLength = 0;
    this.transferLength = 0;
  }
}

function unsubmitted(): never {
  throw new Error("a task without a submitter ended");
}

/** The empty list of places, for tasks that move no data. */
export const noPlaces = new Places();
