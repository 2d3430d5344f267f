// Knows which targets a virtio-scsi bus has, and who hears when their logical units come and go. Several drivers may
// have the same one, each with a device of its own in front of it.

import { type InventoryListener, Target } from "@pvscsi/scsi";
import { assert } from "@pvscsi/wire";

/** Targets that the address has room for. */
export const TARGETS = 256;

export type BusListener = (change: "added" | "removed", target: number, lun: number) => void;

/** Targets by number; one without a logical unit is not there for a driver. */
export class TargetTable {
  readonly #targets = new Map<number, Target>();
  readonly #watchers = new Set<BusListener>();

  /** The target `id`, if it has a logical unit. */
  find(id: number): Target | undefined {
    const target = this.#targets.get(id);
    return target !== undefined && target.luns.length > 0 ? target : undefined;
  }

  /** The target `id`, made when it is asked for the first time. */
  at(id: number): Target {
    assert(Number.isInteger(id) && id >= 0 && id < TARGETS, `target ${id} is not in 0 to ${TARGETS - 1}`);
    const known = this.#targets.get(id);
    if (known !== undefined) return known;
    const target = new Target(`0:${id}`, [id + 1]);
    this.#targets.set(id, target);
    target.watch(this.#tell(id));
    return target;
  }

  /** Numbers of the targets that have a logical unit, ascending. */
  get ids(): readonly number[] {
    return [...this.#targets.keys()].filter((id) => this.find(id) !== undefined).sort((a, b) => a - b);
  }

  /** Hears of logical units that come and go until the returned function is called. */
  watch(listener: BusListener): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  #tell(id: number): InventoryListener {
    return (change, lun) => {
      for (const watcher of [...this.#watchers]) watcher(change, id, lun);
    };
  }
}
