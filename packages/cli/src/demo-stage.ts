// Knows how a step of the demonstration works with the system, by its verbs, and shows what it does. Knows no step.

import type { ControllerInfo } from "@pvscsi/toolstack";
import type { Printer } from "./printer.js";
import type { Moment } from "./ring-moments.js";
import type { System } from "./system.js";
import { Exit, type Outcome } from "./verb.js";
import { runWhole } from "./verbs.js";

/** A verb has failed, which it has told already. */
export class Failed extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`a verb of the demonstration ended with status ${status}`);
    this.status = status;
  }
}

/** A driver domain that the guest has a LUN of. */
export interface DriverDomain {
  readonly name: string;
  /** Its domU.cfg. */
  readonly config: string;
  readonly physicalDevice: string;
  readonly virtualDevice: string;
}

export interface StageOptions {
  readonly system: System;
  readonly printer: Printer;
  /** For files, until the end of the demonstration. */
  readonly folder: string;
  /** Where a dom0 keeps what it knows of its domains. */
  readonly state: string;
  /** The guest of the demonstration. */
  readonly guest: string;
  /** The words of `create` for it. */
  readonly create: readonly string[];
  readonly driver: DriverDomain | null;
  /** Aborted when nobody wants to see more of it. */
  readonly signal: AbortSignal;
}

export class Stage {
  readonly system: System;
  readonly folder: string;
  readonly state: string;
  readonly guest: string;
  readonly create: readonly string[];
  readonly driver: DriverDomain | null;
  /** `things` before there was a guest: nodes of xenstore, and what domains have open. */
  readonly before: string;
  readonly #printer: Printer;
  readonly #signal: AbortSignal;

  constructor(options: StageOptions) {
    this.system = options.system;
    this.folder = options.folder;
    this.state = options.state;
    this.guest = options.guest;
    this.create = options.create;
    this.driver = options.driver;
    this.before = options.system.things();
    this.#printer = options.printer;
    this.#signal = options.signal;
  }

  title(text: string): void {
    this.print(`\n== ${text} ==`);
  }

  print(text: string): void {
    if (!this.#signal.aborted) this.#printer.print(text);
  }

  /** What a step has shown, now that it has. */
  proved(text: string): void {
    this.print(`=> ${text}`);
  }

  /** Runs a verb as a person at dom0's prompt would. */
  async dom0(...words: readonly string[]): Promise<void> {
    this.print(`\ndom0# ${words.join(" ")}`);
    await this.#shown(words, Exit.done);
  }

  /** Runs a command as a person at the guest's prompt would; gives its status, which has to be `expected` unless null. */
  async domU(command: readonly string[], expected: number | null = Exit.done): Promise<number> {
    this.print(`\n${this.guest}# ${command.join(" ")}`);
    return this.#shown(this.#inGuest(command), expected);
  }

  /** The same without a look at it, whatever its status. */
  quietly(...command: readonly string[]): Promise<Outcome> {
    this.#signal.throwIfAborted();
    return runWhole(this.system, this.#inGuest(command));
  }

  /** The names of the guest's disks, or of the one at HOST:CHANNEL:TARGET:LUN. */
  async disks(address = ""): Promise<string[]> {
    const lines = (await this.quietly("lsscsi")).output.split("\n");
    const wanted = lines.filter((line) => line.startsWith(address === "" ? "[" : `[${address}]`));
    return wanted.flatMap((line) => /\/dev\/(sd[a-z]+)/.exec(line)?.[1] ?? []);
  }

  async controllers(): Promise<ControllerInfo[]> {
    return this.system.vscsi.list(await this.system.toolstack.find(this.guest));
  }

  /** What has passed all rings while `body` ran. */
  async follow(body: () => Promise<void>): Promise<Moment[]> {
    const moments: Moment[] = [];
    const stop = await this.system.follow((moment) => moments.push(moment));
    await body().finally(stop);
    return moments;
  }

  #inGuest(command: readonly string[]): string[] {
    return ["guest", this.guest, "--", ...command];
  }

  async #shown(words: readonly string[], expected: number | null): Promise<number> {
    this.#signal.throwIfAborted();
    const { output, errors, status } = await runWhole(this.system, words);
    this.print(output);
    if (!this.#signal.aborted) this.#printer.error(errors);
    if (expected !== null && status !== expected) throw new Failed(status === Exit.done ? Exit.failed : status);
    return status;
  }
}
