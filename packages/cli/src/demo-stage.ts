// Knows how a step of the demonstration works with the system and shows what it does. Knows no step.

import type { Disk, Guest } from "@pvscsi/guest";
import type { ByteStore } from "@pvscsi/scsi";
import type { ControllerInfo } from "@pvscsi/toolstack";
import { fail } from "@pvscsi/wire";
import type { Printer } from "./printer.js";
import type { Session } from "./session.js";
import type { System } from "./system.js";
import { Exit } from "./verb.js";
import { runWhole } from "./verbs.js";

/** A verb has failed, which it has told already. */
export class Failed extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`a verb of the demonstration ended with status ${status}`);
    this.status = status;
  }
}

export class Stage {
  readonly session: Session;
  /** For files, until the end of the demonstration. */
  readonly folder: string;
  /** The words of `create` for the guest of the demonstration. */
  readonly create: readonly string[];
  /** `things` before there was a guest. */
  readonly before: string;
  readonly #printer: Printer;

  constructor(session: Session, printer: Printer, folder: string, create: readonly string[]) {
    this.session = session;
    this.folder = folder;
    this.create = create;
    this.#printer = printer;
    this.before = this.things();
  }

  title(text: string): void {
    this.#printer.print(`\n== ${text} ==`);
  }

  print(text: string): void {
    this.#printer.print(text);
  }

  /** What a step has shown, now that it has. */
  proved(text: string): void {
    this.#printer.print(`=> ${text}`);
  }

  /** Runs a verb as a person at dom0's prompt would. */
  async dom0(...words: readonly string[]): Promise<void> {
    await this.run("dom0", this.session.system, words);
  }

  /** Runs a command as a person at the guest's prompt would; it has to end with `status`. */
  async domU(words: readonly string[], status: number = Exit.done): Promise<void> {
    const { name } = this.guest;
    await this.run(name, this.session.system, ["guest", name, "--", ...words], words, status);
  }

  /** The guest of the demonstration. */
  get guest(): Guest {
    const [running] = this.session.system.guests.values();
    return running?.guest ?? fail("the guest is gone");
  }

  get disks(): Disk[] {
    const { guest } = this;
    return guest.devices.flatMap((device) => guest.diskOf(device) ?? []);
  }

  store(name: string): ByteStore {
    return this.guest.store(this.guest.disk(name) ?? fail(`the guest has no ${name}`));
  }

  async controllers(): Promise<ControllerInfo[]> {
    const { system } = this.session;
    return system.vscsi.list(await system.toolstack.find(this.guest.name));
  }

  /** All that guests can leave behind: nodes of xenstore, and what domains have open. */
  things(): string {
    return this.session.system.things();
  }

  /** Runs a verb of `system`, shown as `typed` at the prompt of `place`; it has to end with `expected`. */
  async run(
    place: string,
    system: System,
    words: readonly string[],
    typed: readonly string[] = words,
    expected: number = Exit.done,
  ): Promise<void> {
    this.#printer.print(`\n${place}# ${typed.join(" ")}`);
    const { output, errors, status } = await runWhole(system, words);
    this.#printer.print(output);
    this.#printer.error(errors);
    if (status !== expected) throw new Failed(status === Exit.done ? Exit.failed : status);
  }
}
