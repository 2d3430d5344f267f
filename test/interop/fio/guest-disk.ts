// Knows which disks the judges of this suite get to see: those of a guest, through scsifront, the ring, scsiback and the
// target, over memory or over a file; and through virtio-scsi to the same target over memory.

import { join } from "node:path";
import { parseHostConfig, parseMachineConfig } from "@pvscsi/config";
import { Guest } from "@pvscsi/guest";
import { openHost } from "@pvscsi/host";
import { type ByteStore, createDisk, MemoryStore } from "@pvscsi/scsi";
import { Arena, InProcessTransport, TargetTable, VirtioScsiAdapter, VirtioScsiDevice } from "@pvscsi/virtio";
import { fail, ProbeHub } from "@pvscsi/wire";
import { nodeClock, nodeScheduler, OneProcess, physicalDevices } from "pvscsi";

export const DISK_SIZE = 256 * 1024 * 1024;
/** Bytes that a driver of virtio-scsi has for rings and data. */
const MEMORY = 128 * 1024 * 1024;

/** What keeps the disk's bytes, or memory behind another wire. */
export type Backing = "memory" | "file" | "virtio";

export interface GuestDisk {
  readonly store: ByteStore;
  close(): Promise<void>;
}

/** Starts a guest with one disk of `DISK_SIZE` bytes, all zeros; its file, if it has one, is in `folder`. */
export function openGuestDisk(backing: Backing, folder: string): Promise<GuestDisk> {
  return backing === "virtio" ? openVirtioDisk() : openXenDisk(backing, folder);
}

async function openXenDisk(backing: Backing, folder: string): Promise<GuestDisk> {
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

async function openVirtioDisk(): Promise<GuestDisk> {
  const targets = new TargetTable();
  const identity = { vendor: "PVSCSI", product: "VIRTIO", revision: "0001", serial: "1", wwn: "5000000000000001" };
  targets.at(0).add(0, createDisk({ ...identity, store: new MemoryStore(DISK_SIZE), blockSize: 512 }));
  const scheduler = nodeScheduler();
  const device = new VirtioScsiDevice({ targets, scheduler });
  const transport = new InProcessTransport({ device, memory: new Arena(new ArrayBuffer(MEMORY)), scheduler });
  const adapter = await VirtioScsiAdapter.probe({ transport, scheduler });
  const guest = new Guest({ clock: nodeClock, scheduler, name: "guest" });
  const host = guest.attach(adapter);
  await guest.scan(host);
  const disk = guest.disk("sda") ?? fail("the guest has no disk");
  return { store: guest.store(disk), close: () => guest.detach(host) };
}
