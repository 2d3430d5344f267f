// Knows that the LUNs of one portal group are shown to its initiators in several ways: by other numbers, fewer of them, or only to be
// read. Knows no iSCSI.

import { type LogicalUnit, Target } from "@pvscsi/scsi";
import type { LunPlaces } from "./device-bus.js";

/** Where somebody finds a LUN, and whether it may only be read there. */
export interface LunView {
  readonly lun: number;
  readonly protected: boolean;
}

/** The LUNs of a group, and the targets that show them. */
export class MappedLuns implements LunPlaces {
  readonly #name: string;
  readonly #ports: readonly number[];
  readonly #views: { readonly target: Target; readonly find: (lun: number) => readonly LunView[] }[] = [];
  readonly #units = new Map<number, LogicalUnit>();

  /** `ports` are those of the SCSI target device, for each of its targets. */
  constructor(name: string, ports: readonly number[]) {
    this.#name = name;
    this.#ports = ports;
  }

  /** Its LUNs in ascending order. */
  get luns(): readonly number[] {
    return [...this.#units.keys()].sort((a, b) => a - b);
  }

  /** A target that shows each LUN where `find` says. */
  view(find: (lun: number) => readonly LunView[]): Target {
    const target = new Target(this.#name, this.#ports);
    this.#views.push({ target, find });
    for (const [lun, unit] of this.#units) show(target, unit, find(lun));
    return target;
  }

  add(lun: number, unit: LogicalUnit): void {
    this.#units.set(lun, unit);
    for (const { target, find } of this.#views) show(target, unit, find(lun));
  }

  /** Resolves when nothing is under way there, for whoever had it. */
  async remove(lun: number): Promise<void> {
    const unit = this.#units.get(lun);
    this.#units.delete(lun);
    const shown = this.#views.flatMap(({ target, find }) => {
      return find(lun).flatMap((view) => (target.get(view.lun) === unit ? [target.remove(view.lun)] : []));
    });
    await Promise.all(shown);
  }
}

function show(target: Target, unit: LogicalUnit, views: readonly LunView[]): void {
  for (const view of views) target.add(view.lun, unit, { protected: view.protected });
}
