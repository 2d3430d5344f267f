// Knows a disk: its state, what it tells others, and how its commands' work on the store begins and ends.
// The commands themselves are in the files beside this one.

import { Pool } from "@pvscsi/wire";
import { COMMANDS } from "../cdb.js";
import { type Designator, sameDesignator } from "../copy/designator.js";
import { CopyManager } from "../copy/manager.js";
import { Device } from "../device/device.js";
import type { DeviceOptions } from "../device/options.js";
import { type CommandTable, check, type DeviceCondition } from "../device-server.js";
import type { Keeper } from "../keeper.js";
import type { LogicalUnit } from "../logical-unit.js";
import { SENSE, type Sense } from "../sense.js";
import type { ByteStore, StoreError, StoreOperation } from "../store.js";
import { Status, type Task, type TaskNexus } from "../task.js";
import { diskTable } from "./commands.js";
import { DiskCounters } from "./counters.js";
import { ALL_FEATURES, type DiskFeatures } from "./features.js";
import { type DiskLimits, diskLimits } from "./limits.js";
import type { ModeSettings } from "./mode-pages.js";
import type { Operation } from "./operation.js";
import { resume } from "./resume.js";
import { Gate, type Sharing, type Step, Work } from "./work.js";

export interface DiskOptions extends DeviceOptions {
  readonly store: ByteStore;
  readonly blockSize: 512 | 4096;
  /** Bytes of a physical block: a power of two, up to 65536; what the store does best where it is not said. */
  readonly physical?: number | undefined;
  /** Also read-only when the store is. */
  readonly readOnly?: boolean;
  /** MEDIUM ROTATION RATE of VPD page B1h: 0 not reported, 1 it does not rotate (the default), else per minute. */
  readonly rotation?: number;
  /** Takes DPO and FUA in CDBs, and says so in MODE SENSE; the default. */
  readonly fua?: boolean;
  /** Thin provisioning, where the store can give space back; false hides that it can. */
  readonly thin?: boolean;
  /** What is switched off; all is on where nothing is said. */
  readonly features?: Partial<DiskFeatures>;
  /** Keeps that SANITIZE or FORMAT UNIT goes through the medium, or has failed to; a loss of power ends it where it is absent. */
  readonly operations?: Keeper | undefined;
}

/** Makes a disk (SBC-3) over a store, which is the disk's from then on. Throws `StoreError` for what was kept and cannot be read. */
export function createDisk(options: DiskOptions): LogicalUnit {
  return new Disk(options);
}

/** Whether the medium can be reached: "stopped" until START, "ejected" until it is loaded. */
type MediumState = "ready" | "stopped" | "ejected";

export class Disk extends Device<ModeSettings> {
  readonly deviceType = 0x00;
  declare readonly identity: DiskOptions;
  readonly store: ByteStore;
  readonly blockSize: number;
  readonly limits: DiskLimits;
  readonly readOnly: boolean;
  readonly thin: boolean;
  readonly features: DiskFeatures;
  /** DPO and FUA are supported. */
  readonly fua: boolean;
  /** SANITIZE can give all blocks back. */
  readonly erases: boolean;
  /** SANITIZE can change the key of all blocks. */
  readonly changesKey: boolean;
  readonly table: CommandTable<Disk>;
  readonly copies = new CopyManager();
  readonly counters = new DiskCounters();
  medium: MediumState = "ready";
  /** What goes through the whole medium, or has failed to. */
  operation: Operation | null = null;
  #blocks: number;
  readonly #works: Pool<Work>;
  readonly #gate = new Gate();
  readonly #start = (work: Work): void => this.issue(work);
  #idle: (() => void) | null = null;

  constructor(options: DiskOptions) {
    super(options, modeDefaults(options));
    const { store, blockSize } = options;
    this.store = store;
    this.blockSize = blockSize;
    this.readOnly = options.readOnly === true || store.features.readOnly;
    this.features = { ...ALL_FEATURES, ...options.features };
    const givesBack = this.features.unmap || this.features.writeSameUnmap;
    this.thin = options.thin !== false && store.features.discard && givesBack;
    this.fua = options.fua !== false;
    this.changesKey = store.features.changesKey === true && options.clock !== undefined;
    this.erases = this.thin && options.clock !== undefined;
    this.limits = diskLimits(blockSize, store.features, options.physical);
    this.table = diskTable(this);
    this.#blocks = Math.floor(store.size / blockSize);
    this.#works = new Pool(() => this.#makeWork());
    store.resized = () => this.#resized();
    resume(this);
  }

  /** Blocks of the medium. */
  get blocks(): number {
    return this.#blocks;
  }

  get condition(): DeviceCondition | null {
    return this.operation;
  }

  /** Whether every write must be durable before its status: there is a cache, and WCE is off. */
  get writeThrough(): boolean {
    return this.store.features.writeBack && !this.settings.writeCache;
  }

  notReady(): Sense | null {
    if (this.medium === "ready") return null;
    return this.medium === "stopped" ? SENSE.initializingCommandRequired : SENSE.mediumNotPresent;
  }

  execute(task: Task): void {
    this.table.execute(this, task);
  }

  override abort(task: Task): void {
    if (this.copies.abort(task)) return;
    const work = task.work as Work | null;
    if (work === null) {
      // What it began goes on: it belongs to the medium and not to the task.
      if (this.operation?.forget(task) !== true) super.abort(task);
      return;
    }
    if (work.sharing !== "reads" && this.#gate.withdraw(work, this.#start)) {
      const aborted = this.#detach(work);
      this.#giveBack(work);
      aborted.end(Status.taskAborted);
    } else if (work.atStore) this.store.cancel(work.request);
  }

  protected override powerOn(): void {
    this.copies.results.clear();
    if (this.medium === "stopped") this.medium = "ready";
  }

  override nexusLost(nexus: TaskNexus): void {
    super.nexusLost(nexus);
    this.copies.results.forgetAll(nexus);
  }

  copyable(name: Designator): boolean {
    return this.features.thirdPartyCopy && this.designators.some((own) => sameDesignator(own, name));
  }

  copiesBy(task: Task, other: LogicalUnit): boolean {
    return this.copies.uses(task, other);
  }

  interrupt(task: Task, other: LogicalUnit): void {
    this.copies.interrupt(task, other);
  }

  override async close(): Promise<void> {
    if (this.#works.taken > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await super.close();
    this.store.resized = null;
    await this.store.close();
  }

  #resized(): void {
    const blocks = Math.floor(this.store.size / this.blockSize);
    if (blocks === this.#blocks) return;
    this.#blocks = blocks;
    this.notify("capacity-changed", null);
  }

  #makeWork(): Work {
    const work = new Work(succeed);
    work.request.completed = () => this.#served(work);
    return work;
  }

  /** Takes a record for a task's work on the store. */
  take(task: Task, sharing: Sharing): Work {
    const work = this.takeForOperation(sharing);
    work.task = task;
    task.work = work;
    return work;
  }

  /** Takes one for work that is no task's; it goes back by `leave`. */
  takeForOperation(sharing: Sharing): Work {
    const work = this.#works.take();
    work.sharing = sharing;
    return work;
  }

  /** Begins a work with the request it has prepared; a writing one may have to wait for others. */
  begin(work: Work): void {
    if (work.sharing === "reads" || this.#gate.enter(work)) this.issue(work);
  }

  /**
   * Hands the prepared request to the store. A store that completes at once comes back here for the next request;
   * the loop in the first call takes it, so that no number of steps needs stack.
   */
  issue(work: Work): void {
    work.again = true;
    if (work.issuing) return;
    work.issuing = true;
    while (work.again) {
      work.again = false;
      if (work.task?.aborted) {
        this.release(work).end(Status.taskAborted);
        continue;
      }
      work.atStore = true;
      this.store.submit(work.request);
    }
    work.issuing = false;
  }

  #served(work: Work): void {
    work.atStore = false;
    const { error } = work.request;
    if (work.task?.aborted) this.release(work).end(Status.taskAborted);
    else if (work.task === null) this.#operated(work);
    else if (error !== null) this.#storeFailed(work, error);
    else {
      this.counters.served(work.task, work.request);
      work.next(this, work);
    }
  }

  #operated(work: Work): void {
    if (work.request.error === null) work.next(this, work);
    else this.operation?.fail(work);
  }

  /** Ends a work and its task with GOOD. */
  succeed(work: Work): void {
    this.release(work).end(Status.good);
  }

  /** Ends a work and its task with CHECK CONDITION. */
  fail(work: Work, sense: Sense, information?: number): void {
    check(this, this.release(work), sense, information);
  }

  /** Ends a work and lets in those that waited for it; its task is the caller's to end. */
  release(work: Work): Task {
    const task = this.#detach(work);
    this.leave(work);
    return task;
  }

  /** Ends a work that is no task's. */
  leave(work: Work): void {
    const { sharing } = work;
    this.#giveBack(work);
    if (sharing !== "reads") this.#gate.leave(sharing, this.#start);
  }

  #detach(work: Work): Task {
    const task = work.task as Task;
    task.work = null;
    work.task = null;
    return task;
  }

  #giveBack(work: Work): void {
    this.#works.giveBack(work);
    if (this.#idle !== null && this.#works.taken === 0) this.#idle();
  }

  #storeFailed(work: Work, { failure, offset }: StoreError): void {
    const { task, request } = work as { task: Task } & Work;
    this.counters.failed(task, request, failure);
    const isSelfTest = task.cdb[0] === COMMANDS.sendDiagnostic.opcode;
    const sense = isSelfTest ? SENSE.failedSelfTest : storeSense(failure, request.operation);
    this.fail(work, sense, offset === undefined ? undefined : Math.floor(offset / this.blockSize));
  }
}

/** There is a write cache where the store has one. */
function modeDefaults({ store, tellsAborted = false }: DiskOptions): ModeSettings {
  return {
    writeCache: store.features.writeBack,
    descriptorSense: false,
    softwareWriteProtect: false,
    tellsAborted,
    errorEnds: "nothing",
  };
}

/** The last step of commands that have nothing left to do. */
export const succeed: Step = (disk, work) => disk.succeed(work);

/** What SCSI calls a failure of the store. */
function storeSense(failure: StoreError["failure"], operation: StoreOperation): Sense {
  switch (failure) {
    case "medium":
      return operation === "read" || operation === "extents" ? SENSE.unrecoveredReadError : SENSE.writeError;
    case "hardware":
      return SENSE.internalTargetFailure;
    case "no-space":
      return SENSE.spaceAllocationFailed;
    case "no-memory":
      return SENSE.insufficientResources;
    case "read-only":
      return SENSE.writeProtected;
    case "out-of-range":
      return SENSE.lbaOutOfRange;
    case "cancelled":
      return SENSE.abortedCommand;
  }
}
