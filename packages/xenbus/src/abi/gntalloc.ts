// Knows Linux' uapi/xen/gntalloc.h: how a process gets pages that it grants to another domain. A page is granted to one
// domain from its making on; the kernel ends the grant when the page is given back and mapped no more.

import { pad, struct, u16, u32 } from "@pvscsi/wire";

export const GNTALLOC_PATH = "/dev/xen/gntalloc";

/** _IOC(_IOC_NONE, 'G', number, size). */
export const GntallocRequest = {
  allocGref: 0x184705,
  deallocGref: 0x104706,
} as const;

/** GNTALLOC_FLAG_*: without it the other domain may only read. */
export const GntallocFlags = { writable: 1 } as const;

/** ioctl_gntalloc_alloc_gref with room for one reference. */
export const GntallocAllocGref = struct("ioctl_gntalloc_alloc_gref", 24, {
  domid: u16(0),
  flags: u16(2), // GntallocFlags
  count: u32(4),
  index: u32(8), // out: where mmap finds the page
  indexHigh: u32(12), // out
  gref: u32(16), // out
  end: pad(20, 4),
});

export const GntallocDeallocGref = struct("ioctl_gntalloc_dealloc_gref", 16, {
  index: u32(0),
  indexHigh: u32(4),
  count: u32(8),
  end: pad(12, 4),
});
