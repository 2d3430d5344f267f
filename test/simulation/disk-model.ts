// Knows what a disk must contain after what was done to it, sector by sector; a failed write leaves its sectors in doubt.

export const SECTOR = 512;

export class DiskModel {
  readonly sectors: number;
  readonly #bytes: Uint8Array;
  readonly #doubtful: Uint8Array;
  /** Sectors that an operation under way writes, or that several read. */
  readonly #writing: Uint8Array;
  readonly #reading: Uint16Array;

  constructor(size: number) {
    this.sectors = size / SECTOR;
    this.#bytes = new Uint8Array(size);
    this.#doubtful = new Uint8Array(this.sectors);
    this.#writing = new Uint8Array(this.sectors);
    this.#reading = new Uint16Array(this.sectors);
  }

  /** Claims sectors for one operation; false when another one under way would make its outcome depend on chance. */
  claim(first: number, count: number, write: boolean): boolean {
    for (let sector = first; sector < first + count; sector++) {
      if (this.#writing[sector] !== 0 || (write && this.#reading[sector] > 0)) return false;
    }
    for (let sector = first; sector < first + count; sector++) {
      if (write) this.#writing[sector] = 1;
      else this.#reading[sector] += 1;
    }
    return true;
  }

  release(first: number, count: number, write: boolean): void {
    for (let sector = first; sector < first + count; sector++) {
      if (write) this.#writing[sector] = 0;
      else this.#reading[sector] -= 1;
    }
  }

  /** A write that succeeded. */
  written(first: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, first * SECTOR);
    this.#doubtful.fill(0, first, first + bytes.length / SECTOR);
  }

  /** A write that failed: each sector has its old content or its new one. */
  doubt(first: number, count: number): void {
    this.#doubtful.fill(1, first, first + count);
  }

  /** The first sector that is not what it must be; -1 when all are. */
  differs(first: number, bytes: Uint8Array): number {
    for (let sector = first; sector < first + bytes.length / SECTOR; sector++) {
      if (this.#doubtful[sector] !== 0) continue;
      for (let i = 0; i < SECTOR; i++) {
        if (bytes[(sector - first) * SECTOR + i] !== this.#bytes[sector * SECTOR + i]) return sector;
      }
    }
    return -1;
  }
}
