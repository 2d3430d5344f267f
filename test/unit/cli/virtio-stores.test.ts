// A guest's disk whose virtio device is in another thread keeps the contract of a byte store, as one in process does.

import { MessageChannel, Worker } from "node:worker_threads";
import { type BlockDevice, Guest } from "@pvscsi/guest";
import { PAGE_SIZE, PortTransport, VirtioBlkAdapter, VirtioScsiAdapter } from "@pvscsi/virtio";
import { expect } from "chai";
import { messageEnd, nodeClock, nodeScheduler } from "pvscsi";
import { byteStoreContract, STORE_SIZE } from "../../contract/byte-store.js";
import type { DriverOrder } from "./virtio-store-thread-main.js";

const SCRIPT = new URL("virtio-store-thread-main.js", import.meta.url);
const MEMORY = 4096 * PAGE_SIZE;

/** Gives what is there once it is. */
async function found<Thing>(look: () => Thing | undefined): Promise<Thing> {
  for (const end = performance.now() + 10_000; performance.now() < end; await new Promise(setImmediate)) {
    const thing = look();
    if (thing !== undefined) return thing;
  }
  return expect.fail("it is not found");
}

/** How a guest finds its disk on a device of each kind. */
const DISKS: {
  readonly [Kind in DriverOrder["kind"]]: (guest: Guest, transport: PortTransport) => Promise<BlockDevice>;
} = {
  async "virtio-scsi"(guest, transport) {
    guest.attach(await VirtioScsiAdapter.probe({ transport, scheduler: nodeScheduler() }));
    return found(() => guest.disk("sda"));
  },
  async "virtio-blk"(guest, transport) {
    return guest.attachBlock(await VirtioBlkAdapter.probe({ transport, scheduler: nodeScheduler() }));
  },
};

describe("virtio devices in another thread", () => {
  let worker: Worker;
  before(() => {
    worker = new Worker(SCRIPT);
  });
  after(async () => {
    await worker.terminate();
  });

  for (const kind of ["virtio-scsi", "virtio-blk"] as const) {
    byteStoreContract(`a guest's disk on ${kind} of another thread`, async () => {
      const { port1, port2 } = new MessageChannel();
      const buffer = new SharedArrayBuffer(MEMORY);
      const order: DriverOrder = { kind, size: STORE_SIZE, port: port2, buffer };
      worker.postMessage(order, [port2]);
      const transport = new PortTransport({ end: messageEnd(port1), buffer });
      const guest = new Guest({ clock: nodeClock, scheduler: nodeScheduler(), name: "domU" });
      const disk = await DISKS[kind](guest, transport);
      await found(() => disk.parameters);
      return { store: guest.store(disk), dispose: () => transport.close() };
    });
  }
});
