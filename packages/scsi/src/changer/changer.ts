// Knows the device server of a medium changer (SMC-3): whose library it is, and how a command that has the robot do something begins
// and ends. The commands themselves are in the files beside this one.

import type { DeviceOptions } from "../device/options.js";
import { PlainDevice } from "../device/plain.js";
import { removalPrevented } from "../device/removal.js";
import { type CommandTable, check } from "../device-server.js";
import type { LogicalUnit } from "../logical-unit.js";
import type { Sense } from "../sense.js";
import { Status, type Task } from "../task.js";
import { changerTable } from "./commands.js";
import type { Door, Library, Turn } from "./library.js";

export interface ChangerOptions extends DeviceOptions {
  /** The library is the changer's alone from then on; its drives are others'. */
  readonly library: Library;
}

/** Makes a medium changer. Throws `StoreError` for what was kept and cannot be read. */
export function createChanger(options: ChangerOptions): LogicalUnit {
  return new Changer(options);
}

export class Changer extends PlainDevice implements Door {
  readonly deviceType = 0x08;
  readonly library: Library;
  readonly table: CommandTable<Changer>;

  constructor(options: ChangerOptions) {
    super(options);
    this.library = options.library;
    this.library.door = this;
    this.table = changerTable();
  }

  get prevented(): boolean {
    return removalPrevented(this);
  }

  accessed(): void {
    this.notify("import-export-accessed", null);
  }

  /** Has the robot do something when its turn comes, and ends the task with what comes of it. */
  employ(task: Task, job: () => Promise<Sense | null>): void {
    task.work = this.library.enqueue(job, (sense) => {
      task.work = null;
      if (task.aborted) task.end(Status.taskAborted);
      else if (sense === null) task.end(Status.good);
      else check(this, task, sense);
    });
  }

  /** What the robot has in its hand it carries to the end. */
  override abort(task: Task): void {
    const turn = task.work as Turn | null;
    if (turn === null) super.abort(task);
    else if (turn.state === "waiting") {
      turn.state = "withdrawn";
      task.work = null;
      task.end(Status.taskAborted);
    }
  }

  override async close(): Promise<void> {
    await this.library.idle();
    this.library.door = null;
    await super.close();
  }
}
