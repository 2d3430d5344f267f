// Knows a guest that runs in this process: its operating system, its driver, and the commands that run inside it.

import { Guest, runGuestCommand } from "@pvscsi/guest";
import { type AdapterMessage, Scsifront } from "@pvscsi/scsifront";
import type { Clock, Probes, Scheduler } from "@pvscsi/wire";
import type { Domain } from "@pvscsi/xen";
import { serveDisks } from "./nbd-command.js";
import { filesIn } from "./node-files.js";
import { Exit, type Outcome } from "./verb.js";

export interface GuestParts {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly name: string;
  readonly domain: Domain;
}

export class RunningGuest {
  readonly domain: Domain;
  readonly guest: Guest;
  readonly driver: Scsifront;
  /** Ends of what uses the guest's disks from outside; run, the last one first, before the guest ends. */
  readonly services: (() => Promise<void>)[] = [];

  constructor(parts: GuestParts) {
    const { probes, domain } = parts;
    const guest = new Guest(parts);
    this.domain = domain;
    this.guest = guest;
    this.driver = new Scsifront({
      ...parts,
      probes: logging(probes, guest),
      attach: (adapter) => guest.attach(adapter),
    });
  }

  /** Runs a command as at the guest's prompt; relative paths begin at `directory`. */
  async run(command: readonly string[], directory: string): Promise<Outcome> {
    if (command[0] === "nbd") {
      return { output: await serveDisks(this, command.slice(1), directory), errors: "", status: Exit.done };
    }
    const { output, status } = await runGuestCommand(this.guest, command, filesIn(directory));
    return { output, errors: "", status };
  }

  /** Ends who uses its disks, and its driver. */
  async close(): Promise<void> {
    for (const end of this.services.reverse()) await end();
    await this.driver.close();
  }
}

/** `probes`, with what a guest's driver says to people in the guest's log as well. */
function logging(probes: Probes, guest: Guest): Probes {
  return {
    get listening() {
      return probes.listening;
    },
    emit(name, subject) {
      probes.emit(name, subject);
      if (name !== "scsifront:message") return;
      const { device, text } = subject as AdapterMessage;
      guest.log.print(`vscsi ${device}: ${text}`);
    },
  };
}
