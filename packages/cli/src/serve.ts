// Knows how guests' disks are handed to NBD clients while the demonstration stays up.

import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveNbd } from "@pvscsi/nbd";
import { nodeClock, nodeScheduler } from "./platform.js";
import type { Session } from "./session.js";

/** Serves every guest disk on a Unix socket, prints the URIs, and returns when the process is told to end. */
export async function serveUntilSignal(session: Session, write: (text: string) => void): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "pvscsi-nbd-"));
  const exports = [...session.system.guests.values()].flatMap(({ guest }) =>
    guest.devices.flatMap((device) => {
      const disk = guest.diskOf(device);
      return disk === undefined
        ? []
        : [{ name: `${guest.name}-${disk.name}`, store: guest.store(disk), minimumBlock: 512 }];
    }),
  );
  const path = join(folder, "nbd.sock");
  const server = await serveNbd({ listen: { path }, exports, clock: nodeClock, scheduler: nodeScheduler() });
  for (const { name } of exports) write(`nbd+unix:///${name}?socket=${path}\n`);
  write("serving the guest's disks until SIGINT or SIGTERM\n");
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  await server.close();
  await rm(folder, { recursive: true, force: true });
  return 0;
}
