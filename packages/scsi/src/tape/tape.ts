// Knows a tape drive: what is loaded, which command moves the tape, and how such commands begin and end. The commands themselves are in
// the files beside this one.

import { COMMANDS } from "../cdb.js";
import { Device } from "../device/device.js";
import type { DeviceOptions } from "../device/options.js";
import type { CommandTable } from "../device-server.js";
import { endWithSense, SENSE, type Sense, type SenseDetails, Stream } from "../sense.js";
import type { StoreError } from "../store.js";
import { Status, type Task } from "../task.js";
import { TAPE_TABLE } from "./commands.js";
import { TapeCounters } from "./counters.js";
import type { LoadedTape } from "./loaded.js";
import { MODE_DEFAULTS, type TapeSettings } from "./mode-pages.js";
import { Work } from "./work.js";

export interface TapeOptions extends DeviceOptions {
  /** What is in it at first; nothing where it is absent. */
  readonly tape?: LoadedTape | undefined;
  readonly readOnly?: boolean;
}

/** Makes a tape drive (SSC-3). Throws `StoreError` for what was kept and cannot be read. */
export function createTape(options: TapeOptions): Tape {
  return new Tape(options);
}

/** Where the medium is: threaded, in the drive but not threaded, or out as far as the drive can have it. */
export type Threading = "threaded" | "held" | "ejected";

export interface Ending extends SenseDetails {
  /** Bytes that were moved all the same. */
  readonly moved?: number;
}

/** What runs beside a command that moves the tape. */
const PASSES: ReadonlySet<number> = new Set([
  COMMANDS.inquiry.opcode,
  COMMANDS.reportLuns.opcode,
  COMMANDS.requestSense.opcode,
]);

export class Tape extends Device<TapeSettings> {
  readonly deviceType = 0x01;
  declare readonly identity: TapeOptions;
  readonly table: CommandTable<Tape> = TAPE_TABLE;
  readonly counters = new TapeCounters();
  threading: Threading = "threaded";
  /** Something was written that may not be durable. */
  buffered = false;
  #tape: LoadedTape | null = null;
  readonly #work = new Work();
  readonly #waiting: Task[] = [];
  #issuing = false;
  #again = false;
  #starting = false;
  #idle: (() => void) | null = null;

  constructor(options: TapeOptions) {
    super({ ...options, removable: true }, { ...MODE_DEFAULTS, tellsAborted: options.tellsAborted === true });
    this.#work.request.completed = () => this.#served();
    this.#tape = options.tape ?? null;
    this.#tape?.rewind();
    this.#takeShape();
  }

  /** What is in the drive. */
  get tape(): LoadedTape | null {
    return this.#tape;
  }

  /** What is threaded; a command's row has asked for it. */
  get medium(): LoadedTape {
    return this.#tape as LoadedTape;
  }

  get readOnly(): boolean {
    if (this.identity.readOnly === true) return true;
    return (
      this.#tape?.cartridge.label.writeProtected === true || this.#tape?.here.store.bytes.features.readOnly === true
    );
  }

  notReady(): Sense | null {
    if (this.#tape === null || this.threading === "ejected") return SENSE.mediumNotPresent;
    return this.threading === "held" ? SENSE.initializingCommandRequired : null;
  }

  /** Puts a cartridge in, as an operator or a changer does; it is threaded at once. There must be none. */
  load(tape: LoadedTape): void {
    this.#tape = tape;
    this.thread(null);
  }

  /** Threads what is in the drive, at its beginning; initiators hear of another medium. */
  thread(cause: Task | null): void {
    this.medium.rewind();
    this.threading = "threaded";
    this.#takeShape();
    this.notify("medium-changed", cause);
  }

  /** The medium in the drive has other partitions now. */
  shapeChanged(): void {
    this.#takeShape();
  }

  /** Mode page 11h tells of the medium that is there. */
  #takeShape(): void {
    if (this.#tape === null) return;
    this.settings = { ...this.settings, additionalPartitions: this.#tape.partitions.length - 1 };
  }

  /** Takes the cartridge out, when the command under way has ended and all is durable. Rejects with `StoreError`. */
  async unload(): Promise<LoadedTape | null> {
    await this.#whenIdle();
    const tape = this.#tape;
    this.#tape = null;
    this.buffered = false;
    return tape;
  }

  execute(task: Task): void {
    if (this.#busy && !PASSES.has(task.cdb[0])) this.#waiting.push(task);
    else this.table.execute(this, task);
  }

  get #busy(): boolean {
    return this.#work.task !== null || this.#waiting.length > 0;
  }

  override abort(task: Task): void {
    const index = this.#waiting.indexOf(task);
    if (index >= 0) {
      this.#waiting.splice(index, 1);
      task.end(Status.taskAborted);
    } else if (this.#work.task !== task) super.abort(task);
    // What moves the tape stops before its next request.
  }

  protected override powerOn(): void {
    this.#takeShape();
  }

  override async close(): Promise<void> {
    await this.#whenIdle();
    await super.close();
    await this.#tape?.close();
  }

  async #whenIdle(): Promise<void> {
    while (this.#busy) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  /** The record of a command that moves the tape. */
  take(task: Task): Work {
    const work = this.#work;
    work.task = task;
    work.left = 0;
    work.done = 0;
    task.work = work;
    return work;
  }

  /** Hands the prepared request to the partition under the head. A store that completes at once is met by the loop in the first call. */
  issue(work: Work, partition = this.medium.partition): void {
    work.partition = partition;
    this.#again = true;
    if (this.#issuing) return;
    this.#issuing = true;
    while (this.#again) {
      this.#again = false;
      if (work.task?.aborted) this.#release().end(Status.taskAborted);
      else this.medium.partitions[work.partition].store.bytes.submit(work.request);
    }
    this.#issuing = false;
    this.#startNext();
  }

  #served(): void {
    const { error, operation } = this.#work.request;
    if (error === null) this.#work.next(this, this.#work);
    else this.storeFailed(error, operation === "read");
  }

  /** Ends the command by what its store said. */
  storeFailed(error: StoreError, reading: boolean): void {
    this.counters.failed(error.failure, reading);
    if (error.failure === "no-space") this.endOfPartition();
    else this.fail(storeSense(error.failure, reading));
  }

  /** Ends a command that had no room for all that it was to write; what was written before counts. */
  endOfPartition(): void {
    const { residue: information, task } = this.#work;
    this.fail(SENSE.partitionFull, { stream: Stream.endOfMedium, information, moved: task?.transferLength ?? 0 });
  }

  succeed(): void {
    this.#release().end(Status.good);
    this.#startNext();
  }

  /** Ends the command with CHECK CONDITION; what was moved counts. */
  fail(sense: Sense, { moved = 0, ...details }: Ending = {}): void {
    endTape(this, this.#release(), sense, { moved, ...details });
    this.#startNext();
  }

  #release(): Task {
    const task = this.#work.task as Task;
    this.#work.task = null;
    task.work = null;
    return task;
  }

  /** Those that waited; one loop starts all, as each may end at once. */
  #startNext(): void {
    if (this.#starting || this.#issuing) return;
    this.#starting = true;
    while (this.#work.task === null && this.#waiting.length > 0) {
      const task = this.#waiting.shift() as Task;
      this.table.execute(this, task);
    }
    this.#starting = false;
    if (!this.#busy && this.#idle !== null) {
      const idle = this.#idle;
      this.#idle = null;
      idle();
    }
  }
}

/** Ends a task with CHECK CONDITION in the drive's format; `moved` bytes count. */
export function endTape(tape: Tape, task: Task, sense: Sense, { moved = 0, ...details }: Ending = {}): void {
  endWithSense(task, sense, { descriptor: tape.descriptorSense, ...details }, moved);
}

/** What SCSI calls a failure of the store; a file system that is full is a tape that ends here. */
function storeSense(failure: StoreError["failure"], reading: boolean): Sense {
  switch (failure) {
    case "medium":
      return reading ? SENSE.unrecoveredReadError : SENSE.writeError;
    case "hardware":
      return SENSE.internalTargetFailure;
    case "no-space":
      return SENSE.partitionFull;
    case "no-memory":
      return SENSE.insufficientResources;
    case "read-only":
      return SENSE.writeProtected;
    case "out-of-range":
      return SENSE.mediumFormatCorrupted;
    case "cancelled":
      return SENSE.abortedCommand;
  }
}
