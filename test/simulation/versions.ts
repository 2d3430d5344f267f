// Knows sectors that carry their number and a version, writers that write ever newer ones, and what was promised of them.

import { type ByteStore, StoreRequest } from "@pvscsi/scsi";
import { Places, type Random } from "@pvscsi/wire";

export const SECTOR = 512;
const MOST = 9;

/** Fills a sector with its number and its version. */
export function stamp(bytes: Uint8Array, sector: number, version: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, SECTOR);
  for (let at = 0; at < SECTOR; at += 8) {
    view.setUint32(at, sector);
    view.setUint32(at + 4, version);
  }
}

/** The version of a sector, 0 where it was never written; null when it is no sector that was ever written. */
export function versionOf(bytes: Uint8Array, sector: number): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, SECTOR);
  const version = view.getUint32(4);
  for (let at = 0; at < SECTOR; at += 8) {
    if (view.getUint32(at) !== (version === 0 ? 0 : sector) || view.getUint32(at + 4) !== version) return null;
  }
  return version;
}

/** Hears that a version of a sector is durable: a flush or an FUA write was acknowledged. */
export type Promised = (sector: number, version: number) => void;

/** What a disk must hold after its power was cut. */
export class Promises {
  /** Sectors that were promised, how often. */
  count = 0;
  readonly #durable = new Map<number, number>();

  readonly add: Promised = (sector, version) => {
    this.count += 1;
    this.#durable.set(sector, Math.max(version, this.#durable.get(sector) ?? 0));
  };

  /** What is wrong with the disk's bytes, or null. */
  broken(bytes: Uint8Array): string | null {
    for (const sector of this.#durable.keys()) {
      if ((sector + 1) * SECTOR > bytes.length) return `sector ${sector} was acknowledged as durable and is not there`;
    }
    for (let sector = 0; sector < bytes.length / SECTOR; sector++) {
      const version = versionOf(bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR), sector);
      if (version === null) return `sector ${sector} holds what was never written there`;
      const durable = this.#durable.get(sector) ?? 0;
      if (version < durable)
        return `sector ${sector} has version ${version}, but ${durable} was acknowledged as durable`;
    }
    return null;
  }
}

/** Writes sectors of its own, [first, end), one request after the other and without end; fails only by rejecting. */
export class VersionWriter {
  readonly #store: ByteStore;
  readonly #first: number;
  readonly #end: number;
  readonly #random: Random;
  readonly #promised: Promised;
  /** What was written and not yet promised. */
  readonly #volatile = new Map<number, number>();
  #version = 0;

  constructor(store: ByteStore, first: number, end: number, random: Random, promised: Promised) {
    this.#store = store;
    this.#first = first;
    this.#end = end;
    this.#random = random;
    this.#promised = promised;
  }

  async run(): Promise<never> {
    for (;;) {
      if (this.#random.chance(0.25)) await this.#flush();
      else await this.#write(this.#random.chance(0.3));
    }
  }

  async #flush(): Promise<void> {
    const covered = [...this.#volatile];
    if (!(await this.#submit("flush", 0, new Uint8Array(0), false))) return;
    for (const [sector, version] of covered) {
      this.#promised(sector, version);
      this.#volatile.delete(sector);
    }
  }

  async #write(fua: boolean): Promise<void> {
    const count = 1 + this.#random.below(Math.min(MOST, this.#end - this.#first));
    const start = this.#first + this.#random.below(this.#end - this.#first - count + 1);
    const version = ++this.#version;
    const bytes = new Uint8Array(count * SECTOR);
    for (let i = 0; i < count; i++) stamp(bytes.subarray(i * SECTOR), start + i, version);
    if (!(await this.#submit("write", start * SECTOR, bytes, fua))) return;
    for (let sector = start; sector < start + count; sector++) {
      if (fua) this.#promised(sector, version);
      else this.#volatile.set(sector, version);
    }
  }

  #submit(operation: "write" | "flush", offset: number, bytes: Uint8Array, fua: boolean): Promise<boolean> {
    const places = new Places();
    if (bytes.length > 0) places.add(bytes, 0, bytes.length);
    const request = Object.assign(new StoreRequest(), { operation, offset, length: bytes.length, places, fua });
    return new Promise((resolve) => {
      request.completed = ({ error }) => resolve(error === null);
      this.#store.submit(request);
    });
  }
}
