// Knows the vital product data pages of a disk (SPC-4 7.8, SBC-3 6.6): one table lists and writes them.

import { put16, put32, put64 } from "../big-endian.js";
import { writeCopyPage } from "../copy/page.js";
import { primaryVpdPages, type VpdPage } from "../device/vpd-pages.js";
import type { Disk } from "./disk.js";

/** In ascending order, as SPC-4 7.8.13 wants it. */
export const VPD_PAGES: readonly VpdPage<Disk>[] = [
  ...primaryVpdPages<Disk>(({ store }) => store.features.writeBack),
  {
    code: 0x8f,
    name: "Third-Party Copy",
    applies: ({ features }) => features.thirdPartyCopy,
    write: (disk, bytes) => writeCopyPage(bytes, disk),
  },
  { code: 0xb0, name: "Block Limits", write: blockLimits },
  { code: 0xb1, name: "Block Device Characteristics", write: blockDeviceCharacteristics },
  { code: 0xb2, name: "Logical Block Provisioning", write: logicalBlockProvisioning },
];

function blockLimits({ limits, thin, features }: Disk, bytes: Uint8Array): number {
  bytes[5] = features.compareAndWrite ? limits.compareAndWrite : 0;
  put16(bytes, 6, limits.physical);
  put32(bytes, 8, limits.transfer);
  put32(bytes, 12, limits.optimalTransfer);
  if (thin && features.unmap) {
    put32(bytes, 20, limits.unmap);
    put32(bytes, 24, limits.unmapDescriptors);
  }
  if (thin) {
    put32(bytes, 28, limits.granularity);
    put32(bytes, 32, 0x8000_0000); // UGAVALID, alignment 0
  }
  put64(bytes, 36, limits.writeSame);
  // Any alignment and any length up to this one, and no boundaries (SBC-4).
  put32(bytes, 44, limits.atomicWrite);
  return 64;
}

const NON_ROTATING = 1;

/** WABEREQ: after a block erase, blocks are read with GOOD all the same. */
const ERASED_READS_GOOD = 0x40;
/** WACEREQ: likewise after a cryptographic erase. */
const KEY_CHANGED_READS_GOOD = 0x10;

function blockDeviceCharacteristics({ identity, erases, changesKey }: Disk, bytes: Uint8Array): number {
  put16(bytes, 4, identity.rotation ?? NON_ROTATING);
  bytes[7] = (erases ? ERASED_READS_GOOD : 0) | (changesKey ? KEY_CHANGED_READS_GOOD : 0);
  return 64;
}

const LBPU = 0x80;
const LBPWS = 0x40;
const LBPWS10 = 0x20;
const LBPRZ = 0x04;
const THIN = 0x02;

function logicalBlockProvisioning({ thin, features }: Disk, bytes: Uint8Array): number {
  if (thin) {
    const ways = (features.unmap ? LBPU : 0) | (features.writeSameUnmap ? LBPWS | LBPWS10 : 0);
    bytes[5] = ways | (features.unmapZeroes ? LBPRZ : 0);
    bytes[6] = THIN;
  }
  return 8;
}
