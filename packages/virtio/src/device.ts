// Knows the seam between a virtio device and the transport that brings its driver: a transport in process, one over
// threads and a vhost-user socket hold a device by the same few calls.

import type { GuestMemory, RingAreas } from "./memory.js";

/** Descriptors of a queue where a transport of ours has no other wish; QEMU's default for SCSI. */
export const QUEUE_SIZE = 128;

/** A virtqueue that a driver has set up. */
export interface DeviceRing {
  /** Descriptors: a power of two up to 32768 for a split ring. */
  readonly size: number;
  readonly areas: RingAreas;
  /** The available index to go on at. */
  readonly base: number;
  readonly memory: GuestMemory;
  /** Tells the driver that there are used buffers. */
  call(): void;
  /** Tells the driver that it has broken this ring and the device needs a reset; `reason` is for people. */
  fail(reason: string): void;
}

/** The device-specific configuration space. */
export interface DeviceConfig {
  /** In bytes. */
  readonly size: number;
  /** Called after the device itself has changed it; set by the transport. */
  changed: (() => void) | null;
  /** Copies from `offset` on into `target`; bytes past the end are left as they are. */
  read(offset: number, target: Uint8Array): void;
  /** Says why a write is refused; null when it was taken. */
  write(offset: number, bytes: Uint8Array): string | null;
}

/** A device as its transport holds it: one driver, from reset to reset. */
export interface VirtioDevice {
  /** Bit numbers of virtio 1.3 clause 6 and of the device type, offered to the driver. */
  readonly features: bigint;
  /** Virtqueues it can serve, all kinds together. */
  readonly queues: number;
  /** Null where the transport's other end keeps it, as QEMU does for vhost-user-scsi. */
  readonly config: DeviceConfig | null;
  /** What the driver accepted; called before the first `start`, and again after each reset. */
  setFeatures(features: bigint): void;
  /** Begins to serve a queue. Throws ProtocolError where its areas cannot be those of a ring. */
  start(index: number, ring: DeviceRing): void;
  /** There may be something in that queue; nothing happens where it is not started. */
  kick(index: number): void;
  /**
   * Takes nothing more from a queue and resolves when all that was taken is used, with the available index to go on at
   * later.
   */
  stop(index: number): Promise<number>;
  /** Back to the state after power on; what is under way is aborted, and queues that are started have to be stopped. */
  reset(): void;
  /** The driver is gone for good. */
  close(): void;
}
