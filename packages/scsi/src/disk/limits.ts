// Knows how much one command may ask of a disk: what VPD page B0h says and the commands enforce.

import type { StoreFeatures } from "../store.js";
import { CHUNK } from "./work.js";

/** All in logical blocks, but for the counts. */
export interface DiskLimits {
  /** Logical blocks per physical block. A power of two. */
  readonly physical: number;
  /** Blocks that are given back together: the store's natural unit, up to 4096 bytes. A power of two. */
  readonly granularity: number;
  readonly transfer: number;
  readonly optimalTransfer: number;
  readonly compareAndWrite: number;
  /** 0 where the store promises nothing. */
  readonly atomicWrite: number;
  readonly writeSame: number;
  readonly unmap: number;
  readonly unmapDescriptors: number;
}

const MAX_TRANSFER = 32 << 20;
const OPTIMAL_TRANSFER = 512 << 10;
const MAX_ATOMIC_WRITE = 1 << 20;
/** Blocks; libiscsi calls more than this insanely big. */
const MAX_UNMAP = 1 << 20;

/** `physical`: bytes of a physical block, a power of two; the store's natural unit where it is not said. */
export function diskLimits(
  blockSize: number,
  { optimalIo, atomicWrite = 0 }: StoreFeatures,
  physical?: number,
): DiskLimits {
  const natural = Math.min(4096, Math.max(blockSize, optimalIo));
  const granularity = 2 ** Math.floor(Math.log2(natural / blockSize));
  return {
    physical: physical === undefined ? granularity : Math.max(1, physical / blockSize),
    granularity,
    transfer: MAX_TRANSFER / blockSize,
    optimalTransfer: OPTIMAL_TRANSFER / blockSize,
    compareAndWrite: Math.min(255, CHUNK / blockSize),
    atomicWrite: Math.floor(Math.min(atomicWrite, MAX_ATOMIC_WRITE) / blockSize),
    writeSame: 0xffff,
    unmap: MAX_UNMAP,
    unmapDescriptors: 256,
  };
}
