// Knows a machine that QEMU emulates: that something in it is to happen in time, and what is said when it does not. Knows not
// what runs in it.

import { setTimeout } from "node:timers/promises";
import type { Child } from "../children.js";
import type { SuiteContext } from "../suite.js";

const PROGRAM = "qemu-system-x86_64";
/** Nothing but a serial line, which is QEMU's input and output. */
const DEVICES = ["-nodefaults", "-no-user-config", "-vga", "none", "-display", "none"];
const SERIAL = ["-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial"];

const POLL = 20;
/** Lines of the console that an error shows. */
const SHOWN = 5;

export class Machine {
  readonly #qemu: Child;
  #ended = false;

  /** Starts QEMU with a serial line and what `words` say. */
  constructor(context: SuiteContext, words: readonly string[]) {
    this.#qemu = context.start(PROGRAM, ...DEVICES, ...SERIAL, ...words);
    void this.#qemu.finished.then(() => {
      this.#ended = true;
    });
  }

  /** Writes a line to the serial line. */
  tell(line: string): void {
    this.#qemu.tell(line);
  }

  /** The next line of the serial line; rejects when the machine has ended. */
  async readLine(): Promise<string> {
    return await this.#qemu.readLine();
  }

  /** Waits until something is so that `what` makes so; rejects, and ends the machine, when it is not in time. */
  async until(is: () => Promise<boolean>, seconds: number, what: string): Promise<void> {
    for (const end = performance.now() + seconds * 1000; performance.now() < end; await setTimeout(POLL)) {
      if (await is()) return;
      if (this.#ended) break;
    }
    throw await this.failure(what);
  }

  /** Why `what` has not happened. A machine that has not done what it should is of no more use, and is ended. */
  async failure(what: string): Promise<Error> {
    const reason = this.#ended ? `the machine ended with ${(await this.#qemu.finished).status}` : "not in time";
    await this.end();
    const { output, errors } = await this.#qemu.finished;
    const lines = output.trimEnd().split("\n").slice(-SHOWN).join(" | ");
    return new Error(`${reason} (${what.trim()}): ${errors.trim()} ${lines}`);
  }

  /** Stops QEMU while something is done. */
  async standStill(work: () => Promise<void>): Promise<void> {
    process.kill(this.#qemu.pid, "SIGSTOP");
    try {
      await work();
    } finally {
      process.kill(this.#qemu.pid, "SIGCONT");
    }
  }

  /** Ends QEMU where it stands. */
  async kill(): Promise<void> {
    process.kill(this.#qemu.pid, "SIGKILL");
    await this.#qemu.finished;
  }

  /** Turns the machine off. */
  async end(): Promise<void> {
    await this.#qemu.end();
  }
}
