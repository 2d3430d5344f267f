// Knows the seams around a logical unit: what executes tasks, and who finds it by the name of a physical device.

import type { TargetPortGroups } from "./alua/groups.js";
import type { Designator } from "./copy/designator.js";
import type { Sense } from "./sense.js";
import type { Task, TaskNexus } from "./task.js";
import type { TaskSet } from "./task-set.js";

/** What happened at a logical unit that its initiators must hear of; a `Nexus` makes unit attentions from it. */
export type UnitEvent =
  | "capacity-changed"
  | "mode-parameters-changed"
  | "log-parameters-changed"
  | "medium-changed"
  | "import-export-accessed"
  | "reset"
  | "access-state-changed"
  | "inquiry-data-changed";

export type UnitListener = (event: UnitEvent, cause: Task | null) => void;

/** An I_T_L nexus: a logical unit as one initiator reaches it. */
export interface UnitPlace {
  readonly nexus: TaskNexus;
  /** A unit attention for this initiator alone. */
  attend(sense: Sense): void;
  /** Ends all tasks of the initiator here but one; `ended` follows when the last has ended, at once if there are none. */
  abortTasks(except: Task, ended: () => void): void;
}

/** A device server: it executes tasks and knows nothing of who sent them or how. */
export interface LogicalUnit {
  /** Peripheral device type (SPC-5 table 150): 0 disk, 1 tape, 5 CD/DVD ... */
  readonly deviceType: number;
  /** Whether its sense data is in descriptor format (D_SENSE of the control mode page); fixed where absent. */
  readonly descriptorSense?: boolean;
  /** The tasks of all its initiators, in their order. */
  readonly taskSet: TaskSet;
  /** Executes a task; ends it exactly once, perhaps before returning. */
  execute(task: Task): void;
  /** Asks that a task under way end soon; `task.aborted` is set by the caller. It still ends exactly once. */
  abort(task: Task): void;
  /** Back to the state after power on; tasks under way are the caller's to abort first. */
  reset(): void;
  /** Called for each initiator that comes to it; the returned function when that is over. Absent where none is told from another. */
  connect?(place: UnitPlace): () => void;
  /** An I_T nexus was lost that goes on all the same. */
  nexusLost?(nexus: TaskNexus): void;
  /** Whether a task is kept out by a reservation; that comes before any unit attention (SAM-5, status precedence). */
  conflicts?(task: Task): boolean;
  /** Whether a command runs in spite of a pending unit attention that others report; those of SAM-5 alone where it is absent. */
  ignoresAttention?(opcode: number): boolean;
  /** The target port groups that lead to it; null or absent where none is better than another. */
  readonly portGroups?: TargetPortGroups | null;
  /** Bytes of a block, where it has blocks. */
  readonly blockSize?: number;
  /** Whether a name is this unit's and a copy manager may read and write its blocks. */
  copyable?(name: Designator): boolean;
  /** Whether a task of its own copies from or to another unit. */
  copiesBy?(task: Task, other: LogicalUnit): boolean;
  /** Asks that such a task end with COPY ABORTED, as the other unit's tasks are ended. */
  interrupt?(task: Task, other: LogicalUnit): void;
  /** Hears of events until the returned function is called. `cause` is the task that brought one about. */
  listen(listener: UnitListener): () => void;
  /** Ends when nothing is under way and all is durable. */
  close(): Promise<void>;
}

/** Who a physical device is opened for. */
export interface OpenedFor {
  readonly domain: number;
  /** vHOST:CHANNEL:TARGET:LUN. */
  readonly virtualDevice: string;
}

/** A logical unit that was opened, and how to give it back. */
export interface OpenedDevice {
  readonly logicalUnit: LogicalUnit;
  release(): Promise<void>;
}

/** Finds what is behind a p-dev. */
export interface DeviceDirectory {
  /** The device, or in words for the person who asked why there is none. */
  open(physicalDevice: string, opener: OpenedFor): Promise<OpenedDevice | string>;
  /**
   * In words why it would not be opened now, as far as that is known without touching it; null where nothing speaks against it.
   * Absent where nothing is known beforehand.
   */
  refusal?(physicalDevice: string): string | null;
}
