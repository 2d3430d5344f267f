// Knows xen/io/ring.h: the header every shared ring begins with, and how many entries fit behind it.

import { pad, struct, u32 } from "@pvscsi/wire";

/** Free-running indices; entries follow at byte 64. */
export const SharedRing = struct("sring", 64, {
  reqProd: u32(0),
  reqEvent: u32(4), // the back end wants a notification when reqProd passes it; begins at 1
  rspProd: u32(8),
  rspEvent: u32(12), // the front end's; begins at 1
  pvt: pad(16, 4),
  pad: pad(20, 44),
});

/** __CONST_RING_SIZE: entries of `entrySize` bytes that `bytes` of ring hold, rounded down to a power of two. */
export function ringEntries(entrySize: number, bytes: number): number {
  const fit = Math.floor((bytes - SharedRing.size) / entrySize);
  return fit < 1 ? 0 : 1 << (31 - Math.clz32(fit));
}
