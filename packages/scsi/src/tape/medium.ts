// Knows the seam between a tape drive and a cartridge, and a cartridge that is in memory. Knows neither records nor SCSI.

import { assert } from "@pvscsi/wire";
import { type ByteStore, StoreError } from "../store.js";
import { MemoryStore } from "../stores/memory-store.js";

/** The bytes of one partition, in the format that records.ts knows. */
export interface TapeStore {
  /** Its size is the most that the partition takes; what is behind `written` is not to be read before it is written. */
  readonly bytes: ByteStore;
  /** Bytes that are there when it is opened. */
  readonly written: number;
  /** Drops what is behind `length` bytes, durably; `done` is called once, perhaps before it returns. */
  cut(length: number, done: (error: StoreError | null) => void): void;
  /** Absent where its records are looked for each time. */
  readonly index?: TapeIndex | undefined;
}

/** Keeps where the records of a partition are from one opening to the next. */
export interface TapeIndex {
  /** What was kept, where nothing has been written since; null where something was, or nothing was kept. */
  readonly kept: string | null;
  /** Forgets it, durably: the partition is about to be written. Rejects with `StoreError`. */
  forget(): Promise<void>;
  /** Says what is to be kept when the cartridge is closed and all is durable. */
  set(text: string): void;
}

/** What a person can see of a cartridge, and what it is made for. */
export interface CartridgeLabel {
  /** Up to 32 characters of ASCII; none where it has no label. */
  readonly barcode?: string | undefined;
  /** What was written can neither be written over nor erased. */
  readonly worm?: boolean;
  /** Its switch is set. */
  readonly writeProtected?: boolean;
}

/** A cartridge: its partitions, one behind the other. */
export interface Cartridge {
  readonly label: CartridgeLabel;
  /** Bytes of all partitions together. */
  readonly capacity: number;
  readonly partitions: readonly TapeStore[];
  /** Makes it anew with empty partitions of these sizes in bytes. Rejects with `StoreError`. */
  partition(sizes: readonly number[]): Promise<void>;
  /** Ends when all is durable. */
  close(): Promise<void>;
}

/** Bytes of the smallest partition. */
export const LEAST_PARTITION = 1 << 20;

/** A cartridge that is forgotten with whoever has it. */
export class MemoryCartridge implements Cartridge {
  readonly capacity: number;
  readonly label: CartridgeLabel;
  partitions: readonly TapeStore[];

  constructor(capacity: number, label: CartridgeLabel = {}) {
    assert(capacity >= LEAST_PARTITION, `a cartridge of ${capacity} bytes`);
    this.capacity = capacity;
    this.label = label;
    this.partitions = [memoryTape(new MemoryStore(capacity))];
  }

  async partition(sizes: readonly number[]): Promise<void> {
    this.partitions = sizes.map((size) => memoryTape(new MemoryStore(size)));
  }

  async close(): Promise<void> {}
}

/** A partition whose bytes are all in a store, of which the first `written` are there. */
export function memoryTape(bytes: MemoryStore, written = 0): TapeStore {
  return { bytes, written, cut: (_length, done) => done(null) };
}

/** What a partition cannot be made of. */
export function tooSmall(size: number): StoreError {
  return new StoreError("no-space", `a partition of ${size} bytes, expected ${LEAST_PARTITION} at least`);
}
