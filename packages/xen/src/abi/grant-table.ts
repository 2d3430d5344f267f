// Knows xen/grant_table.h, version 1 of the table: entries, operations, their arguments. Status codes are in domain.ts.

import { bytes, i16, pad, struct, u16, u32 } from "@pvscsi/wire";

/** A version 1 entry, as it lies in the granter's own pages; 512 in a page. */
export const GrantEntry = struct("grant_entry_v1_t", 8, {
  flags: u16(0), // GrantFlags
  domid: u16(2), // who may use it
  frame: u32(4), // the granted page
});

/** GTF_*: the type in bits 0 and 1, then properties. */
export const GrantFlags = {
  invalid: 0,
  permitAccess: 1,
  acceptTransfer: 2,
  /** Version 2 only; an entry of this type is refused. */
  transitive: 3,
  typeMask: 3,
  readonly: 4,
  /** Set by the hypervisor while the page is mapped or read. */
  reading: 8,
  /** Set by the hypervisor while the page is mapped writable. */
  writing: 16,
  PWT: 32,
  PCD: 64,
  PAT: 128,
  /** Version 2 only. */
  subPage: 256,
  transferCommitted: 4,
  transferCompleted: 8,
} as const;

/** References below this one are never given out (GNTTAB_NR_RESERVED_ENTRIES). */
export const GNTTAB_RESERVED_ENTRIES = 8;
export const GNTTAB_RESERVED_CONSOLE = 0;
export const GNTTAB_RESERVED_XENSTORE = 1;

/** GNTTABOP_*. */
export const GrantOperation = {
  mapGrantRef: 0,
  unmapGrantRef: 1,
  setupTable: 2,
  dumpTable: 3,
  transfer: 4,
  copy: 5,
  querySize: 6,
  unmapAndReplace: 7,
  setVersion: 8,
  getStatusFrames: 9,
  getVersion: 10,
  swapGrantRef: 11,
  cacheFlush: 12,
} as const;

/** GNTMAP_*: how a page is mapped. */
export const GrantMapFlags = {
  deviceMap: 1,
  hostMap: 2,
  readonly: 4,
  applicationMap: 8,
  containsPte: 16,
  guestAvail0: 16,
} as const;

/** Addresses are opaque: they may lie above 2^53. */
export const GnttabMapGrantRef = struct("gnttab_map_grant_ref", 32, {
  hostAddr: bytes(0, 8),
  flags: u32(8), // GrantMapFlags
  ref: u32(12),
  dom: u16(16),
  status: i16(18), // out
  handle: u32(20), // out
  devBusAddr: bytes(24, 8), // out
});

export const GnttabUnmapGrantRef = struct("gnttab_unmap_grant_ref", 24, {
  hostAddr: bytes(0, 8),
  devBusAddr: bytes(8, 8),
  handle: u32(16),
  status: i16(20), // out
  end: pad(22, 2),
});

/** GNTCOPY_*: which side of a copy is named by a grant reference instead of by a frame of one's own. */
export const GrantCopyFlags = { sourceGref: 1, destGref: 2 } as const;

/** Each side's union is a reference (32 bits) or a frame (64 bits); the upper half is named for itself. */
export const GnttabCopy = struct("gnttab_copy", 40, {
  source: u32(0),
  sourceHigh: u32(4),
  sourceDomid: u16(8),
  sourceOffset: u16(10),
  sourceEnd: pad(12, 4),
  dest: u32(16),
  destHigh: u32(20),
  destDomid: u16(24),
  destOffset: u16(26),
  destEnd: pad(28, 4),
  len: u16(32),
  flags: u16(34), // GrantCopyFlags
  status: i16(36), // out
  end: pad(38, 2),
});
