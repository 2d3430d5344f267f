// Knows the seam between a driver and whatever brings it to its device: set-up by promises, notifications by calls.

import type { Arena } from "./arena.js";
import type { RingAreas } from "./memory.js";

/** What a driver hears. */
export interface TransportListener {
  /** There may be used buffers in that queue. */
  interrupt(queue: number): void;
  /** The device has changed its configuration. */
  configChanged(): void;
  /** The device can do nothing more until it is reset; `reason` is for people. */
  needsReset(reason: string): void;
}

/** What a driver asks of its device while it sets it up, in the order of virtio 1.3, 3.1.1. */
export interface DeviceCalls {
  /** Ends whatever the device does, and resolves when nothing is under way any more. */
  reset(): Promise<void>;
  deviceFeatures(): Promise<bigint>;
  /** Chooses among the features; false when the device will not do with these (FEATURES_OK reads as 0). */
  acceptFeatures(features: bigint): Promise<boolean>;
  /** Reads the device-specific configuration; what is behind its end reads as zeros. */
  readConfig(offset: number, length: number): Promise<Uint8Array>;
  writeConfig(offset: number, bytes: Uint8Array): Promise<void>;
  /** The most descriptors that a queue may have; 0 where there is no such queue. */
  queueSize(queue: number): Promise<number>;
  setUpQueue(queue: number, size: number, areas: RingAreas): Promise<void>;
  /** DRIVER_OK: from now on the device serves. */
  ready(): Promise<void>;
}

/** One device as its driver finds it. */
export interface VirtioTransport extends DeviceCalls {
  /** Memory that the device can reach. */
  readonly memory: Arena;
  /** Sets who hears of it; before the first `setUpQueue`. */
  listen(listener: TransportListener): void;
  /** Tells the device that there are buffers in a queue. */
  notify(queue: number): void;
}

/** A device that its driver cannot use; the message says why. */
export class DeviceUnusable extends Error {
  override readonly name = "DeviceUnusable";
}
