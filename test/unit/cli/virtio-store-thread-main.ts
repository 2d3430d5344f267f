// A thread of virtio devices: one for each driver that it is told of, over a store of its own.

import { type MessagePort, parentPort } from "node:worker_threads";
import { createDisk, MemoryStore } from "@pvscsi/scsi";
import { PortServer, TargetTable, VirtioBlkDevice, type VirtioDevice, VirtioScsiDevice } from "@pvscsi/virtio";
import { messageEnd, nodeScheduler } from "pvscsi";

/** A driver, and what it expects. */
export interface DriverOrder {
  readonly kind: keyof typeof DEVICES;
  /** Bytes of the store, which has a cache. */
  readonly size: number;
  readonly port: MessagePort;
  readonly buffer: SharedArrayBuffer;
}

const DEVICES = { "virtio-scsi": scsi, "virtio-blk": block } satisfies {
  readonly [kind: string]: (store: MemoryStore) => VirtioDevice;
};

function scsi(store: MemoryStore): VirtioDevice {
  const targets = new TargetTable();
  const identity = { vendor: "PVSCSI", product: "THREAD", revision: "0001", serial: "1", wwn: "5000000000000001" };
  targets.at(0).add(0, createDisk({ ...identity, store, blockSize: 512 }));
  return new VirtioScsiDevice({ targets, scheduler: nodeScheduler() });
}

function block(store: MemoryStore): VirtioDevice {
  return new VirtioBlkDevice({ store, scheduler: nodeScheduler() });
}

parentPort?.on("message", ({ kind, size, port, buffer }: DriverOrder) => {
  new PortServer(messageEnd(port), buffer, DEVICES[kind](new MemoryStore(size, { writeBack: true })));
});
