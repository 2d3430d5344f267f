// Knows one request on its way through a host: a command with its tag, its retries and its time. Knows no driver.

import { type Address, Command, type HostAdapter, HostByte, Status } from "@pvscsi/scsi";
import { assert, fail, type Runnable } from "@pvscsi/wire";
import type { BlockStatus } from "./block-status.js";
import type { ScsiDevice } from "./device.js";

/** Whoever wants a command done: a disk, or one that passes commands through. */
export interface RequestOwner {
  /** What the log calls it. */
  readonly name: string;
  /**
   * Fills in `command`, once per request and again after the adapter kept the last one for good; each time with as many pages.
   */
  prepare(request: Request): void;
  /** The end: null when the command succeeded. The request goes back with `RequestQueue.giveBack`. */
  finished(request: Request, failure: BlockStatus | null): void;
}

/**
 * "queued": the adapter works at it. "pausing": to be queued again. "aborting" and "failed": in the hands of the error
 * handler. "returning": decided, but the adapter still holds a command that points into its owner's pages.
 */
export type RequestState = "free" | "queued" | "pausing" | "aborting" | "failed" | "returning";

export class Request implements Runnable {
  readonly tag: number;
  readonly #adapter: HostAdapter;
  readonly #restart: (request: Request) => void;
  readonly #completed: (command: Command) => void;
  command: Command;
  state: RequestState = "free";
  /** The adapter has the command: its bytes and its data are not to be touched. */
  held = false;
  device: ScsiDevice | null = null;
  owner: RequestOwner | null = null;
  /** Commands passed through are not retried for their sense data, and failures are not printed. */
  passThrough = false;
  /** The data lies in pages of the owner's, not in `pages`. */
  borrowed = false;
  /** Retries that were counted, and how many may be. */
  retries = 0;
  allowed = 0;
  /** Tries at once that were not counted. */
  uncounted = 0;
  /** Milliseconds: per try, when the first began, when the present one is too late. */
  timeout = 0;
  begun = 0;
  deadline = 0;
  /** What follows when a "returning" command has come back. */
  verdict: "retry" | "fail" = "fail";

  /** For the owner: what this command is a piece of, and which bytes of it. */
  work: unknown = null;
  from = 0;
  bytes = 0;
  /** Pages of the adapter that this request has, for data that lies elsewhere. */
  pages: Uint8Array[] = [];
  /** There are no pages for it, nor is there anything to wait for: it is to fail. */
  starved = false;

  constructor(
    tag: number,
    adapter: HostAdapter,
    restart: (request: Request) => void,
    completed: (command: Command) => void,
  ) {
    this.tag = tag;
    this.#adapter = adapter;
    this.#restart = restart;
    this.#completed = completed;
    this.command = this.#newCommand();
  }

  #newCommand(): Command {
    const command = new Command();
    command.context = this;
    command.completed = this.#completed;
    return command;
  }

  /** From the scheduler, after a retry was decided. */
  run(): void {
    this.#restart(this);
  }

  address({ channel, target, lun }: Address): void {
    const { command } = this;
    command.channel = channel;
    command.target = target;
    command.lun = lun;
  }

  /** Makes the command's data `length` bytes of the request's own pages. */
  usePages(length: number): void {
    const { command, pages } = this;
    if (length > pages.length * PAGE) fail(`tag ${this.tag} has no room for ${length} bytes`);
    command.data.clear();
    for (let i = 0, left = length; left > 0; i++, left -= PAGE) command.data.add(pages[i], 0, Math.min(PAGE, left));
    this.borrowed = false;
  }

  /** Hands the command to the adapter. */
  send(): void {
    assert(!this.held, `tag ${this.tag} sent twice`);
    const { command } = this;
    command.hostByte = HostByte.ok;
    command.status = Status.good;
    command.senseLength = 0;
    command.residual = 0;
    command.timeout = this.timeout;
    this.held = true;
    this.state = "queued";
    this.#adapter.queue(command);
  }

  /**
   * Leaves a command that the adapter keeps to the adapter, together with the pages it points into; `returned` is called
   * when it comes back after all. Only for commands that do not point into their owner's pages.
   */
  abandon(returned: () => void): void {
    assert(!this.borrowed, `tag ${this.tag} points into its owner's pages`);
    const { command } = this;
    command.completed = returned;
    this.command = this.#newCommand();
    this.command.cdb.set(command.cdb);
    this.command.cdbLength = command.cdbLength;
    this.pages = [];
    this.held = false;
  }
}

/** Bytes of a page of a `HostAdapter`. */
export const PAGE = 4096;
