// Knows the recorded ring pages of Linux' two drivers on Xen 4.17: which requests they show, what had been answered to each, and
// which of them were under way together.

import { VSCSIIF_SG_GRANT } from "@pvscsi/xen";
import { goldenBytes } from "./repository.js";
import { type AnsweredSlot, type RingIndices, readAnswered, readIndices, slotBytes } from "./ring-page.js";

const ENTRIES = 16;
const BLOCK = 512;

/** One request of Linux', and what was answered. */
export interface RecordedExchange {
  /** Counted from the ring's beginning. */
  readonly index: number;
  /** The slot's 252 bytes. */
  readonly bytes: Uint8Array;
  readonly slot: AnsweredSlot;
  readonly cdb: readonly number[];
  /** Bytes of data, those of pages that a list describes included. */
  readonly dataLength: number;
}

export interface RecordedPage {
  readonly indices: RingIndices;
  /** The last 16, in order. */
  readonly exchanges: readonly RecordedExchange[];
}

/** `hidden` are CDBs by index that sense data lies over: what Linux is known to have asked there. */
export function recordedPage(name: string, hidden: { readonly [index: number]: readonly number[] }): RecordedPage {
  const page = goldenBytes(`xen-4.17/${name}.ring.bin`);
  const indices = readIndices(page);
  const exchanges = Array.from({ length: ENTRIES }, (_, entry): RecordedExchange => {
    const index = indices.reqProd - ENTRIES + entry;
    const bytes = slotBytes(page, index);
    const slot = readAnswered(bytes);
    const cdb = slot.cdb ?? hidden[index];
    if (cdb === undefined) throw new Error(`nobody says what request ${index} was`);
    return { index, bytes, slot, cdb, dataLength: dataLength(slot, cdb) };
  });
  return { indices, exchanges };
}

/** Whether its segments point to lists of descriptors. */
export function isIndirect({ segmentCount }: AnsweredSlot): boolean {
  return ((segmentCount ?? 0) & VSCSIIF_SG_GRANT) !== 0;
}

/** What lists describe is not in the page: a READ(10) or WRITE(10) says how many blocks that is. */
function dataLength(slot: AnsweredSlot, cdb: readonly number[]): number {
  if (isIndirect(slot)) return BLOCK * ((cdb[7] << 8) | cdb[8]);
  return slot.segments.reduce((sum, { length }) => sum + length, 0);
}

/** Exchanges that were under way together: Linux takes the lowest rqid that is free. */
export function batchesOf(exchanges: readonly RecordedExchange[]): RecordedExchange[][] {
  const batches: RecordedExchange[][] = [];
  for (const exchange of exchanges) {
    if (batches.length === 0 || exchange.slot.rqid === 0) batches.push([]);
    batches.at(-1)?.push(exchange);
  }
  return batches;
}
