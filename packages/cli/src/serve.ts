// Knows how guests' disks are handed to NBD clients for as long as somebody wants.

import { join } from "node:path";
import type { Disk, Guest } from "@pvscsi/guest";
import { type NbdExportOptions, serveNbd } from "@pvscsi/nbd";
import { nodeClock, nodeScheduler } from "./platform.js";
import type { Printer } from "./printer.js";
import type { Session } from "./session.js";
import { withTemporaryFolder } from "./temporary-folder.js";
import { Exit } from "./verb.js";

/** Serves every guest disk on a Unix socket and prints the URIs, until `ended`. */
export async function serveDisks(session: Session, printer: Printer, ended: () => Promise<void>): Promise<number> {
  const exports = guestDisks(session);
  if (exports.length === 0) {
    printer.error("pvscsi: no guest has a disk to serve");
    return Exit.failed;
  }
  return withTemporaryFolder("pvscsi-nbd-", async (folder) => {
    const path = join(folder, "nbd.sock");
    const server = await serveNbd({ listen: { path }, exports, clock: nodeClock, scheduler: nodeScheduler() });
    const over = ended();
    for (const { name } of exports) printer.print(`nbd+unix:///${encodeURIComponent(name)}?socket=${path}`);
    printer.print("serving the guest's disks over NBD until Ctrl-C or SIGTERM");
    await over;
    await server.close();
    return Exit.done;
  });
}

function guestDisks({ system }: Session): NbdExportOptions[] {
  return [...system.guests.values()].flatMap(({ guest }) =>
    guest.devices.flatMap((device) => {
      const disk = guest.diskOf(device);
      return disk === undefined ? [] : [diskExport(guest, disk)];
    }),
  );
}

/** A disk under the name `domU-sda`, in sectors. */
export function diskExport(guest: Guest, disk: Disk): NbdExportOptions {
  return { name: `${guest.name}-${disk.name}`, store: guest.store(disk), minimumBlock: 512 };
}
