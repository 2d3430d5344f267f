// Knows a virtio-scsi device and its driver, where they are measured: in one thread, or the device in a second one.

import { MessageChannel, type MessagePort } from "node:worker_threads";
import { adapterDisk, type Contender } from "@pvscsi/bench";
import type { HostAdapter, MemoryStore } from "@pvscsi/scsi";
import {
  Arena,
  InProcessTransport,
  PortServer,
  PortTransport,
  TargetTable,
  VirtioScsiAdapter,
  VirtioScsiDevice,
} from "@pvscsi/virtio";
import { absorbAttention } from "./benchmark-adapter.js";
import { addCounts, storeCounts } from "./benchmark-counts.js";
import { DISK_SIZE, diskOver, filledStore } from "./benchmark-disk.js";
import { BenchmarkThread } from "./benchmark-thread.js";
import { messageEnd } from "./message-end.js";
import { nodeScheduler } from "./platform.js";

/** Bytes of a driver's memory: rings, and the data of all commands under way. */
const MEMORY = 32 * 1024 * 1024;

/** What the thread of a driver has to know. */
export interface VirtioAddress {
  readonly port: MessagePort;
  readonly buffer: SharedArrayBuffer;
}

/** Driver and device in this thread. */
export async function virtioInProcess(store: MemoryStore): Promise<Contender> {
  const scheduler = nodeScheduler();
  const memory = new Arena(new ArrayBuffer(MEMORY));
  const transport = new InProcessTransport({ device: deviceOver(store), memory, scheduler });
  const adapter = await VirtioScsiAdapter.probe({ transport, scheduler });
  const disk = await diskOf("virtio-scsi", adapter, () => adapter.close());
  const counts = async () => ({ ...storeCounts(store), notifications: transport.notifications });
  return { ...disk, counts };
}

/** The driver here, the device and its store in another thread, which shares the driver's memory. */
export async function virtioInThread(): Promise<Contender> {
  const server = new BenchmarkThread<VirtioAddress>("virtio");
  try {
    const { port, buffer } = await server.address;
    const transport = new PortTransport({ end: messageEnd(port), buffer });
    const adapter = await VirtioScsiAdapter.probe({ transport, scheduler: nodeScheduler() });
    const disk = await diskOf("virtio-worker", adapter, async () => {
      await adapter.close();
      transport.close();
      await server.end();
    });
    const counts = async () =>
      addCounts(
        { ...(await server.counts()), notifications: null },
        { ...NOTHING, notifications: transport.notifications },
      );
    return { ...disk, bound: "sab", ended: server.ended, counts };
  } catch (error) {
    await server.end();
    throw error;
  }
}

const NOTHING = { notifications: null, grantOperations: null, copiedBytes: null };

/** Serves a disk to the driver of another thread; gives its address and what is counted here. */
export async function serveVirtio(): Promise<{ readonly address: VirtioAddress; readonly store: MemoryStore }> {
  const store = await filledStore();
  const { port1, port2 } = new MessageChannel();
  const buffer = new SharedArrayBuffer(MEMORY);
  new PortServer(messageEnd(port1), buffer, deviceOver(store));
  return { address: { port: port2, buffer }, store };
}

function deviceOver(store: MemoryStore): VirtioScsiDevice {
  const targets = new TargetTable();
  targets.at(0).add(0, diskOver(store));
  return new VirtioScsiDevice({ targets, scheduler: nodeScheduler() });
}

async function diskOf(name: string, adapter: HostAdapter, close: () => Promise<void>): Promise<Contender> {
  await absorbAttention(adapter);
  return adapterDisk(name, adapter, DISK_SIZE, close);
}
