// Knows one command on its way to a real device and back: the task it came as, the command it went on as, and since when it is under way.

import { AdapterManagement, Command, type HostAdapter } from "../adapter.js";
import type { Task } from "../task.js";

/** A pooled record. Its command is given back by the adapter, its management request may be with it as well. */
export class Passage {
  pooled = true;
  readonly command = new Command();
  readonly management = new AdapterManagement();
  /** By which it went. */
  adapter: HostAdapter | null = null;
  /** Null while the record is in its pool. */
  task: Task | null = null;
  /** Its place among those under way. */
  slot = 0;
  /** When it is too late, by the clock. */
  deadline = 0;
  /** The management request is the adapter's now: the record is not given back before it is ours again. */
  managing = false;
  /** The command is ours again. */
  ended = false;
  /** It took too long, and was aborted for that. */
  late = false;

  constructor() {
    this.command.context = this;
  }
}
