// Knows the feature bits of virtio 1.3 clause 6 and of the two devices here, by name.

export const Feature = {
  blockSegmentSize: 1n << 1n,
  blockSegments: 1n << 2n,
  blockReadOnly: 1n << 5n,
  blockSize: 1n << 6n,
  /** Of the legacy interface (5.2.3.1): requests may carry SCSI commands. */
  blockScsi: 1n << 7n,
  blockFlush: 1n << 9n,
  blockTopology: 1n << 10n,
  blockMultiQueue: 1n << 12n,
  blockDiscard: 1n << 13n,
  blockWriteZeroes: 1n << 14n,
  scsiInOut: 1n << 0n,
  scsiHotplug: 1n << 1n,
  scsiChange: 1n << 2n,
  scsiT10Pi: 1n << 3n,
  indirectDescriptors: 1n << 28n,
  eventIndex: 1n << 29n,
  version1: 1n << 32n,
  accessPlatform: 1n << 33n,
  ringPacked: 1n << 34n,
  inOrder: 1n << 35n,
} as const;

/** What of the negotiated features a ring of either end goes by. */
export interface RingFeatures {
  readonly indirect: boolean;
  readonly eventIndex: boolean;
  readonly inOrder: boolean;
}

export function ringFeatures(features: bigint): RingFeatures {
  return {
    indirect: (features & Feature.indirectDescriptors) !== 0n,
    eventIndex: (features & Feature.eventIndex) !== 0n,
    inOrder: (features & Feature.inOrder) !== 0n,
  };
}

/** Device status bits (2.1). */
export const DeviceStatus = {
  acknowledge: 1,
  driver: 2,
  driverOk: 4,
  featuresOk: 8,
  needsReset: 64,
  failed: 128,
} as const;
