// Knows which sizes of transfers Linux believes a disk to prefer (sd_validate_min_xfer_size, sd_validate_opt_xfer_size).

import { PAGE } from "./request.js";

/** In logical blocks, 0 where the disk does not say. */
export interface TransferSizes {
  /** OPTIMAL TRANSFER LENGTH GRANULARITY and OPTIMAL TRANSFER LENGTH of VPD page B0h. */
  readonly granularity: number;
  readonly optimal: number;
  /** MAXIMUM TRANSFER LENGTH of the same page. */
  readonly maximum: number;
}

/** Bytes. */
interface BlockSizes {
  readonly blockSize: number;
  readonly physicalBlockSize: number;
}

/** Linux's SD_DEF_XFER_BLOCKS: what a 10-byte command can ask for. */
const DEFAULT_BLOCKS = 0xffff;

/** The optimal transfer in logical blocks, 0 where there is none to be believed; `say` hears the lines about it. */
export function optimalTransfer(sizes: TransferSizes, blocks: BlockSizes, say: (line: string) => void): number {
  const granularity = believedGranularity(sizes.granularity, blocks, say);
  if (sizes.optimal === 0) return 0;
  const bytes = sizes.optimal * blocks.blockSize;
  const doubt = doubtOf(sizes, bytes, granularity, blocks);
  say(doubt === null ? `Optimal transfer size ${bytes} bytes` : `Optimal transfer size ${doubt}`);
  return doubt === null ? sizes.optimal : 0;
}

/** Bytes, 0 where there is none. */
function believedGranularity(
  granularity: number,
  { blockSize, physicalBlockSize }: BlockSizes,
  say: (line: string) => void,
): number {
  if (granularity === 0) return 0;
  const bytes = granularity * blockSize;
  const fits = bytes % physicalBlockSize === 0;
  const misfit = fits ? "" : ` not a multiple of physical block size (${physicalBlockSize} bytes)`;
  say(`Preferred minimum I/O size ${bytes} bytes${misfit}`);
  return fits ? bytes : 0;
}

function doubtOf(
  { optimal, maximum }: TransferSizes,
  bytes: number,
  granularity: number,
  { physicalBlockSize }: BlockSizes,
): string | null {
  if (maximum > 0 && optimal > maximum) return `${optimal} logical blocks > dev_max (${maximum} logical blocks)`;
  if (optimal > DEFAULT_BLOCKS) return `${optimal} logical blocks > sd driver limit (${DEFAULT_BLOCKS} logical blocks)`;
  if (bytes < PAGE) return `${bytes} bytes < PAGE_SIZE (${PAGE} bytes)`;
  if (granularity > 0 && bytes % granularity !== 0) {
    return `${bytes} bytes not a multiple of preferred minimum block size (${granularity} bytes)`;
  }
  if (bytes % physicalBlockSize !== 0) {
    return `${bytes} bytes not a multiple of physical block size (${physicalBlockSize} bytes)`;
  }
  return null;
}
