// Knows a disk with a volatile cache: what was neither flushed nor written with FUA is lost when its power is cut.

import { type ByteStore, StoreError, type StoreFeatures, type StoreRequest } from "@pvscsi/scsi";
import { assert, type Clock, type Random } from "@pvscsi/wire";
import { SECTOR } from "./versions.js";

/** Milliseconds. */
const LONGEST = 6;

export interface VolatileOptions {
  /** Flushes that fail, and leave what they should have written in the cache. */
  readonly failing: number;
  /** Acknowledges flushes and FUA without doing anything: what a test of durability has to notice. */
  readonly lying?: "flush" | "fua" | undefined;
}

/** A sector as the cache had it, and by which write. */
interface CachedSector {
  readonly sector: number;
  readonly write: number;
  readonly bytes: Uint8Array;
}

export class VolatileStore implements ByteStore {
  readonly features: StoreFeatures = { readOnly: false, writeBack: true, discard: false, optimalIo: 0 };
  readonly size: number;
  resized: (() => void) | null = null;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #options: VolatileOptions;
  readonly #cache: Uint8Array;
  readonly #medium: Uint8Array;
  /** Which write the cache and the medium have of each sector. */
  readonly #cached: Uint32Array;
  readonly #kept: Uint32Array;
  #writes = 0;
  #cut = false;

  constructor(size: number, clock: Clock, random: Random, options: VolatileOptions) {
    this.size = size;
    this.#clock = clock;
    this.#random = random;
    this.#options = options;
    this.#cache = new Uint8Array(size);
    this.#medium = new Uint8Array(size);
    this.#cached = new Uint32Array(size / SECTOR);
    this.#kept = new Uint32Array(size / SECTOR);
  }

  /** Requests take a while each, and so change places. */
  submit(request: StoreRequest): void {
    // A flush covers only what was completed when it was submitted.
    const covered = request.operation === "flush" ? this.#dirty() : [];
    const run = (): void => {
      if (!this.#cut) this.#execute(request, covered);
    };
    this.#clock.after(this.#random.below(LONGEST), { run });
  }

  cancel(): void {}

  async close(): Promise<void> {}

  /** Cuts the power: nothing completes any more. What is left: some of the cache may have been written by then. */
  cut(): Uint8Array {
    this.#cut = true;
    for (const { sector } of this.#dirty()) if (this.#random.chance(0.2)) this.#keep(sector, sector + 1);
    return this.#medium;
  }

  #dirty(): CachedSector[] {
    return Array.from(this.#cached.keys())
      .filter((sector) => this.#cached[sector] > this.#kept[sector])
      .map((sector) => ({
        sector,
        write: this.#cached[sector],
        bytes: this.#cache.slice(sector * SECTOR, (sector + 1) * SECTOR),
      }));
  }

  #keep(first: number, end: number): void {
    this.#medium.set(this.#cache.subarray(first * SECTOR, end * SECTOR), first * SECTOR);
    this.#kept.set(this.#cached.subarray(first, end), first);
  }

  #execute(request: StoreRequest, covered: readonly CachedSector[]): void {
    const { operation, offset, length, places, fua } = request;
    const { lying, failing } = this.#options;
    switch (operation) {
      case "read":
        places.write(this.#cache.subarray(offset, offset + length));
        break;
      case "write":
        places.read(this.#cache.subarray(offset, offset + length));
        this.#cached.fill(++this.#writes, offset / SECTOR, (offset + length) / SECTOR);
        if (fua && lying !== "fua") this.#keep(offset / SECTOR, (offset + length) / SECTOR);
        break;
      case "flush":
        if (this.#random.chance(failing)) return request.end(new StoreError("hardware", "chance"));
        if (lying === "flush") break;
        for (const { sector, write, bytes } of covered) {
          if (this.#kept[sector] >= write) continue;
          this.#medium.set(bytes, sector * SECTOR);
          this.#kept[sector] = write;
        }
        break;
      default:
        assert(false, `${operation} is not asked for here`);
    }
    request.end(null);
  }
}
