// Knows a cartridge whose records were found: what a drive has in it, and where its head is.

import { readIndex, writeIndex } from "./index-kept.js";
import type { Cartridge, TapeStore } from "./medium.js";
import type { Records, Run } from "./records.js";
import { scanRecords } from "./scan.js";

/** A partition as a drive uses it. */
export interface Partition {
  readonly store: TapeStore;
  readonly records: Records;
  /** Bytes that are there; more than those of its records where the last was not written whole. */
  written: number;
  /** What is kept of its records says where they are, or may be wrong, or nothing is. */
  index: "same" | "stale" | "none";
}

/** The most that early warning comes before the end: bytes, and a part of the partition. */
const WARNING = { most: 64 << 20, part: 32 };

export class LoadedTape {
  readonly cartridge: Cartridge;
  partitions: readonly Partition[];
  /** The partition that the head is at, and the object before it. */
  partition = 0;
  object = 0;

  private constructor(cartridge: Cartridge, partitions: readonly Partition[]) {
    this.cartridge = cartridge;
    this.partitions = partitions;
  }

  /** Looks through a cartridge, which is the drive's from then on. Rejects with `StoreError`. */
  static async of(cartridge: Cartridge): Promise<LoadedTape> {
    return new LoadedTape(cartridge, await partitionsOf(cartridge));
  }

  get here(): Partition {
    return this.partitions[this.partition];
  }

  get records(): Records {
    return this.here.records;
  }

  /** What is behind the head; undefined at the end of data. */
  get run(): Run | undefined {
    return this.records.runOf(this.object);
  }

  get atBeginning(): boolean {
    return this.object === 0;
  }

  get atEndOfData(): boolean {
    return this.object >= this.records.objects;
  }

  /** Bytes from the head to the end of the partition. */
  get room(): number {
    return this.here.store.bytes.size - this.records.offsetOf(this.object);
  }

  /** Whether the head is between early warning and the end of the partition (SSC-3 4.2.4). */
  get warned(): boolean {
    return this.room < Math.min(WARNING.most, Math.floor(this.here.store.bytes.size / WARNING.part));
  }

  /** Lets go of it when all is durable, and where its records are is kept. Rejects with `StoreError`. */
  async close(): Promise<void> {
    for (const { store, records, written, index } of this.partitions) {
      // What was not written whole is looked at again.
      const text = index === "same" || written !== records.end ? null : writeIndex(records);
      if (text !== null) store.index?.set(text);
    }
    await this.cartridge.close();
  }

  rewind(): void {
    this.partition = 0;
    this.object = 0;
  }

  /** Makes the cartridge anew with empty partitions of these sizes. Rejects with `StoreError`. */
  async format(sizes: readonly number[]): Promise<void> {
    await this.cartridge.partition(sizes);
    this.partitions = await partitionsOf(this.cartridge);
    this.rewind();
  }
}

async function partitionsOf({ partitions }: Cartridge): Promise<Partition[]> {
  const all: Partition[] = [];
  for (const store of partitions) all.push(await open(store));
  return all;
}

async function open(store: TapeStore): Promise<Partition> {
  const { written } = store;
  const kept = store.index?.kept ?? null;
  const known = kept === null ? null : readIndex(kept, written);
  if (known !== null) return { store, written, records: known, index: "same" };
  return { store, written, records: await scanRecords(store), index: store.index === undefined ? "none" : "stale" };
}
