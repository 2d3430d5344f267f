// Knows a guest's memory as a front end hands it over: regions of files, mapped here, with two addresses each: the
// guest's own, which descriptors use, and the front end's, which rings use.

import type { MappedMemory, Native } from "@pvscsi/native";
import type { GuestMemory } from "@pvscsi/virtio";
import { type Places, ProtocolError } from "@pvscsi/wire";

/** One region as it is told; sizes and addresses in bytes, all below 2^53. */
export interface RegionDescription {
  readonly guestAddress: number;
  readonly size: number;
  readonly userAddress: number;
  readonly fileOffset: number;
}

/**
 * A file is mapped in windows, as no view may be larger than 4 GiB, and indices below 2^31 are the fast ones. Each
 * reaches as far into the next as any ring area is long, so that such an area lies in one.
 */
const WINDOW = 2 ** 30;
const OVERLAP = 2 ** 20;
/** Bytes that the regions of one guest may have together: a file may say any length, and each window is a mapping. */
const MOST_MEMORY = 2 ** 41;

class Region {
  readonly description: RegionDescription;
  readonly #windows: readonly MappedMemory[];

  /** Maps the file from its beginning: what offset a mapping may begin at depends on the size of its pages. */
  constructor(native: Native, descriptor: number, description: RegionDescription) {
    this.description = description;
    const end = description.fileOffset + description.size;
    const windows: MappedMemory[] = [];
    try {
      for (let at = 0; at < end; at += WINDOW) {
        windows.push(native.mapFile(descriptor, at, Math.min(WINDOW + OVERLAP, end - at)));
      }
    } catch (error) {
      for (const window of windows) window.release();
      throw error;
    }
    this.#windows = windows;
  }

  /** Appends `length` bytes at `offset` of the region, all of which are in it. */
  add(offset: number, length: number, places: Places): void {
    let at = this.description.fileOffset + offset;
    for (let left = length; left > 0; ) {
      const from = at % WINDOW;
      const piece = Math.min(left, WINDOW - from);
      places.add(this.#windows[Math.floor(at / WINDOW)].bytes, from, piece);
      at += piece;
      left -= piece;
    }
  }

  area(offset: number, length: number): Uint8Array {
    const at = this.description.fileOffset + offset;
    const from = at % WINDOW;
    return this.#windows[Math.floor(at / WINDOW)].bytes.subarray(from, from + length);
  }

  release(): void {
    for (const window of this.#windows) window.release();
  }
}

export class RegionMemory implements GuestMemory {
  readonly #regions: readonly Region[];

  private constructor(regions: readonly Region[]) {
    this.#regions = regions;
  }

  /** Maps all regions, or none. The descriptors stay the caller's. Throws ProtocolError for what cannot be mapped. */
  static map(native: Native, regions: readonly { description: RegionDescription; descriptor: number }[]): RegionMemory {
    const mapped: Region[] = [];
    const bytes = regions.reduce((sum, { description: { fileOffset, size } }) => sum + fileOffset + size, 0);
    if (bytes > MOST_MEMORY)
      throw new ProtocolError(`regions of memory that cannot be mapped: ${bytes} bytes together`);
    try {
      for (const { description, descriptor } of regions) mapped.push(new Region(native, descriptor, description));
    } catch (error) {
      for (const region of mapped) region.release();
      throw new ProtocolError(`a region of memory that cannot be mapped: ${(error as Error).message}`, {
        cause: error,
      });
    }
    return new RegionMemory(mapped);
  }

  places(address: number, length: number, places: Places): boolean {
    let at = address;
    for (let left = length; left > 0; ) {
      const region = this.#regionAt(at);
      if (region === undefined) return false;
      const { guestAddress, size } = region.description;
      const piece = Math.min(left, guestAddress + size - at);
      region.add(at - guestAddress, piece, places);
      at += piece;
      left -= piece;
    }
    return true;
  }

  /** Bytes at an address of the front end's, in one piece; null where they are not all in one region. */
  area(userAddress: number, length: number): Uint8Array | null {
    if (length > OVERLAP) return null;
    for (const region of this.#regions) {
      const offset = userAddress - region.description.userAddress;
      if (offset >= 0 && offset + length <= region.description.size) return region.area(offset, length);
    }
    return null;
  }

  /** From now on all of it is zeros that are nobody else's, for whoever has a view of it still. */
  release(): void {
    for (const region of this.#regions) region.release();
  }

  #regionAt(address: number): Region | undefined {
    for (const region of this.#regions) {
      const offset = address - region.description.guestAddress;
      if (offset >= 0 && offset < region.description.size) return region;
    }
    return undefined;
  }
}
