// Knows Linux' uapi/xen/gntdev.h: how a process maps pages that others have granted, and copies from and to them. The
// structs are those of 64-bit x86 and ARM; a 64-bit number is two words, the lower one first.

import { i16, pad, struct, u16, u32 } from "@pvscsi/wire";

export const GNTDEV_PATH = "/dev/xen/gntdev";

/** _IOC(_IOC_NONE, 'G', number, size). */
export const GntdevRequest = {
  mapGrantRef: 0x184700,
  unmapGrantRef: 0x104701,
  setUnmapNotify: 0x104707,
  grantCopy: 0x104708,
} as const;

/** ioctl_gntdev_map_grant_ref with room for one reference. */
export const GntdevMapGrantRef = struct("ioctl_gntdev_map_grant_ref", 24, {
  count: u32(0),
  end: pad(4, 4),
  index: u32(8), // out: where mmap finds the page
  indexHigh: u32(12), // out
  domid: u32(16),
  ref: u32(20),
});

export const GntdevUnmapGrantRef = struct("ioctl_gntdev_unmap_grant_ref", 16, {
  index: u32(0),
  indexHigh: u32(4),
  count: u32(8),
  end: pad(12, 4),
});

/** UNMAP_NOTIFY_*: what the kernel does when the mapping ends, however it does. */
export const UnmapNotify = { clearByte: 1, sendEvent: 2 } as const;

export const GntdevUnmapNotify = struct("ioctl_gntdev_unmap_notify", 16, {
  index: u32(0),
  indexHigh: u32(4),
  action: u32(8), // UnmapNotify
  eventChannelPort: u32(12),
});

/**
 * gntdev_grant_copy_segment. A side is an address of this process, or a reference with the offset in its page and whose
 * it is; the two lie in the same bytes.
 */
export const GntdevGrantCopySegment = struct("gntdev_grant_copy_segment", 24, {
  source: u32(0), // lower half of the address, or the reference
  sourceHigh: u32(4), // upper half of the address; or see `foreignHigh`
  dest: u32(8),
  destHigh: u32(12),
  len: u16(16),
  flags: u16(18), // GrantCopyFlags
  status: i16(20), // out
  end: pad(22, 2),
});

/** The upper word of a side that is another domain's page: the offset in it, then whose it is. */
export function foreignHigh(offset: number, domid: number): number {
  return (offset | (domid << 16)) >>> 0;
}

export const GntdevGrantCopy = struct("ioctl_gntdev_grant_copy", 16, {
  count: u32(0),
  end: pad(4, 4),
  segments: u32(8), // their address
  segmentsHigh: u32(12),
});
