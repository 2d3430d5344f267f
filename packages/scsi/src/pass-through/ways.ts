// Knows which adapter leads to a real device for which I_T nexus: each has one of its own while it is there.

import type { HostAdapter } from "../adapter.js";
import type { TaskNexus } from "../task.js";

export class Ways {
  readonly #make: () => HostAdapter;
  readonly #ways = new Map<TaskNexus, HostAdapter>();
  /** One that nobody has yet. */
  #spare: HostAdapter | null;
  /** Those that are closing. */
  readonly #closing = new Set<Promise<void>>();

  constructor(first: HostAdapter, make: () => HostAdapter) {
    this.#spare = first;
    this.#make = make;
  }

  /** Undefined for a task that came by no nexus, or by one that has gone. */
  of(nexus: TaskNexus | null): HostAdapter | undefined {
    return nexus === null ? undefined : this.#ways.get(nexus);
  }

  /** The oldest; undefined while nobody has one. */
  get any(): HostAdapter | undefined {
    return this.#ways.values().next().value;
  }

  add(nexus: TaskNexus): void {
    this.#ways.set(nexus, this.#spare ?? this.#make());
    this.#spare = null;
  }

  /** Its tasks have been asked to end; those that have not are ended by their adapter. */
  remove(nexus: TaskNexus): void {
    const way = this.#ways.get(nexus);
    if (way === undefined) return;
    this.#ways.delete(nexus);
    const closed = way.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }

  async close(): Promise<void> {
    for (const nexus of [...this.#ways.keys()]) this.remove(nexus);
    await Promise.all(this.#closing);
  }
}
