// Knows which disks the judges of this suite get to see: those of a guest, through scsifront, the ring, scsiback and the
// target, over memory or over a file.

import { join } from "node:path";
import { parseHostConfig, parseMachineConfig } from "@pvscsi/config";
import { openHost } from "@pvscsi/host";
import type { ByteStore } from "@pvscsi/scsi";
import { fail, ProbeHub } from "@pvscsi/wire";
import { nodeClock, nodeScheduler, OneProcess, physicalDevices } from "pvscsi";

export const DISK_SIZE = 256 * 1024 * 1024;

/** What keeps the disk's bytes. */
export type Backing = "memory" | "file";

export interface GuestDisk {
  readonly store: ByteStore;
  close(): Promise<void>;
}

/** Starts dom0 and a guest with one disk of `DISK_SIZE` bytes, all zeros; its file, if it has one, is in `folder`. */
export async function openGuestDisk(backing: Backing, folder: string): Promise<GuestDisk> {
  const backed = backing === "memory" ? "memory: 256MiB" : "file: disk.img\n        size: 256MiB\n        create: true";
  const text = `hosts:\n  - host: 0\n    luns:\n      - address: 0:0:0:0\n        ${backed}\n`;
  const clock = nodeClock;
  const host = openHost(parseHostConfig(text, join(folder, "host.yaml")), { directory: folder, clock });
  const system = new OneProcess({
    clock,
    scheduler: nodeScheduler(),
    probes: new ProbeHub(),
    directory: host,
    devices: physicalDevices(host),
  });
  await system.start();
  const config = "name = 'guest'\nmemory = 128\nvscsi = [ '0:0:0:0,0:0:0:0' ]\n";
  const { guest } = system.guest(await system.toolstack.create(parseMachineConfig(config, { file: "domU.cfg" })));
  const disk = guest.disk("sda") ?? fail("the guest has no disk");
  return { store: guest.store(disk), close: () => system.close() };
}
