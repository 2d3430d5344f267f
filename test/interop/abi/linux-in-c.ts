// Knows what our tables of virtio, of vhost, of sg and of a Xen host's device nodes are called in Linux' headers.

import { SG_QUEUE, SgDirection, SgIoHeader, SgRequest, SgReset, SgScsiId } from "@pvscsi/host";
import { MemoryRegion, MemoryTable, VringAddress, VringState } from "@pvscsi/vhost-user";
import {
  AVAIL_NO_INTERRUPT,
  BLOCK_ID_LENGTH,
  BlockConfig,
  BlockRange,
  BlockRequestHeader,
  BlockResult,
  BlockType,
  CommandRequest,
  CommandResponse,
  ControlType,
  DEFAULT_CDB_SIZE,
  DEFAULT_SENSE_SIZE,
  Descriptor,
  DescriptorFlag,
  DeviceStatus,
  EVENTS_MISSED,
  EventType,
  Feature,
  ManagementRequestBytes,
  ManagementSubtype,
  NotificationRequest,
  NotificationResponse,
  RANGE_UNMAP,
  ResetReason,
  Response,
  RING_PARTS,
  ScsiConfig,
  ScsiEvent,
  ScsiResult,
  USED_NO_NOTIFY,
} from "@pvscsi/virtio";
import {
  EvtchnRequest,
  GntallocAllocGref,
  GntallocDeallocGref,
  GntallocFlags,
  GntallocRequest,
  GntdevGrantCopy,
  GntdevGrantCopySegment,
  GntdevMapGrantRef,
  GntdevRequest,
  GntdevUnmapGrantRef,
  IoctlEvtchnBindInterdomain,
  IoctlEvtchnBindUnboundPort,
  IoctlEvtchnNotify,
  IoctlEvtchnUnbind,
} from "@pvscsi/xenbus";
import type { ConstantsInC, StructInC } from "../../support/c-names.js";
import { type Claim, claim } from "./claims.js";

/** The first two only for names of types that Linux' gntdev.h takes for known. */
export const LINUX_HEADERS = [
  "xen/xen.h",
  "xen/grant_table.h",
  "scsi/sg.h",
  "linux/ioctl.h",
  "linux/types.h",
  "linux/vhost_types.h",
  "linux/virtio_blk.h",
  "linux/virtio_config.h",
  "linux/virtio_ring.h",
  "linux/virtio_scsi.h",
  "xen/evtchn.h",
  "xen/gntalloc.h",
  "xen/gntdev.h",
];

const TAG = { tagLow: "tag", tagHigh: "tag" } as const;
const SECTOR = { sectorLow: "sector", sectorHigh: "sector" } as const;
const INDEX = { index: "index", indexHigh: "index" } as const;

export const VIRTIO_STRUCTS: readonly StructInC[] = [
  { struct: ScsiConfig },
  // What follows these two is as long as the configuration says.
  { struct: CommandRequest, members: TAG, size: "offsetof(struct virtio_scsi_cmd_req, cdb)" },
  { struct: CommandResponse, size: "offsetof(struct virtio_scsi_cmd_resp, sense)" },
  { struct: ManagementRequestBytes, members: TAG },
  { struct: NotificationRequest },
  { struct: NotificationResponse },
  { struct: ScsiEvent },
  {
    struct: BlockConfig,
    members: {
      capacityLow: "capacity",
      capacityHigh: "capacity",
      cylinders: "geometry.cylinders",
      heads: "geometry.heads",
      sectors: "geometry.sectors",
      physicalBlockExponent: "physical_block_exp",
      writeback: "wce",
      unused0: "unused",
      unused1: "unused1",
    },
    // Newer features follow.
    size: "offsetof(struct virtio_blk_config, unused1) + sizeof(((struct virtio_blk_config *)0)->unused1)",
  },
  { struct: BlockRequestHeader, members: SECTOR },
  { struct: BlockRange, members: { ...SECTOR, sectors: "num_sectors" } },
  { struct: ScsiResult },
  { struct: Descriptor, type: "struct vring_desc", members: { addrLow: "addr", addrHigh: "addr" } },
];

/** vhost-user's messages have some of the kernel's structs in them. */
const VHOST_STRUCTS: readonly StructInC[] = [
  { struct: VringState },
  {
    struct: VringAddress,
    members: {
      descriptors: "desc_user_addr",
      used: "used_user_addr",
      available: "avail_user_addr",
      log: "log_guest_addr",
    },
  },
  { struct: MemoryTable, type: "struct vhost_memory", members: { regions: "nregions" } },
  {
    struct: MemoryRegion,
    type: "struct vhost_memory_region",
    members: {
      guestAddress: "guest_phys_addr",
      size: "memory_size",
      userAddress: "userspace_addr",
      fileOffset: "flags_padding",
    },
  },
];

const DEVICE_STRUCTS: readonly StructInC[] = [
  { struct: GntdevMapGrantRef, members: { ...INDEX, end: "pad", domid: "refs[0].domid", ref: "refs[0].ref" } },
  { struct: GntdevUnmapGrantRef, members: { ...INDEX, end: "pad" } },
  {
    struct: GntdevGrantCopySegment,
    members: { source: "source", sourceHigh: "source", dest: "dest", destHigh: "dest" },
  },
  { struct: GntdevGrantCopy, members: { segments: "segments", segmentsHigh: "segments" } },
  { struct: GntallocAllocGref, members: { ...INDEX, gref: "gref_ids[0]" } },
  { struct: GntallocDeallocGref, members: INDEX },
  { struct: IoctlEvtchnBindInterdomain },
  { struct: IoctlEvtchnBindUnboundPort },
  { struct: IoctlEvtchnUnbind },
  { struct: IoctlEvtchnNotify },
];

const SG_STRUCTS: readonly StructInC[] = [
  {
    struct: SgIoHeader,
    members: {
      interfaceId: "interface_id",
      direction: "dxfer_direction",
      commandLength: "cmd_len",
      senseRoom: "mx_sb_len",
      vectors: "iovec_count",
      length: "dxfer_len",
      data: "dxferp",
      dataHigh: "dxferp",
      command: "cmdp",
      commandHigh: "cmdp",
      sense: "sbp",
      senseHigh: "sbp",
      packId: "pack_id",
      user: "usr_ptr",
      userHigh: "usr_ptr",
      maskedStatus: "masked_status",
      messageStatus: "msg_status",
      senseLength: "sb_len_wr",
      hostStatus: "host_status",
      driverStatus: "driver_status",
      residual: "resid",
    },
  },
  {
    struct: SgScsiId,
    members: {
      host: "host_no",
      target: "scsi_id",
      type: "scsi_type",
      commandsPerLun: "h_cmd_per_lun",
      queueDepth: "d_queue_depth",
    },
  },
];

export const LINUX_STRUCTS = [...VIRTIO_STRUCTS, ...VHOST_STRUCTS, ...DEVICE_STRUCTS, ...SG_STRUCTS];

/** Linux' headers have no GET_LIFETIME. */
const { getLifetime: _, ...BLOCK_TYPES } = BlockType;

const bit = (name: string): string => `(1ULL << ${name})`;

const FEATURES: { readonly [Name in keyof typeof Feature]: string } = {
  blockSegmentSize: bit("VIRTIO_BLK_F_SIZE_MAX"),
  blockSegments: bit("VIRTIO_BLK_F_SEG_MAX"),
  blockReadOnly: bit("VIRTIO_BLK_F_RO"),
  blockSize: bit("VIRTIO_BLK_F_BLK_SIZE"),
  blockScsi: bit("VIRTIO_BLK_F_SCSI"),
  blockFlush: bit("VIRTIO_BLK_F_FLUSH"),
  blockTopology: bit("VIRTIO_BLK_F_TOPOLOGY"),
  blockMultiQueue: bit("VIRTIO_BLK_F_MQ"),
  blockDiscard: bit("VIRTIO_BLK_F_DISCARD"),
  blockWriteZeroes: bit("VIRTIO_BLK_F_WRITE_ZEROES"),
  scsiInOut: bit("VIRTIO_SCSI_F_INOUT"),
  scsiHotplug: bit("VIRTIO_SCSI_F_HOTPLUG"),
  scsiChange: bit("VIRTIO_SCSI_F_CHANGE"),
  scsiT10Pi: bit("VIRTIO_SCSI_F_T10_PI"),
  indirectDescriptors: bit("VIRTIO_RING_F_INDIRECT_DESC"),
  eventIndex: bit("VIRTIO_RING_F_EVENT_IDX"),
  version1: bit("VIRTIO_F_VERSION_1"),
  accessPlatform: bit("VIRTIO_F_ACCESS_PLATFORM"),
  ringPacked: bit("VIRTIO_F_RING_PACKED"),
  inOrder: bit("VIRTIO_F_IN_ORDER"),
};

export const LINUX_CONSTANTS: readonly ConstantsInC[] = [
  { table: Feature, prefix: "", spelling: "same", names: FEATURES },
  { table: DeviceStatus, prefix: "VIRTIO_CONFIG_S_", spelling: "UPPER_CASE" },
  { table: DescriptorFlag, prefix: "VRING_DESC_F_", spelling: "UPPER_CASE" },
  { table: Response, prefix: "VIRTIO_SCSI_S_", spelling: "UPPER_CASE" },
  {
    table: ControlType,
    prefix: "VIRTIO_SCSI_T_",
    spelling: "UPPER_CASE",
    names: {
      taskManagement: "VIRTIO_SCSI_T_TMF",
      notificationQuery: "VIRTIO_SCSI_T_AN_QUERY",
      notificationSubscribe: "VIRTIO_SCSI_T_AN_SUBSCRIBE",
    },
  },
  {
    table: ManagementSubtype,
    prefix: "VIRTIO_SCSI_T_TMF_",
    spelling: "UPPER_CASE",
    names: { nexusReset: "VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET" },
  },
  { table: EventType, prefix: "VIRTIO_SCSI_T_", spelling: "UPPER_CASE" },
  { table: ResetReason, prefix: "VIRTIO_SCSI_EVT_RESET_", spelling: "UPPER_CASE" },
  {
    table: BLOCK_TYPES,
    prefix: "VIRTIO_BLK_T_",
    spelling: "UPPER_CASE",
    names: {
      scsiCommand: "VIRTIO_BLK_T_SCSI_CMD",
      scsiCommandOut: "(VIRTIO_BLK_T_SCSI_CMD | VIRTIO_BLK_T_OUT)",
    },
  },
  {
    table: BlockResult,
    prefix: "VIRTIO_BLK_S_",
    spelling: "UPPER_CASE",
    names: { ioError: "VIRTIO_BLK_S_IOERR", unsupported: "VIRTIO_BLK_S_UNSUPP" },
  },
  {
    prefix: "",
    spelling: "same",
    table: {
      VIRTIO_BLK_ID_BYTES: BLOCK_ID_LENGTH,
      VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP: RANGE_UNMAP,
      VIRTIO_SCSI_SENSE_DEFAULT_SIZE: DEFAULT_SENSE_SIZE,
      VIRTIO_SCSI_CDB_DEFAULT_SIZE: DEFAULT_CDB_SIZE,
      VIRTIO_SCSI_T_EVENTS_MISSED: EVENTS_MISSED,
      VRING_AVAIL_F_NO_INTERRUPT: AVAIL_NO_INTERRUPT,
      VRING_USED_F_NO_NOTIFY: USED_NO_NOTIFY,
      VRING_DESC_ALIGN_SIZE: RING_PARTS.descriptors.align,
      VRING_AVAIL_ALIGN_SIZE: RING_PARTS.driver.align,
      VRING_USED_ALIGN_SIZE: RING_PARTS.device.align,
    },
  },
  { table: SgRequest, prefix: "SG_", spelling: "UPPER_CASE" },
  { table: SgDirection, prefix: "SG_DXFER_", spelling: "UPPER_CASE" },
  { table: SgReset, prefix: "SG_SCSI_RESET_", spelling: "UPPER_CASE" },
  { prefix: "", spelling: "same", table: { SG_MAX_QUEUE: SG_QUEUE } },
  { table: GntdevRequest, prefix: "IOCTL_GNTDEV_", spelling: "UPPER_CASE" },
  { table: GntallocRequest, prefix: "IOCTL_GNTALLOC_", spelling: "UPPER_CASE" },
  { table: GntallocFlags, prefix: "GNTALLOC_FLAG_", spelling: "UPPER_CASE" },
  { table: EvtchnRequest, prefix: "IOCTL_EVTCHN_", spelling: "UPPER_CASE" },
];

/** Parts of a queue of 128 descriptors, each ring with the other end's event index behind it; and halves of `foreignHigh`. */
export const LINUX_SIZES: readonly Claim[] = [
  claim("128 * sizeof(struct vring_desc)", RING_PARTS.descriptors.bytes(128)),
  claim("offsetof(struct vring_avail, ring[128]) + sizeof(__virtio16)", RING_PARTS.driver.bytes(128)),
  claim("offsetof(struct vring_used, ring[128]) + sizeof(__virtio16)", RING_PARTS.device.bytes(128)),
  claim("offsetof(struct gntdev_grant_copy_segment, source.foreign.offset)", 4),
  claim("offsetof(struct gntdev_grant_copy_segment, source.foreign.domid)", 6),
];
