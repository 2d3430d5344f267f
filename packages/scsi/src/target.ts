// Knows which logical unit stands at which LUN, and who must hear when that changes. Knows no task.

import { assert } from "@pvscsi/wire";
import type { LogicalUnit } from "./logical-unit.js";
import { MissingUnit } from "./missing-unit.js";
import type { Nexus } from "./nexus.js";
import { ReportLunsUnit } from "./report-luns-unit.js";

/** The highest LUN of flat space addressing plus one (SAM-5 4.7.7.3). */
export const MAX_LUNS = 16384;

export type InventoryListener = (change: "added" | "removed", lun: number) => void;

/** A SCSI target device: logical units by number, which come and go while it runs. */
export class Target {
  /** Where it is, for traces: `channel:target`. */
  readonly name: string;
  /** The relative identifiers of its ports: one, but for wires that have several ways to a target. */
  readonly ports: readonly number[];
  /** Answers for every LUN where there is nothing. */
  readonly missing: LogicalUnit = new MissingUnit();
  /** The REPORT LUNS well-known logical unit, for initiators that can name it. */
  readonly reportLuns: LogicalUnit = new ReportLunsUnit();
  readonly #units = new Map<number, LogicalUnit>();
  /** LUNs that may only be read. */
  readonly #protected = new Set<number>();
  readonly #nexuses = new Set<Nexus>();
  readonly #watchers = new Set<InventoryListener>();
  #luns: readonly number[] = [];

  constructor(name = "0:0", ports: readonly number[] = [1]) {
    for (const port of ports) assert(Number.isInteger(port) && port > 0 && port < 0x10000, `target port ${port}`);
    assert(ports.length > 0, `target ${name} without a port`);
    this.name = name;
    this.ports = ports;
  }

  /** All LUNs in ascending order. */
  get luns(): readonly number[] {
    return this.#luns;
  }

  get(lun: number): LogicalUnit | undefined {
    return this.#units.get(lun);
  }

  /** Whether what is at a LUN may only be read by way of this target. */
  protects(lun: number): boolean {
    return this.#protected.has(lun);
  }

  /**
   * Puts a logical unit at a free LUN; the initiators hear of it by REPORTED LUNS DATA HAS CHANGED at the others. Where it is
   * `protected`, they may only read it, whatever others may who come by another target.
   */
  add(lun: number, unit: LogicalUnit, options: { readonly protected?: boolean } = {}): void {
    assert(Number.isInteger(lun) && lun >= 0 && lun < MAX_LUNS, `LUN ${lun} is not in 0 to ${MAX_LUNS - 1}`);
    assert(!this.#units.has(lun), `LUN ${lun} of target ${this.name} is taken`);
    this.#units.set(lun, unit);
    if (options.protected === true) this.#protected.add(lun);
    this.#luns = this.#luns.toSpliced(this.#place(lun), 0, lun);
    for (const nexus of this.#nexuses) nexus.lunAdded(lun);
    for (const watcher of this.#watchers) watcher("added", lun);
  }

  /**
   * Takes a logical unit out: new tasks find nothing there from now on, those under way are aborted. Resolves when the
   * last of them has ended; the unit is the caller's again then. Nothing happens where there is none.
   */
  async remove(lun: number): Promise<void> {
    if (!this.#units.delete(lun)) return;
    this.#protected.delete(lun);
    this.#luns = this.#luns.toSpliced(this.#place(lun), 1);
    for (const watcher of this.#watchers) watcher("removed", lun);
    await Promise.all([...this.#nexuses].map((nexus) => nexus.lunRemoved(lun)));
  }

  /** The nexuses that are connected. */
  get nexuses(): readonly Nexus[] {
    return [...this.#nexuses];
  }

  /** Lets a nexus hear of LUNs until the returned function is called. */
  connect(nexus: Nexus): () => void {
    this.#nexuses.add(nexus);
    return () => this.#nexuses.delete(nexus);
  }

  /** Hears of LUNs that come and go until the returned function is called. */
  watch(listener: InventoryListener): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  /** Where a LUN stands among the others, or would: sorting them anew made 16384 LUNs take seconds. */
  #place(lun: number): number {
    let low = 0;
    let high = this.#luns.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#luns[middle] < lun) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
