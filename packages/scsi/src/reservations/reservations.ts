// Knows the reservations of one logical unit: who may do what, who must hear of it, and in which order they change. Every nexus of
// every target that has the unit shares them. Knows no bytes of a command.

import type { Keeper } from "../keeper.js";
import type { UnitPlace } from "../logical-unit.js";
import { SENSE } from "../sense.js";
import { Status, type Task, type TaskNexus } from "../task.js";
import { type IscsiDevice, iscsiNameOf, type TransportId } from "../transport-id.js";
import { ACCESS, type AccessName, type Guard } from "./access.js";
import type { Change, Refusal, Verdict } from "./actions.js";
import { readKept, writeKept } from "./kept.js";
import { isFree, isHolder, NOTHING_RESERVED, type PersistentState, RESERVATION_TYPES } from "./state.js";

export interface ReservationsParts {
  /** The name of the unit, which what is kept is marked with. */
  readonly unit: string;
  /** Absent where nothing outlives a loss of power. */
  readonly keeper?: Keeper | undefined;
  /** Hears of each nexus whose commands were preempted and aborted. */
  readonly aborted: (nexus: TaskNexus) => void;
}

/** A service action on its way. */
export interface Asked {
  readonly task: Task;
  /** Bytes of its parameter list: what a success has taken. */
  readonly length: number;
  /** What comes of it in the state that it finds. */
  readonly judge: (state: PersistentState) => Verdict;
  /** Ends the task when it is refused. */
  readonly refuse: (refusal: Refusal) => void;
  /** Whether the tasks of those who are preempted end before it does. */
  readonly aborts: boolean;
}

export class Reservations implements Guard {
  readonly #parts: ReservationsParts;
  readonly #places = new Set<UnitPlace>();
  /** What is being done, and those who wait for it. */
  #current: Asked | null = null;
  readonly #asked: Asked[] = [];
  #looping = false;
  #state: PersistentState;
  /** Who holds the reservation of SPC-2. */
  #reserver: TaskNexus | null = null;
  #kept: string | null | undefined;
  #guard: Guard | null = null;
  #idle: (() => void) | null = null;

  /** Throws `StoreError` when what was kept is none that can be believed. */
  constructor(parts: ReservationsParts) {
    this.#parts = parts;
    const kept = parts.keeper?.kept ?? null;
    this.#kept = kept;
    this.#state = kept === null ? NOTHING_RESERVED : readKept(kept, parts.unit);
    this.#changed();
  }

  /** Null while there is nothing that could keep a command from the unit. */
  get guard(): Guard | null {
    return this.#guard;
  }

  get state(): PersistentState {
    return this.#state;
  }

  /** Whether they can be kept through a loss of power. */
  get keeps(): boolean {
    return this.#parts.keeper !== undefined;
  }

  conflicts({ nexus }: Task, access: AccessName): boolean {
    if (this.#reserver !== null) {
      // SPC-2 5.5.1: PERSISTENT RESERVE IN and OUT conflict for the holder as well.
      return access === "persistent" || (this.#reserver !== nexus && !ACCESS[access].reserve);
    }
    const key = nexus?.identity.key ?? "";
    if (access === "reserves" || access === "releases") return !this.#isCompatible(key);
    const { reservation } = this.#state;
    if (reservation === null || isFree(this.#state, key)) return false;
    const excludes = RESERVATION_TYPES[reservation.type].excludes;
    return !(excludes === "writes" ? ACCESS[access].writeExclusive : ACCESS[access].exclusiveAccess);
  }

  /** Whose RESERVE and RELEASE do nothing, with GOOD (SPC-4 5.13.3); those of all others conflict with registrations (SPC-2 5.5.1). */
  #isCompatible(key: string): boolean {
    const { reservation, registrations } = this.#state;
    if (registrations.size === 0) return true;
    return reservation !== null && (isHolder(this.#state, key) || isFree(this.#state, key));
  }

  /** RESERVE; it conflicts with nothing. */
  reserve(nexus: TaskNexus | null): void {
    if (this.#state.registrations.size === 0) this.#reserver = nexus;
    this.#changed();
  }

  /** RELEASE: nothing happens when somebody else has the unit. */
  release(nexus: TaskNexus | null): void {
    if (this.#reserver === nexus) this.#reserver = null;
    this.#changed();
  }

  /** An initiator that has come to the unit, until the returned function is called. */
  connect(place: UnitPlace): () => void {
    this.#places.add(place);
    return () => {
      this.#places.delete(place);
      if (![...this.#places].some(({ nexus }) => nexus === place.nexus)) this.release(place.nexus);
    };
  }

  /** A reset of the unit ends the reservation of SPC-2, and no other (SPC-4 5.13.5.1). */
  reset(): void {
    this.#reserver = null;
    this.#changed();
  }

  /** The ports of an iSCSI initiator that can reach the unit by a target where somebody has, or are registered. */
  portsOf({ iscsiName }: IscsiDevice): readonly TransportId[] {
    const nexuses = new Set([...this.#places].flatMap(({ nexus }) => nexus.neighbours));
    const ports = [
      ...[...nexuses].map(({ identity }) => identity.initiatorPort),
      ...[...this.#state.registrations.values()].map(({ initiatorPort }) => initiatorPort),
    ];
    return ports.filter((port) => iscsiNameOf(port) === iscsiName);
  }

  /** Whether a target port leads here. */
  isTargetPort(port: number): boolean {
    return [...this.#places].some(({ nexus }) => nexus.targetPorts.includes(port));
  }

  /** Does a service action when those before it are done. */
  ask(asked: Asked): void {
    this.#asked.push(asked);
    this.#next();
  }

  /** A task that is to end: at once where its turn has not come. */
  abort(task: Task): void {
    const index = this.#asked.findIndex((asked) => asked.task === task);
    if (index < 0) return;
    this.#asked.splice(index, 1);
    task.end(Status.taskAborted);
  }

  /** Resolves when nothing is being done. */
  async close(): Promise<void> {
    if (this.#current !== null) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  /** One after the other, by one loop: an end may bring the next one. */
  #next(): void {
    if (this.#looping) return;
    this.#looping = true;
    while (this.#current === null && this.#asked.length > 0) {
      this.#current = this.#asked.shift() as Asked;
      this.#begin(this.#current);
    }
    this.#looping = false;
    if (this.#current === null) this.#idle?.();
  }

  #end(how: () => void): void {
    this.#current = null;
    how();
    this.#next();
  }

  #begin(asked: Asked): void {
    const { keeper, unit } = this.#parts;
    const verdict = asked.judge(this.#state);
    if (verdict === "conflict") return this.#end(() => asked.task.end(Status.reservationConflict));
    if ("sense" in verdict) return this.#end(() => asked.refuse(verdict));
    const text = writeKept(verdict.state, unit);
    if (keeper === undefined || text === this.#kept) return this.#commit(asked, verdict);
    const keeping = keeper.keep(text);
    // Until it is known what is kept, nothing is the same as that.
    this.#kept = undefined;
    void keeping.then(
      () => {
        this.#kept = text;
        this.#commit(asked, verdict);
      },
      () => this.#end(() => asked.refuse({ sense: SENSE.internalTargetFailure })),
    );
  }

  #commit({ task, length, aborts }: Asked, { state, notices, preempted }: Change): void {
    this.#state = state;
    this.#changed();
    for (const { nexus, sense } of notices) for (const place of this.#placesOf([nexus])) place.attend(sense);
    const end = (): void =>
      this.#end(() => {
        task.transferLength = length;
        task.end(Status.good);
      });
    if (aborts) this.#abortTasks(preempted, task, end);
    else end();
  }

  /** SPC-4 5.13.11.2.6: `ended` follows when no task of theirs is under way any more, but for the one that asked. */
  #abortTasks(nexuses: readonly string[], except: Task, ended: () => void): void {
    const places = this.#placesOf(nexuses);
    let left = places.length + 1;
    const oneEnded = (): void => {
      left -= 1;
      if (left === 0) ended();
    };
    for (const place of places) {
      this.#parts.aborted(place.nexus);
      place.abortTasks(except, oneEnded);
    }
    oneEnded();
  }

  #placesOf(nexuses: readonly string[]): UnitPlace[] {
    return [...this.#places].filter(({ nexus }) => nexuses.includes(nexus.identity.key));
  }

  #changed(): void {
    this.#guard = this.#reserver !== null || this.#state.registrations.size > 0 ? this : null;
  }
}
