// Knows the target port groups that lead to one logical unit: which ports are in each, in which state it is, and who must hear when
// that changes (SPC-4 5.15.2). Every nexus of every target that has the unit sees the same. Knows no bytes of a command.

import { assert } from "@pvscsi/wire";
import type { Keeper } from "../keeper.js";
import type { Sense } from "../sense.js";
import { Status, type Task } from "../task.js";
import { type KeptState, readStates, writeStates } from "./kept.js";
import { ACCESS_STATES, type AccessState, ALL_STATES, REACH, type ReachName } from "./states.js";

export interface PortGroupOptions {
  /** TARGET PORT GROUP, 0 to 65535. */
  readonly id: number;
  /** For people. */
  readonly name: string;
  /** Relative target port identifiers; a group without any is not reported. */
  readonly ports: readonly number[];
  /** Active/optimized where it is not said. */
  readonly state?: AccessState;
  readonly preferred?: boolean;
  /** Whether the target changes states (TPGS bit 0), and whether initiators may (bit 1); both where it is not said. */
  readonly implicit?: boolean;
  readonly explicit?: boolean;
  /** All where it is not said. */
  readonly supports?: readonly AccessState[];
  /** IMPLICIT TRANSITION TIME: seconds that an initiator had better wait for a change, 0 to 255. */
  readonly transitionTime?: number;
}

/** Who brought the present state about: STATUS CODE (SPC-4 table 308). */
export const StateCause = { none: 0, explicit: 1, implicit: 2 } as const;

/** One group; what can change of it is changed by `TargetPortGroups` alone. */
export class PortGroup {
  readonly id: number;
  readonly name: string;
  readonly ports: readonly number[];
  readonly implicit: boolean;
  readonly explicit: boolean;
  readonly supports: readonly AccessState[];
  readonly transitionTime: number;
  state: AccessState;
  preferred: boolean;
  /** StateCause. */
  cause: number = StateCause.none;

  constructor(options: PortGroupOptions) {
    const { id, ports, state = "active-optimized", supports = ALL_STATES } = options;
    assert(Number.isInteger(id) && id >= 0 && id <= 0xffff, `target port group ${id}`);
    assert(supports.includes(state), `target port group ${id} in state ${state}, which it has not`);
    this.id = id;
    this.name = options.name;
    this.ports = ports;
    this.implicit = options.implicit ?? true;
    this.explicit = options.explicit ?? true;
    this.supports = supports;
    this.transitionTime = options.transitionTime ?? 0;
    this.state = state;
    this.preferred = options.preferred ?? false;
  }
}

/** Keeps commands from a logical unit that come by a port which does not lead to it now. */
export interface PathGuard {
  /** What ends a command of this reach; null where it runs. */
  refusal(task: Task, reach: ReachName): Sense | null;
}

/** Hears how a change has ended; `task` is the command that asked for it, unless it was aborted meanwhile. */
export type ChangeEnded = (changed: boolean, task: Task | null) => void;

interface Change {
  readonly states: ReadonlyMap<PortGroup, AccessState>;
  task: Task | null;
  readonly ended: ChangeEnded;
}

export interface PortGroupsParts {
  /** The name of the unit, which what is kept is marked with. */
  readonly unit: string;
  /** Keeps states through a loss of power; they are as the options say after one where it is absent. */
  readonly keeper?: Keeper | undefined;
  /** Hears of other states; `cause` is the command that asked for them. */
  readonly changed: (cause: Task | null) => void;
}

export class TargetPortGroups implements PathGuard {
  readonly all: readonly PortGroup[];
  readonly #parts: PortGroupsParts;
  readonly #byPort = new Map<number, PortGroup>();
  #guard: PathGuard | null = null;
  /** Those that are being kept, or wait for that. */
  readonly #changes = new Set<Change>();
  /** Resolves when the last of them is over. */
  #last: Promise<void> = Promise.resolve();

  /** Throws `StoreError` when what was kept is none that can be believed; what was kept of a group that is there no more is left. */
  constructor(groups: readonly PortGroupOptions[], parts: PortGroupsParts) {
    this.#parts = parts;
    this.all = groups.map((options) => new PortGroup(options)).sort((a, b) => a.id - b.id);
    for (const group of this.all) {
      assert(this.find(group.id) === group, `target port group ${group.id} is there twice`);
      for (const port of group.ports) {
        assert(!this.#byPort.has(port), `target port ${port} is in two groups`);
        this.#byPort.set(port, group);
      }
    }
    const kept = parts.keeper?.kept ?? null;
    if (kept !== null) this.#restore(readStates(kept, parts.unit));
    this.#watch();
  }

  #restore(states: ReadonlyMap<number, KeptState>): void {
    for (const [id, { state, cause }] of states) {
      const group = this.find(id);
      if (group?.supports.includes(state)) Object.assign(group, { state, cause });
    }
  }

  /** Null while all commands run at every port. */
  get guard(): PathGuard | null {
    return this.#guard;
  }

  find(id: number): PortGroup | undefined {
    return this.all.find((group) => group.id === id);
  }

  /** The group of the port that a task came by; undefined where the port is in none, and every command runs. */
  groupOf({ nexus }: Task): PortGroup | undefined {
    return nexus === null ? undefined : this.#byPort.get(nexus.identity.targetPort);
  }

  refusal(task: Task, reach: ReachName): Sense | null {
    const group = this.groupOf(task);
    if (group === undefined) return null;
    const { least, refusal } = ACCESS_STATES[group.state];
    return REACH[reach] < REACH[least] ? refusal : null;
  }

  /** A group is on its way to another state. */
  get isChanging(): boolean {
    return this.#changes.size > 0 || this.all.some(({ state }) => state === "transitioning");
  }

  /**
   * Gives groups other states, all at once (a single indivisible event of SPC-4 5.15.2.5), which they have to have: now, or where states
   * are kept as soon as they are. Every initiator hears of it but the one whose command it was.
   */
  change(states: ReadonlyMap<PortGroup, AccessState>, task: Task | null, ended: ChangeEnded = () => {}): void {
    for (const [group, state] of states) {
      assert(group.supports.includes(state), `target port group ${group.id} has no state ${state}`);
    }
    const change = { states, task, ended };
    const { keeper } = this.#parts;
    if (keeper === undefined) return this.#end(change, true);
    this.#changes.add(change);
    this.#last = this.#last.then(() => this.#keep(change, keeper));
  }

  /** A command that is to end does; the change that it asked for goes on. False where it has asked for none. */
  abort(task: Task): boolean {
    const change = [...this.#changes].find((each) => each.task === task);
    if (change === undefined) return false;
    change.task = null;
    task.end(Status.taskAborted);
    return true;
  }

  /** Resolves when nothing is being kept. */
  close(): Promise<void> {
    return this.#last;
  }

  async #keep(change: Change, keeper: Keeper): Promise<void> {
    const cause = change.task === null ? StateCause.implicit : StateCause.explicit;
    const states = new Map(this.all.map((group) => [group.id, { state: group.state, cause: group.cause }]));
    for (const [group, state] of change.states) if (group.state !== state) states.set(group.id, { state, cause });
    const isKept = await keeper.keep(writeStates(states, this.#parts.unit)).then(
      () => true,
      () => false,
    );
    this.#changes.delete(change);
    this.#end(change, isKept);
  }

  #end(change: Change, changes: boolean): void {
    const { states, task, ended } = change;
    if (changes) this.#commit(states, task);
    ended(changes, task);
  }

  #commit(states: ReadonlyMap<PortGroup, AccessState>, task: Task | null): void {
    const changed = [...states].filter(([group, state]) => group.state !== state);
    if (changed.length === 0) return;
    const cause = task === null ? StateCause.implicit : StateCause.explicit;
    for (const [group, state] of changed) Object.assign(group, { state, cause });
    this.#watch();
    this.#parts.changed(task);
  }

  /** Which group an initiator had better use while several are as good; nobody has to hear of that. */
  prefer(group: PortGroup, preferred: boolean): void {
    group.preferred = preferred;
  }

  #watch(): void {
    this.#guard = this.all.some(({ state }) => ACCESS_STATES[state].refusal !== null) ? this : null;
  }
}
