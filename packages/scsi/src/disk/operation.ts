// Knows what goes through the whole medium in its own time: how far it is, how it ends, and what is refused meanwhile.
// What it writes, and why, is said in sanitize.ts and format.ts.

import type { Clock, Runnable } from "@pvscsi/wire";
import { type CommandRow, check, type DeviceCondition } from "../device-server.js";
import type { Sense } from "../sense.js";
import { Status, type Task } from "../task.js";
import { passesAttention } from "../unit-attention.js";
import type { Disk } from "./disk.js";
import { CHUNK, repeat, type Work } from "./work.js";

/** What is said of a kind of operation. */
export interface OperationKind {
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
}

/** Bytes of one request that has no data. */
const SPAN = 256 << 20;
/** Bytes after which others have their turn, where the store never waits. */
const TURN = 16 << 20;

/** Begins an operation for a task. Whatever has begun to write before ends first; nothing else begins until it is over. */
export function operate(disk: Disk, task: Task, options: OperationOptions): void {
  const operation = new Operation(disk, options.immediate ? null : task, options);
  disk.operation = operation;
  operation.begin();
  if (options.immediate) task.end(Status.good);
}

/** It outlives its task, resets, and the nexuses; not the disk, which closes when it has ended. */
export class Operation implements DeviceCondition, Runnable {
  readonly kind: OperationKind;
  readonly exits: boolean;
  failed = false;
  readonly #disk: Disk;
  readonly #passes: readonly Pass[];
  readonly #size: number;
  /** Who waits for its end. */
  #task: Task | null;
  #work: Work | null = null;
  #pass = 0;
  /** The next byte of this pass. */
  #at = 0;
  #sinceTurn = 0;

  constructor(disk: Disk, task: Task | null, { kind, passes, exits = false }: OperationOptions) {
    this.#disk = disk;
    this.#task = task;
    this.kind = kind;
    this.#passes = passes;
    this.#size = disk.blocks * disk.blockSize;
    this.exits = exits;
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
    this.#prepare(work);
    this.#disk.begin(work);
  }

  /** Ends a task that waits for it, and goes on; false where that task does not. */
  forget(task: Task): boolean {
    if (this.#task !== task) return false;
    this.#task = null;
    task.end(Status.taskAborted);
    return true;
  }

  /** Called by the disk when the store has failed. */
  fail(work: Work): void {
    this.failed = true;
    this.#disk.leave(work);
    if (this.#task !== null) check(this.#disk, this.#task, this.kind.failed);
    this.#task = null;
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

  readonly #finished = (disk: Disk, work: Work): void => {
    disk.operation = null;
    disk.leave(work);
    this.#task?.end(Status.good);
  };
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
