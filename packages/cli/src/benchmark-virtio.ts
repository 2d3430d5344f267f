// Knows the virtio devices and their drivers, where they are measured: in one thread, or the device in a second one.

import { MessageChannel, type MessagePort } from "node:worker_threads";
import { adapterDisk, blockDisk, type Contender } from "@pvscsi/bench";
import type { MemoryStore } from "@pvscsi/scsi";
import {
  Arena,
  InProcessTransport,
  PortServer,
  PortTransport,
  TargetTable,
  VirtioBlkAdapter,
  VirtioBlkDevice,
  type VirtioDevice,
  VirtioScsiAdapter,
  VirtioScsiDevice,
  type VirtioTransport,
} from "@pvscsi/virtio";
import { absorbAttention } from "./benchmark-adapter.js";
import { addCounts, NO_COUNTS, storeCounts } from "./benchmark-counts.js";
import { DISK_SIZE, diskOver, filledStore } from "./benchmark-disk.js";
import { BenchmarkThread, type ThreadServer } from "./benchmark-thread.js";
import { messageEnd } from "./message-end.js";
import { nodeScheduler } from "./platform.js";

/** Bytes of a driver's memory: rings, and the data of all commands under way. */
const MEMORY = 32 * 1024 * 1024;

/** What the thread of a driver has to know. */
export interface VirtioAddress {
  readonly port: MessagePort;
  readonly buffer: SharedArrayBuffer;
}

export type VirtioKind = "virtio-scsi" | "virtio-blk";

/** A device over a store, and the disk that its driver finds; `ended` comes after the driver. */
interface VirtioEnds {
  device(store: MemoryStore): VirtioDevice;
  disk(name: string, transport: VirtioTransport, ended: () => Promise<void>): Promise<Contender>;
}

const KINDS: Readonly<Record<VirtioKind, VirtioEnds>> = {
  "virtio-scsi": {
    device(store) {
      const targets = new TargetTable();
      targets.at(0).add(0, diskOver(store));
      return new VirtioScsiDevice({ targets, scheduler: nodeScheduler() });
    },
    async disk(name, transport, ended) {
      const adapter = await VirtioScsiAdapter.probe({ transport, scheduler: nodeScheduler() });
      await absorbAttention(adapter);
      return adapterDisk(name, adapter, DISK_SIZE, () => adapter.close().then(ended));
    },
  },
  "virtio-blk": {
    device: (store) => new VirtioBlkDevice({ store, scheduler: nodeScheduler() }),
    async disk(name, transport, ended) {
      const adapter = await VirtioBlkAdapter.probe({ transport, scheduler: nodeScheduler() });
      return blockDisk(name, adapter, () => adapter.close().then(ended));
    },
  },
};

/** Driver and device in this thread. */
export async function virtioInProcess(kind: VirtioKind, store: MemoryStore): Promise<Contender> {
  const memory = new Arena(new ArrayBuffer(MEMORY));
  const device = KINDS[kind].device(store);
  const transport = new InProcessTransport({ device, memory, scheduler: nodeScheduler() });
  const disk = await KINDS[kind].disk(kind, transport, () => transport.close());
  const counts = async () => ({ ...storeCounts(store), notifications: transport.notifications });
  return { ...disk, counts };
}

/** The driver here, the device and its store in another thread, which shares the driver's memory. */
export async function virtioInThread(kind: VirtioKind): Promise<Contender> {
  const server = new BenchmarkThread<VirtioAddress>(kind);
  try {
    const { port, buffer } = await server.address;
    const transport = new PortTransport({ end: messageEnd(port), buffer });
    const disk = await KINDS[kind].disk(`${kind}-worker`, transport, async () => {
      transport.close();
      await server.end();
    });
    const counts = async () => {
      const { notifications } = transport;
      return addCounts(await server.counts(), { ...NO_COUNTS, notifications });
    };
    return { ...disk, bound: "sab", ended: server.ended, counts };
  } catch (error) {
    await server.end();
    throw error;
  }
}

/** Serves a disk to the driver of another thread. */
export async function serveVirtio(kind: VirtioKind): Promise<ThreadServer<VirtioAddress>> {
  const store = await filledStore();
  const { port1, port2 } = new MessageChannel();
  const buffer = new SharedArrayBuffer(MEMORY);
  new PortServer(messageEnd(port1), buffer, KINDS[kind].device(store));
  return { address: { port: port2, buffer }, counts: () => storeCounts(store) };
}
