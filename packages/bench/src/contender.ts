// Knows what is measured: something that moves blocks of a disk into pages and back, however it does that.

import {
  type BlockAdapter,
  type ByteStore,
  Command,
  type HostAdapter,
  HostByte,
  Status,
  StoreRequest,
} from "@pvscsi/scsi";
import { assert, Places } from "@pvscsi/wire";
import type { Workload } from "./workload.js";

/** One operation under way: a slot with memory of its own, used again and again. */
export interface Slot {
  /** Set by the one who measures; called when the operation that `start` began has ended, perhaps before it returns. */
  ended: (slot: Slot) => void;
  /** Moves the blocks at byte `offset`. */
  start(offset: number): void;
  /** Why its last operation failed; null when it did not. */
  failure: string | null;
  /** When it was started, in the measurer's milliseconds; negative while that does not matter. */
  startedAt: number;
}

/** What was done so far for all operations, at both ends; null for what a contender does not have. */
export interface Counts {
  /** Times that one end told the other to look: events, kicks and calls, messages that wake a thread. */
  readonly notifications: number | null;
  /** Grants given and ended, mapped and unmapped, and grant copies. */
  readonly grantOperations: number | null;
  /** Bytes of data that were copied from one memory to another. */
  readonly copiedBytes: number | null;
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
  /** Microseconds of processor time that its other processes have used; absent where it has none. */
  readonly elsewhere?: () => Promise<number>;
  /** Absent where nobody counts. */
  readonly counts?: () => Promise<Counts>;
  /** Resolves with the reason when it ends by itself: what is under way then does not end any more. */
  readonly ended?: Promise<string>;
  /** Another contender that bounds it more closely than the first one does. */
  readonly bound?: string;
  /** Frees what slots have allocated. */
  close(): Promise<void>;
}

const PAGE = 4096;
const BLOCK = 512;
const READ_10 = 0x28;
const WRITE_10 = 0x2a;

/** The bound: the store itself moves the same blocks, without SCSI and without a wire. */
export function bareStore(store: ByteStore): Contender {
  return {
    name: "bare copy",
    size: store.size,
    depth: Number.POSITIVE_INFINITY,
    slots: (workload) =>
      Array.from({ length: workload.depth }, () => {
        const pages = Array.from({ length: pagesOf(workload) }, () => new Uint8Array(PAGE));
        return requestSlot(store, workload, pages);
      }),
    close: async () => {},
  };
}

/** A disk of 512-byte blocks at LUN 0 of an adapter's target 0, driven with READ(10) and WRITE(10). */
export function adapterDisk(name: string, adapter: HostAdapter, size: number, close: () => Promise<void>): Contender {
  return adapterContender(name, adapter, size, (workload, pages) => commandSlot(adapter, workload, pages), close);
}

/** A disk that is no SCSI device. */
export function blockDisk(
  name: string,
  adapter: PagedAdapter & Pick<BlockAdapter, "size" | "submit">,
  close: () => Promise<void>,
): Contender {
  const newOne = (workload: Workload, pages: readonly Uint8Array[]): Slot => requestSlot(adapter, workload, pages);
  return adapterContender(name, adapter, adapter.size, newOne, close);
}

/** What adapters of both kinds have: limits, and pages that data lies in. */
type PagedAdapter = Pick<HostAdapter & BlockAdapter, "allocate" | "free"> & {
  readonly limits: { readonly queueDepth: number; readonly maxTransfer: number };
};

function adapterContender(
  name: string,
  adapter: PagedAdapter,
  size: number,
  newOne: (workload: Workload, pages: readonly Uint8Array[]) => Slot,
  close: () => Promise<void>,
): Contender {
  const { maxTransfer, queueDepth } = adapter.limits;
  const allocated: Uint8Array[] = [];
  return {
    name,
    size,
    depth: queueDepth,
    slots(workload) {
      assert(
        workload.size <= maxTransfer,
        `${name} moves at most ${maxTransfer} bytes a command, not ${workload.size}`,
      );
      return Array.from({ length: workload.depth }, () => {
        const pages = adapter.allocate(pagesOf(workload));
        allocated.push(...pages);
        return newOne(workload, pages);
      });
    },
    async close() {
      adapter.free(allocated);
      await close();
    },
  };
}

/** A slot of a store, or of a disk that is asked like one. */
function requestSlot(
  disk: Pick<ByteStore, "submit">,
  { operation, size }: Workload,
  pages: readonly Uint8Array[],
): Slot {
  const request = new StoreRequest();
  request.operation = operation;
  request.length = size;
  request.places = new Places();
  addPages(request.places, pages, size);
  const slot = newSlot((offset) => {
    request.offset = offset;
    disk.submit(request);
  });
  request.completed = ({ error }) => {
    slot.failure = error === null ? null : error.message;
    slot.ended(slot);
  };
  return slot;
}

function commandSlot(adapter: HostAdapter, { operation, size }: Workload, pages: readonly Uint8Array[]): Slot {
  const command = new Command();
  addPages(command.data, pages, size);
  command.cdb[0] = operation === "read" ? READ_10 : WRITE_10;
  command.cdbLength = 10;
  command.direction = operation === "read" ? "from-device" : "to-device";
  const cdb = new DataView(command.cdb.buffer);
  cdb.setUint16(7, size / BLOCK);
  const slot = newSlot((offset) => {
    cdb.setUint32(2, offset / BLOCK);
    adapter.queue(command);
  });
  command.completed = ({ hostByte, status }) => {
    const good = hostByte === HostByte.ok && status === Status.good;
    slot.failure = good ? null : `host byte ${hostByte}, status ${status}`;
    slot.ended(slot);
  };
  return slot;
}

/** A slot that has not run yet. */
export function newSlot(start: (offset: number) => void): Slot {
  return { ended: () => {}, start, failure: null, startedAt: -1 };
}

function pagesOf({ size }: Workload): number {
  return Math.ceil(size / PAGE);
}

/** The first `size` bytes of pages. */
function addPages(places: Places, pages: readonly Uint8Array[], size: number): void {
  for (const [index, page] of pages.entries()) places.add(page, 0, Math.min(PAGE, size - index * PAGE));
}
