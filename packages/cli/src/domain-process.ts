// Knows the process of one domain as dom0 sees it: started, stopped where it is, let go on, ended. Knows no hypervisor.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { fail } from "@pvscsi/wire";
import { type DomainSettings, readStarted, SETTINGS_FD, settingsLine } from "./domain-settings.js";

const SCRIPT = fileURLToPath(new URL("domain-main.js", import.meta.url));
/** Milliseconds for a domain that is told to end; then it is killed. */
const PATIENCE = 2000;

export class DomainProcess {
  readonly #child: ChildProcess;
  /** Resolves when the process has ended, however. */
  readonly ended: Promise<void>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once("close", () => resolve());
    });
  }

  /** Starts it; what it prints goes to the file `log`. Ctrl-C at dom0's terminal is not for it. */
  static start(settings: DomainSettings, log: string): DomainProcess {
    // At once: a dom0 that is told to end meanwhile has to know of every process there is.
    const file = openSync(log, "a", 0o600);
    try {
      const child = spawn(process.execPath, [SCRIPT], { stdio: ["ignore", file, file, "pipe"], detached: true });
      const started = new DomainProcess(child);
      const channel = child.stdio[SETTINGS_FD] as Socket;
      channel.on("error", () => {});
      channel.write(settingsLine(settings));
      return started;
    } finally {
      closeSync(file);
    }
  }

  get pid(): number {
    return this.#child.pid ?? fail("a process that was not started");
  }

  /** Waits until the domain runs; gives why it does not, or null. */
  running(): Promise<string | null> {
    return readStarted(this.#child.stdio[SETTINGS_FD] as Socket);
  }

  pause(): void {
    this.#child.kill("SIGSTOP");
  }

  unpause(): void {
    this.#child.kill("SIGCONT");
  }

  /** Ends it at once, wherever it is. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Waits for its end, which its hub has told it already; one that does not heed that is killed. */
  async end(): Promise<void> {
    this.unpause();
    const timer = setTimeout(() => this.kill(), PATIENCE);
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
    clearTimeout(timer);
  }
}
