// Knows the virtio-blk wire format (virtio 1.3, 5.2; linux/virtio_blk.h). Numbers are little endian.

import { pad, struct, u8, u16, u32 } from "@pvscsi/wire";

/** What capacities and positions count in, whatever the block size is. */
export const BLOCK_SECTOR = 512;

/** Struct virtio_blk_config up to what WRITE_ZEROES brought. */
export const BlockConfig = struct("virtio_blk_config", 60, {
  capacityLow: u32(0), // sectors
  capacityHigh: u32(4),
  sizeMax: u32(8), // bytes of one data segment
  segMax: u32(12), // data segments of a request
  cylinders: u16(16),
  heads: u8(18),
  sectors: u8(19),
  blkSize: u32(20),
  physicalBlockExponent: u8(24), // logical blocks per physical one, log2
  alignmentOffset: u8(25),
  minIoSize: u16(26), // logical blocks
  optIoSize: u32(28), // logical blocks
  writeback: u8(32),
  unused0: pad(33, 1),
  numQueues: u16(34),
  maxDiscardSectors: u32(36),
  maxDiscardSeg: u32(40),
  discardSectorAlignment: u32(44), // sectors
  maxWriteZeroesSectors: u32(48),
  maxWriteZeroesSeg: u32(52),
  writeZeroesMayUnmap: u8(56),
  unused1: pad(57, 3),
});

/** What a request begins with; the last byte that the device may write is its status. */
export const BlockRequestHeader = struct("virtio_blk_outhdr", 16, {
  type: u32(0), // one of BlockType
  ioprio: u32(4), // reserved
  sectorLow: u32(8),
  sectorHigh: u32(12),
});

/** VIRTIO_BLK_T_. The two of the legacy interface carry SCSI commands and mean the same. */
export const BlockType = {
  in: 0,
  out: 1,
  scsiCommand: 2,
  scsiCommandOut: 3,
  flush: 4,
  getId: 8,
  getLifetime: 10,
  discard: 11,
  writeZeroes: 13,
  secureErase: 14,
} as const;

/** VIRTIO_BLK_S_. */
export const BlockResult = { ok: 0, ioError: 1, unsupported: 2 } as const;

/** Struct virtio_blk_discard_write_zeroes: one range of a DISCARD or WRITE_ZEROES. */
export const BlockRange = struct("virtio_blk_discard_write_zeroes", 16, {
  sectorLow: u32(0),
  sectorHigh: u32(4),
  sectors: u32(8),
  flags: u32(12),
});

/** VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP: the blocks may be given back. */
export const RANGE_UNMAP = 1;

/** VIRTIO_BLK_ID_BYTES: what GET_ID gives, with NULs behind it where it is shorter. */
export const BLOCK_ID_LENGTH = 20;

/** Struct virtio_scsi_inhdr, between sense data and status of a SCSI command (linux/virtio_blk.h). */
export const ScsiResult = struct("virtio_scsi_inhdr", 16, {
  errors: u32(0), // the SCSI status
  dataLen: u32(4), // not used
  senseLen: u32(8),
  residual: u32(12),
});

/** SCSI_SENSE_BUFFERSIZE. */
export const SCSI_SENSE_LENGTH = 96;
