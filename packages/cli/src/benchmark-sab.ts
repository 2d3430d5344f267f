// Knows the bound of shared memory: the same blocks through a plain ring between two threads, woken as the xenbus wakes
// them, without SCSI and grants. This is the end that measures.

import { type Contender, newSlot, type Slot } from "@pvscsi/bench";
import { COMMAND_SLOTS } from "@pvscsi/scsifront";
import { addCounts, NO_COUNTS } from "./benchmark-counts.js";
import { DISK_SIZE } from "./benchmark-disk.js";
import { RESPONSES, type RingAddress, RingEnd } from "./benchmark-sab-ring.js";
import { BenchmarkThread } from "./benchmark-thread.js";
import { nodeScheduler } from "./platform.js";

/** Blocks of another thread's store, which moves them from and to the slots' pages. */
export async function overPlainRing(): Promise<Contender> {
  const server = new BenchmarkThread<RingAddress>("blocks");
  try {
    const address = await server.address;
    let slots: Slot[] = [];
    const ring = new RingEnd(address, RESPONSES, nodeScheduler(), (entry) => {
      const slot = slots[ring.slot(entry)];
      slot.ended(slot);
    });
    return {
      name: "sab",
      size: DISK_SIZE,
      depth: COMMAND_SLOTS,
      ended: server.ended,
      async counts() {
        const { notifications } = ring;
        return addCounts(await server.counts(), { ...NO_COUNTS, notifications });
      },
      slots({ operation, size, depth }) {
        slots = Array.from({ length: depth }, (_, index) =>
          newSlot((offset) => ring.put(index, operation, offset, size)),
        );
        return slots;
      },
      async close() {
        address.port.close();
        await server.end();
      },
    };
  } catch (error) {
    await server.end();
    throw error;
  }
}
