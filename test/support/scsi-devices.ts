// Knows devices for tests that need one behind a back end: disks over memory, a logical unit that ends its tasks when
// told to, and a directory of both.

import {
  type ByteStore,
  createDisk,
  type DeviceDirectory,
  type LogicalUnit,
  type OpenedDevice,
  Status,
  type Task,
  TaskSet,
  type TaskSetRules,
  type UnitListener,
} from "@pvscsi/scsi";

/** A disk of 512-byte blocks over a store in memory. */
export function memoryDisk(store: ByteStore): LogicalUnit {
  return createDisk({
    store,
    blockSize: 512,
    vendor: "PVSCSI",
    product: "test disk",
    revision: "1",
    serial: "0001",
    wwn: "6001405000000001",
  });
}

/** A logical unit that keeps its tasks until `end` is called; it obeys an abort at once unless it is `stubborn`. */
export class HoldingUnit implements LogicalUnit {
  readonly deviceType: number = 0;
  readonly held: Task[] = [];
  readonly seen: Task[] = [];
  rules: TaskSetRules = { tellsAborted: false, errorEnds: "nothing" };
  readonly taskSet: TaskSet;
  stubborn = false;
  resets = 0;
  readonly #listeners = new Set<UnitListener>();

  /** `depth` tasks of each nexus. */
  constructor(depth?: number) {
    this.taskSet = new TaskSet(() => this.rules, depth);
  }

  execute(task: Task): void {
    this.seen.push(task);
    this.held.push(task);
  }

  /** Ends the task that has waited longest. */
  end(change: (task: Task) => number = () => Status.good): void {
    const task = this.held.shift();
    if (task === undefined) throw new Error("no task is held");
    task.end(change(task));
  }

  abort(task: Task): void {
    if (this.stubborn) return;
    this.held.splice(this.held.indexOf(task), 1);
    task.end(Status.taskAborted);
  }

  reset(): void {
    this.resets += 1;
    for (const listener of [...this.#listeners]) listener("reset", null);
  }

  listen(listener: UnitListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {}
}

/** Logical units by p-dev; counts who has them open. */
export class TestDirectory implements DeviceDirectory {
  readonly units = new Map<string, LogicalUnit>();
  readonly opened: string[] = [];
  /** Why a device would be refused, by p-dev. */
  readonly refusals = new Map<string, string>();

  constructor(units: { readonly [physical: string]: LogicalUnit }) {
    for (const [name, unit] of Object.entries(units)) this.units.set(name, unit);
  }

  refusal(physicalDevice: string): string | null {
    return this.refusals.get(physicalDevice) ?? null;
  }

  async open(physicalDevice: string): Promise<OpenedDevice | string> {
    const logicalUnit = this.units.get(physicalDevice);
    if (logicalUnit === undefined) return `no device ${physicalDevice.slice(0, 80)}`;
    this.opened.push(physicalDevice);
    return {
      logicalUnit,
      release: async () => {
        this.opened.splice(this.opened.indexOf(physicalDevice), 1);
      },
    };
  }
}
