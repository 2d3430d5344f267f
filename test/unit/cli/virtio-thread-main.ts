// A virtio-scsi device in a thread: a disk over memory at 0:0, and more that come and go as it is told.

import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { createDisk, MemoryStore } from "@pvscsi/scsi";
import { PortServer, TargetTable, VirtioScsiDevice } from "@pvscsi/virtio";
import { messageEnd, nodeScheduler } from "pvscsi";

export interface VirtioThread {
  readonly port: MessagePort;
  readonly buffer: SharedArrayBuffer;
}

/** What it is told: to put a disk at a LUN of target 1, or to take it out. */
export interface VirtioThreadOrder {
  readonly change: "add" | "remove";
  readonly lun: number;
}

const starter = parentPort as NonNullable<typeof parentPort>;
const { port, buffer } = workerData as VirtioThread;
const targets = new TargetTable();

function addDisk(target: number, lun: number): void {
  const identity = { vendor: "PVSCSI", product: "THREAD", revision: "0001", wwn: "5000000000000001" };
  const store = new MemoryStore(1 << 20);
  targets.at(target).add(lun, createDisk({ ...identity, serial: `${target}:${lun}`, store, blockSize: 512 }));
}

addDisk(0, 0);
const device = new VirtioScsiDevice({ targets, scheduler: nodeScheduler() });
const server = new PortServer(messageEnd(port), buffer, device);
starter.on("message", ({ change, lun }: VirtioThreadOrder) => {
  if (change === "add") addDisk(1, lun);
  else void targets.at(1).remove(lun);
});
await server.ended;
starter.close();
