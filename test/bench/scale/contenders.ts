// Knows disks at many LUNs of many targets, which are read through their nexuses without a wire.

import type { Contender, Slot } from "@pvscsi/bench";
import { createDisk, MemoryStore, Nexus, StoreRequest, Target, Task } from "@pvscsi/scsi";
import { assert, Places } from "@pvscsi/wire";

const BLOCK = 512;
const READ_10 = 0x28;
const SIZE = 1 << 20;
const TEST_UNIT_READY = 6;

/** A store of which every page is there: reading a hole would be cheaper. */
export function filledStore(): MemoryStore {
  const store = new MemoryStore(SIZE);
  const request = new StoreRequest();
  request.operation = "write";
  request.length = SIZE;
  request.places = placesOf(new Uint8Array(SIZE).fill(0x5a));
  let failed = true;
  request.completed = () => {
    failed = request.error !== null;
  };
  store.submit(request);
  assert(!failed, "no memory");
  return store;
}

/**
 * So many targets with so many LUNs, each a disk of its own over the same store. `read` says where commands go: to the last LUN of
 * the last target, or to all of them in turns.
 */
export function manyLuns(store: MemoryStore, targets: number, luns: number, read: "one" | "all"): Contender {
  const nexuses = Array.from({ length: targets }, () => new Nexus(filledTarget(store, luns)));
  const total = targets * luns;
  return {
    name: total === 1 ? "1 LUN" : `${targets} x ${luns}, ${read}`,
    size: SIZE,
    depth: 1,
    slots: ({ size }) => [readingSlot(nexuses, luns, size, read === "one" ? () => total - 1 : inTurns(total))],
    close: async () => {
      for (const nexus of nexuses) await nexus.close();
    },
  };
}

function filledTarget(store: MemoryStore, luns: number): Target {
  const target = new Target();
  const identity = { vendor: "PVSCSI", product: "SCALE", revision: "0001", serial: "1", wwn: "5000000000000001" };
  for (let lun = 0; lun < luns; lun++) target.add(lun, createDisk({ ...identity, store, blockSize: BLOCK }));
  return target;
}

/** 0 to `count` - 1 again and again, neighbours far from each other. */
function inTurns(count: number): () => number {
  let last = 0;
  return () => {
    last = (last + 4099) % count;
    return last;
  };
}

/** Reads `size` bytes of the next place; the unit attention that a first command meets is taken before. */
function readingSlot(nexuses: readonly Nexus[], luns: number, size: number, next: () => number): Slot {
  const task = new Task();
  task.data = placesOf(new Uint8Array(size));
  task.direction = "from-device";
  const slot: Slot = { ended: () => {}, start, failure: null, startedAt: -1 };
  task.completed = () => {};
  for (let place = 0; place < nexuses.length * luns; place++) {
    task.lun = place % luns;
    task.cdbLength = TEST_UNIT_READY;
    nexuses[Math.floor(place / luns)].submit(task);
  }
  task.completed = () => {
    slot.failure = task.status === 0 ? null : `status ${task.status}`;
    slot.ended(slot);
  };
  task.cdbLength = 10;
  task.cdb[0] = READ_10;
  task.cdb[8] = size / BLOCK;
  function start(offset: number): void {
    const place = next();
    const block = offset / BLOCK;
    task.lun = place % luns;
    task.cdb[4] = block >>> 8;
    task.cdb[5] = block;
    nexuses[Math.floor(place / luns)].submit(task);
  }
  return slot;
}

function placesOf(bytes: Uint8Array): Places {
  const places = new Places();
  places.add(bytes, 0, bytes.length);
  return places;
}
