// Knows a guest that runs in this process: its operating system, its driver, and the commands that run inside it.

import { Guest, runGuestCommand } from "@pvscsi/guest";
import type { HostAdapter } from "@pvscsi/scsi";
import { type AdapterMessage, Scsifront, type ScsifrontAdapter, type ScsifrontOptions } from "@pvscsi/scsifront";
import type { Clock, Probes, Scheduler } from "@pvscsi/wire";
import type { Domain } from "@pvscsi/xen";
import { serveDisks } from "./nbd-command.js";
import { filesIn } from "./node-files.js";
import { Exit, type Outcome } from "./verb.js";

export interface GuestParts extends Pick<ScsifrontOptions, "drives"> {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly name: string;
  readonly domain: Domain;
  /** What the guest has of an adapter; the adapter itself where absent. */
  readonly adapted?: (adapter: ScsifrontAdapter) => HostAdapter;
}

export class RunningGuest {
  readonly domain: Domain;
  readonly guest: Guest;
  readonly driver: Scsifront;
  /** Ends of what uses the guest's disks from outside. */
  readonly services: (() => Promise<void>)[] = [];

  constructor(parts: GuestParts) {
    const { probes, domain, adapted = (adapter) => adapter } = parts;
    const guest = new Guest(parts);
    this.domain = domain;
    this.guest = guest;
    this.driver = new Scsifront({
      ...parts,
      probes: logging(probes, guest),
      attach: (adapter) => guest.attach(adapted(adapter)),
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

  /** Ends who uses its disks, the last one first. */
  async endServices(): Promise<void> {
    for (const end of this.services.reverse()) await end();
  }

  /** Ends who uses its disks, and its driver. */
  async close(): Promise<void> {
    await this.endServices();
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
