// Knows a cartridge in files: one for each partition, in SIMH's format, and what they may take, beside the first. Knows no record.

import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type Cartridge, type CartridgeLabel, LEAST_PARTITION, StoreError, type TapeStore } from "@pvscsi/scsi";
import { reasonOf } from "./file-errors.js";
import { type FileStoreOptions, openFileStore, syncFolder } from "./file-open.js";
import type { FileStore } from "./file-store.js";
import { keepText, openKeeper } from "./kept-file.js";
import { FileIndex } from "./tape-index.js";

export interface FileCartridgeOptions extends Pick<FileStoreOptions, "access" | "sync" | "openFiles"> {
  readonly label: CartridgeLabel;
  /** Bytes of all partitions together. */
  readonly capacity: number;
  /** Makes its file where there is none. */
  readonly create: boolean;
}

/** What may stand in the file of the sizes: two numbers. */
const MOST_SIZES = 2;

export class FileCartridge implements Cartridge {
  readonly label: CartridgeLabel;
  readonly capacity: number;
  readonly #path: string;
  readonly #options: FileCartridgeOptions;
  #stores: readonly FileStore[] = [];
  #partitions: readonly TapeStore[] = [];
  #indexes: readonly FileIndex[] = [];

  private constructor(path: string, options: FileCartridgeOptions) {
    this.#path = path;
    this.#options = options;
    this.label = options.label;
    this.capacity = options.capacity;
  }

  /** Opens a cartridge by the file of its first partition. Rejects with `StoreError` and a reason for the person who named it. */
  static async open(path: string, options: FileCartridgeOptions): Promise<FileCartridge> {
    const cartridge = new FileCartridge(path, options);
    const { kept } = await openKeeper(`${path}.partitions`, "sizes of partitions");
    await cartridge.#open(kept === null ? [options.capacity] : sizesOf(kept, path));
    return cartridge;
  }

  get partitions(): readonly TapeStore[] {
    return this.#partitions;
  }

  /** What was on it is gone before anything else changes: after a loss of power there are old partitions or new ones, all empty. */
  async partition(sizes: readonly number[]): Promise<void> {
    for (const index of this.#indexes) await index.forget();
    for (const store of this.#stores) await cut(store);
    try {
      await keepText(`${this.#path}.partitions`, sizes.length === 1 ? null : `${sizes.join(" ")}\n`);
      await this.close();
      for (let index = sizes.length; index < MOST_SIZES; index++) await rm(this.#pathOf(index), { force: true });
      await syncFolder(dirname(this.#path));
    } catch (error) {
      throw new StoreError("hardware", `partitioning ${this.#path}: ${reasonOf(error)}`, { cause: error });
    }
    await this.#open(sizes);
  }

  async close(): Promise<void> {
    const stores = this.#stores;
    const indexes = this.#indexes;
    this.#stores = [];
    this.#indexes = [];
    const ends = await Promise.allSettled(stores.map((store) => store.close()));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    for (const index of indexes) await index.write();
  }

  #pathOf(index: number): string {
    return index === 0 ? this.#path : `${this.#path}.${index}`;
  }

  async #open(sizes: readonly number[]): Promise<void> {
    const { access, sync, openFiles, create } = this.#options;
    const stores: FileStore[] = [];
    const partitions: TapeStore[] = [];
    const indexes: FileIndex[] = [];
    this.#stores = stores;
    this.#indexes = indexes;
    try {
      for (const [number, room] of sizes.entries()) {
        // The first is made where that was said, and the others whenever they are missing: nothing was on them.
        const createSize = create || number > 0 ? 0 : undefined;
        const store = await openFileStore(this.#pathOf(number), { access, sync, openFiles, room, createSize });
        stores.push(store);
        const index = access === "read-only" ? undefined : await FileIndex.open(this.#pathOf(number));
        if (index !== undefined) indexes.push(index);
        const cut: TapeStore["cut"] = (length, done) => store.cut(length, done);
        partitions.push({ bytes: store, written: await store.written(), cut, index });
      }
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#partitions = partitions;
  }
}

function cut(store: FileStore): Promise<void> {
  return new Promise((resolve, reject) => store.cut(0, (error) => (error === null ? resolve() : reject(error))));
}

/** Throws `StoreError` where they are none. */
function sizesOf(text: string, path: string): number[] {
  const sizes = /^\d{1,15}( \d{1,15})?\n$/.test(text) ? text.trim().split(" ").map(Number) : [];
  if (sizes.length > 0 && sizes.every((size) => size >= LEAST_PARTITION)) return sizes;
  throw new StoreError(
    "hardware",
    `${path}.partitions: expected the sizes of partitions in bytes, such as 1000000000 2000000000`,
  );
}
