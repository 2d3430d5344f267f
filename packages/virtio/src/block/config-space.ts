// Knows what a virtio-blk device says of its store: features and configuration (virtio 1.3, 5.2.3 to 5.2.5).

import type { ByteStore } from "@pvscsi/scsi";
import { BLOCK_SECTOR, BlockConfig } from "../abi/block.js";
import { Feature } from "../abi/features.js";
import type { DeviceConfig } from "../device.js";

/** How much one request may ask for; the driver is told, and the device holds it to that. */
export interface BlockLimits {
  readonly queues: number;
  /** Data segments of a request, and bytes of one. */
  readonly segments: number;
  readonly segmentSize: number;
  /** Ranges of a DISCARD or WRITE_ZEROES, and sectors of one. */
  readonly ranges: number;
  readonly rangeSectors: number;
}

/** Segments as of QEMU: two descriptors of a ring of 128 are the header's and the status's. */
export const DEFAULT_BLOCK_LIMITS: BlockLimits = {
  queues: 1,
  segments: 126,
  segmentSize: 256 << 10,
  ranges: 16,
  rangeSectors: (1 << 30) / BLOCK_SECTOR,
};

/** What is fixed when the device is made. */
export interface BlockGeometry {
  readonly blockSize: number;
  readonly readOnly: boolean;
}

/** Features that follow from what the store can do; the ring's are the device's. */
export function blockFeatures({ features }: ByteStore, { readOnly }: BlockGeometry, { queues }: BlockLimits): bigint {
  const { blockSegmentSize, blockSegments, blockSize, blockTopology, blockFlush } = Feature;
  const changing = features.discard ? Feature.blockDiscard | Feature.blockWriteZeroes : Feature.blockWriteZeroes;
  return (
    blockSegmentSize |
    blockSegments |
    blockSize |
    blockTopology |
    // Offered without a cache as well: a device should always, and a flush costs nothing then (5.2.5.2).
    blockFlush |
    (queues > 1 ? Feature.blockMultiQueue : 0n) |
    (readOnly ? Feature.blockReadOnly : changing)
  );
}

export class BlockConfigSpace implements DeviceConfig {
  readonly size = BlockConfig.size;
  changed: (() => void) | null = null;
  readonly #store: ByteStore;
  readonly #bytes = new Uint8Array(BlockConfig.size);
  readonly #config = new BlockConfig(this.#bytes);

  constructor(store: ByteStore, { blockSize }: BlockGeometry, limits: BlockLimits) {
    this.#store = store;
    const config = this.#config;
    const { discard, optimalIo } = store.features;
    config.sizeMax = limits.segmentSize;
    config.segMax = limits.segments;
    config.blkSize = blockSize;
    const physical = Math.max(blockSize, Math.min(4096, optimalIo));
    config.physicalBlockExponent = Math.floor(Math.log2(physical / blockSize));
    config.minIoSize = physical / blockSize;
    config.numQueues = limits.queues;
    config.maxDiscardSectors = discard ? limits.rangeSectors : 0;
    config.maxDiscardSeg = discard ? limits.ranges : 0;
    config.discardSectorAlignment = discard ? physical / BLOCK_SECTOR : 0;
    config.maxWriteZeroesSectors = limits.rangeSectors;
    config.maxWriteZeroesSeg = limits.ranges;
    config.writeZeroesMayUnmap = discard ? 1 : 0;
    this.#setCapacity();
  }

  /** The store is another size. */
  resized(): void {
    this.#setCapacity();
    this.changed?.();
  }

  read(offset: number, target: Uint8Array): void {
    target.set(this.#bytes.subarray(offset, offset + target.length));
  }

  /** Nothing is the driver's to write, as CONFIG_WCE is not offered: what it writes has no effect, as in QEMU. */
  write(): null {
    return null;
  }

  /** Whole sectors; what is behind the last one cannot be named. */
  #setCapacity(): void {
    const sectors = Math.floor(this.#store.size / BLOCK_SECTOR);
    this.#config.capacityLow = sectors >>> 0;
    this.#config.capacityHigh = Math.floor(sectors / 2 ** 32);
  }
}
