// Knows what goes through the whole medium in its own time: how far it is, how it ends, what is refused meanwhile, and that a loss of
// power is no end. What it writes, and why, is said in sanitize.ts and format.ts.

import type { Clock, Runnable } from "@pvscsi/wire";
import { type CommandRow, check, type DeviceCondition } from "../device-server.js";
import type { Keeper } from "../keeper.js";
import { SENSE, type Sense } from "../sense.js";
import { Status, type Task } from "../task.js";
import { passesAttention } from "../unit-attention.js";
import type { Disk } from "./disk.js";
import { type KeptOperation, writeOperation } from "./operation-kept.js";
import { CHUNK, repeat, type Work } from "./work.js";

/** What is said of a kind of operation. */
export interface OperationKind {
  readonly name: KeptOperation["kind"];
  readonly inProgress: Sense;
  /** Why the command that asked for it fails. */
  readonly failed: Sense;
  /** Why others fail from then on, and which do not. */
  readonly spoiled: Sense;
  runsWhenSpoiled(row: CommandRow<never>): boolean;
}

/** Once through the medium. A pattern is as long as a block. */
export type Pass =
  | { readonly operation: "write"; readonly pattern: Uint8Array }
  | { readonly operation: "discard" | "write-zeroes" | "change-key" };

export interface OperationOptions {
  readonly kind: OperationKind;
  readonly passes: readonly Pass[];
  /** IMMED: status comes before it is done. */
  readonly immediate: boolean;
  /** EXIT FAILURE MODE may end that it failed. */
  readonly exits?: boolean;
  /** It has already, and does not begin. */
  readonly failed?: boolean;
}

/** Bytes of one request that has no data. */
const SPAN = 256 << 20;
/** Bytes after which others have their turn, where the store never waits. */
const TURN = 16 << 20;

/** Begins an operation for a task. Whatever has begun to write before ends first; nothing else begins until it is over. */
export function operate(disk: Disk, task: Task, options: OperationOptions): void {
  new Operation(disk, task, options).begin();
}

/** It outlives its task, resets, and the nexuses; not the disk, which closes when it has ended. */
export class Operation implements DeviceCondition, Runnable {
  readonly kind: OperationKind;
  readonly exits: boolean;
  failed: boolean;
  readonly #disk: Disk;
  readonly #passes: readonly Pass[];
  readonly #immediate: boolean;
  readonly #size: number;
  /** Who waits for its end, or with IMMED for its beginning. */
  #task: Task | null;
  /** What was before, and is again when this one cannot begin. */
  readonly #former: Operation | null;
  #work: Work | null = null;
  #pass = 0;
  /** The next byte of this pass. */
  #at = 0;
  #sinceTurn = 0;

  constructor(
    disk: Disk,
    task: Task | null,
    { kind, passes, immediate, exits = false, failed = false }: OperationOptions,
  ) {
    this.#disk = disk;
    this.#task = task;
    this.kind = kind;
    this.#passes = passes;
    this.#immediate = immediate;
    this.#size = disk.blocks * disk.blockSize;
    this.exits = exits;
    this.failed = failed;
    this.#former = disk.operation;
    disk.operation = this;
  }

  get sense(): Sense {
    return this.failed ? this.kind.spoiled : this.kind.inProgress;
  }

  get progress(): number | undefined {
    if (this.failed) return undefined;
    const all = this.#passes.length * this.#size;
    return all === 0 ? 0 : Math.min(0xffff, Math.floor((0x1_0000 * (this.#pass * this.#size + this.#at)) / all));
  }

  refuses(row: CommandRow<never>): boolean {
    if (passesAttention(row.command.opcode)) return false;
    return !this.failed || !this.kind.runsWhenSpoiled(row);
  }

  begin(): void {
    const work = this.#disk.takeForOperation("excludes");
    this.#work = work;
    if (this.#keeper === undefined) this.#prepare(work);
    else work.prepare("flush", 0, 0, this.#entered);
    this.#disk.begin(work);
    if (this.#keeper === undefined) this.#begun();
  }

  get #keeper(): Keeper | undefined {
    return this.#disk.identity.operations;
  }

  /** Nothing is written before it is written down that it is. */
  readonly #entered = (disk: Disk, work: Work): void => {
    this.#keep().then(
      () => {
        this.#begun();
        this.#prepare(work);
        disk.issue(work);
      },
      () => {
        disk.operation = this.#former;
        disk.leave(work);
        this.#endTask((task) => check(disk, task, SENSE.internalTargetFailure));
      },
    );
  };

  async #keep(): Promise<void> {
    const { kind, exits, failed } = this;
    await this.#keeper?.keep(writeOperation({ kind: kind.name, failed, exits, passes: this.#passes }));
  }

  #begun(): void {
    if (this.#immediate) this.#endTask((task) => task.end(Status.good));
  }

  #endTask(end: (task: Task) => void): void {
    const task = this.#task;
    this.#task = null;
    if (task !== null) end(task);
  }

  /** Ends a task that waits for it, and goes on; false where that task does not. */
  forget(task: Task): boolean {
    if (this.#task !== task) return false;
    this.#endTask(() => task.end(Status.taskAborted));
    return true;
  }

  /** Called by the disk when the store has failed. */
  fail(work: Work): void {
    this.failed = true;
    const ended = (): void => {
      this.#disk.leave(work);
      this.#endTask((task) => check(this.#disk, task, this.kind.failed));
    };
    // Where that cannot be kept it begins again after a loss of power.
    if (this.#keeper === undefined) ended();
    else this.#keep().then(ended, ended);
  }

  /** What is kept of it goes, then it is no more. Rejects, and it is as it was, when that is not durable. */
  async forgive(): Promise<void> {
    await this.#keeper?.keep(null);
    if (this.#disk.operation === this) this.#disk.operation = null;
  }

  /** Its next turn. */
  run(): void {
    this.#disk.issue(this.#work as Work);
  }

  #prepare(work: Work): void {
    const pass = this.#passes[this.#pass];
    if (this.#pass === this.#passes.length || this.#size === 0) return work.prepare("flush", 0, 0, this.#finished);
    const left = this.#size - this.#at;
    const span = pass.operation === "change-key" ? left : Math.min(left, SPAN);
    if (pass.operation !== "write") return work.prepare(pass.operation, this.#at, span, this.#advance);
    if (this.#at === 0) fill(work.buffer, pass.pattern);
    const length = Math.min(left, CHUNK);
    work.prepare("write", this.#at, length, this.#advance);
    work.useBytes(work.buffer, length);
  }

  readonly #advance = (disk: Disk, work: Work): void => {
    const { length } = work.request;
    this.#at += length;
    this.#sinceTurn += length;
    if (this.#at === this.#size) {
      this.#at = 0;
      this.#pass += 1;
    }
    this.#prepare(work);
    if (this.#sinceTurn < TURN) return disk.issue(work);
    this.#sinceTurn = 0;
    (disk.identity.clock as Clock).after(0, this);
  };

  /** Nothing that is written afterwards may be lost to one that begins again. */
  readonly #finished = (_disk: Disk, work: Work): void => {
    if (this.#keeper === undefined) return this.#done(work);
    this.#keeper.keep(null).then(
      () => this.#done(work),
      () => this.fail(work),
    );
  };

  #done(work: Work): void {
    this.#disk.operation = null;
    this.#disk.leave(work);
    this.#endTask((task) => task.end(Status.good));
  }
}

function fill(buffer: Uint8Array, pattern: Uint8Array): void {
  buffer.set(pattern);
  repeat(buffer, pattern.length, buffer.length);
}

/** A block that is filled by repeating a pattern from its first byte on. */
export function patternBlock(pattern: Uint8Array, blockSize: number): Uint8Array {
  const block = new Uint8Array(blockSize);
  fill(block, pattern);
  return block;
}
