// Knows what every device server is, whatever its type: its names, its task set, who has reserved it, what its initiators hear of,
// and what it is after a reset. Knows no command and no medium.

import { assert } from "@pvscsi/wire";
import type { PathGuard, TargetPortGroups } from "../alua/groups.js";
import { Buffers } from "../buffers.js";
import type { Designator } from "../copy/designator.js";
import type { CommandTable, DeviceServer } from "../device-server.js";
import type { LogicalUnit, UnitEvent, UnitListener, UnitPlace } from "../logical-unit.js";
import type { Guard } from "../reservations/access.js";
import { Reservations } from "../reservations/reservations.js";
import { SENSE, type Sense } from "../sense.js";
import type { Task, TaskNexus } from "../task.js";
import { TaskSet } from "../task-set.js";
import { unitDesignators } from "./designators.js";
import type { ControlSettings } from "./mode-pages.js";
import type { DeviceOptions } from "./options.js";
import { portGroupsOf } from "./port-groups.js";

/** All devices': a command builds its answer, or looks at its parameters, before it lets go of the thread. */
const SCRATCH = new Uint8Array(8192);

/** A device server; its type adds its opcode table, its pages and its medium. */
export abstract class Device<Settings extends ControlSettings = ControlSettings> implements LogicalUnit, DeviceServer {
  abstract readonly deviceType: number;
  abstract readonly table: CommandTable<never>;
  abstract readonly readOnly: boolean;
  readonly identity: DeviceOptions;
  readonly removable: boolean;
  readonly reservations: Reservations;
  readonly portGroups: TargetPortGroups | null;
  /** What the unit is called, in VPD page 83h and by EXTENDED COPY. */
  readonly designators: readonly Designator[];
  readonly buffers = new Buffers();
  readonly scratch = SCRATCH;
  readonly defaults: Settings;
  /** What the mode pages say now. */
  settings: Settings;
  readonly taskSet: TaskSet;
  /** Nexuses that prevent the removal of the medium. */
  readonly preventing = new Set<TaskNexus>();
  readonly #listeners = new Set<UnitListener>();

  /** Throws `StoreError` for what was kept and cannot be read. */
  constructor(options: DeviceOptions, defaults: Settings) {
    assert(/^([0-9a-f]{16}){1,2}$/i.test(options.wwn), `NAA name ${options.wwn}`);
    this.identity = options;
    this.removable = options.removable === true;
    this.designators = unitDesignators(options);
    this.defaults = defaults;
    this.settings = { ...defaults };
    this.taskSet = new TaskSet(() => this.settings, options.queueDepth);
    this.portGroups = portGroupsOf(options, (cause) => this.notify("access-state-changed", cause));
    this.reservations = new Reservations({
      unit: `naa.${options.wwn.toLowerCase()}`,
      keeper: options.keeper,
      aborted: (nexus) => this.preventing.delete(nexus),
    });
  }

  get guard(): Guard | null {
    return this.reservations.guard;
  }

  get paths(): PathGuard | null {
    return this.portGroups === null ? null : this.portGroups.guard;
  }

  get descriptorSense(): boolean {
    return this.settings.descriptorSense;
  }

  /** Why the medium cannot be used now, or null. */
  abstract notReady(): Sense | null;

  /** Why a task may not write, or null. */
  writeProtection({ nexus, lun }: Task): Sense | null {
    if (this.readOnly || nexus?.protects(lun)) return SENSE.writeProtected;
    return this.settings.softwareWriteProtect ? SENSE.softwareWriteProtected : null;
  }

  abstract execute(task: Task): void;

  /** Ends a task that waits for what is kept; the type ends those that wait for its medium. */
  abort(task: Task): void {
    if (this.portGroups?.abort(task) !== true) this.reservations.abort(task);
  }

  reset(): void {
    this.settings = { ...this.defaults };
    this.preventing.clear();
    this.reservations.reset();
    this.buffers.clear();
    this.powerOn();
    this.notify("reset", null);
  }

  /** What the type forgets at a reset. */
  protected powerOn(): void {}

  connect(place: UnitPlace): () => void {
    return this.reservations.connect(place);
  }

  nexusLost(nexus: TaskNexus): void {
    this.preventing.delete(nexus);
    this.buffers.echoes.delete(nexus);
    this.reservations.release(nexus);
  }

  conflicts(task: Task): boolean {
    return this.guard !== null && this.table.conflicts(this.guard, task);
  }

  listen(listener: UnitListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  notify(event: UnitEvent, cause: Task | null): void {
    for (const listener of [...this.#listeners]) listener(event, cause);
  }

  async close(): Promise<void> {
    await this.reservations.close();
    await this.portGroups?.close();
  }
}
