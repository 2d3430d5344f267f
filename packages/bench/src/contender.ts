// Knows what is measured: something that moves blocks of a disk into pages and back, however it does that.

import { type ByteStore, Command, type HostAdapter, HostByte, Status, StoreRequest } from "@pvscsi/scsi";
import { assert, Places } from "@pvscsi/wire";
import type { Workload } from "./workload.js";

/** One operation under way: a slot with memory of its own, used again and again. */
export interface Slot {
  /** Set by the one who measures; called when the operation that `start` began has ended, perhaps before it returns. */
  ended: (slot: Slot) => void;
  /** Moves the blocks at byte `offset`. */
  start(offset: number): void;
  /** When it was started, in the measurer's milliseconds. */
  startedAt: number;
}

/** Something that can be measured. */
export interface Contender {
  readonly name: string;
  /** Bytes of the disk behind it. */
  readonly size: number;
  /** Operations it takes at once. */
  readonly depth: number;
  /** Slots for a workload; they allocate all they need now. */
  slots(workload: Workload): Slot[];
  /** Frees what slots have allocated. */
  close(): Promise<void>;
}

const PAGE = 4096;
const BLOCK = 512;

/** The bound: the store itself moves the same blocks, without SCSI and without a wire. */
export function bareStore(store: ByteStore): Contender {
  return {
    name: "bare copy",
    size: store.size,
    depth: Number.POSITIVE_INFINITY,
    slots: (workload) => Array.from({ length: workload.depth }, () => storeSlot(store, workload)),
    close: async () => {},
  };
}

function storeSlot(store: ByteStore, { operation, size }: Workload): Slot {
  const request = new StoreRequest();
  const places = new Places();
  for (let at = 0; at < size; at += PAGE) places.add(new Uint8Array(PAGE), 0, PAGE);
  request.operation = operation;
  request.length = size;
  request.places = places;
  const slot: Slot = {
    ended: () => {},
    startedAt: 0,
    start(offset) {
      request.offset = offset;
      store.submit(request);
    },
  };
  request.completed = (ended) => {
    assert(ended.error === null, `the bare store failed: ${ended.error?.message}`);
    slot.ended(slot);
  };
  return slot;
}

/** A disk at LUN 0 of an adapter's target 0, driven with READ(10) and WRITE(10). */
export function adapterDisk(name: string, adapter: HostAdapter, size: number, close: () => Promise<void>): Contender {
  const pages: Uint8Array[] = [];
  return {
    name,
    size,
    depth: adapter.limits.queueDepth,
    slots: (workload) =>
      Array.from({ length: workload.depth }, () => {
        const own = adapter.allocate(Math.ceil(workload.size / PAGE));
        pages.push(...own);
        return commandSlot(adapter, workload, own);
      }),
    close: async () => {
      adapter.free(pages);
      await close();
    },
  };
}

function commandSlot(adapter: HostAdapter, { operation, size }: Workload, pages: readonly Uint8Array[]): Slot {
  const command = new Command();
  for (let i = 0; i < pages.length; i++) command.data.add(pages[i], 0, Math.min(PAGE, size - i * PAGE));
  command.cdb[0] = operation === "read" ? 0x28 : 0x2a;
  command.cdbLength = 10;
  command.direction = operation === "read" ? "from-device" : "to-device";
  const cdb = new DataView(command.cdb.buffer);
  cdb.setUint16(7, size / BLOCK);
  const slot: Slot = {
    ended: () => {},
    startedAt: 0,
    start(offset) {
      cdb.setUint32(2, offset / BLOCK);
      adapter.queue(command);
    },
  };
  command.completed = (ended) => {
    assert(
      ended.hostByte === HostByte.ok && ended.status === Status.good,
      `status ${ended.status}, host ${ended.hostByte}`,
    );
    slot.ended(slot);
  };
  return slot;
}
