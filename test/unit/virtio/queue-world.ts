// Knows how to put both ends of a split virtqueue over one memory, and to run small buffers through them.

import {
  Arena,
  Chain,
  Feature,
  PAGE_SIZE,
  ringFeatures,
  SplitDeviceQueue,
  SplitDriverQueue,
  Used,
} from "@pvscsi/virtio";
import { Places } from "@pvscsi/wire";

export interface QueueWorld {
  readonly memory: Arena;
  readonly driver: SplitDriverQueue;
  readonly device: SplitDeviceQueue;
}

export const ALL_FEATURES = Feature.indirectDescriptors | Feature.eventIndex | Feature.inOrder;

/** Both ends of a ring of `size` descriptors that was just set up. */
export function queueWorld(size: number, features = 0n, pages = 64): QueueWorld {
  const memory = new Arena(new ArrayBuffer(pages * PAGE_SIZE));
  const negotiated = ringFeatures(features);
  const driver = new SplitDriverQueue({ size, memory, features: negotiated, longest: 8 });
  const device = new SplitDeviceQueue({ size, areas: driver.areas, base: 0, memory, features: negotiated });
  return { memory, driver, device };
}

/** Pieces of `length` bytes each, on pages of their own, all bytes `value`. */
export function pieces(memory: Arena, count: number, length: number, value = 0): Places {
  const places = new Places();
  for (const page of memory.pages(count)) {
    page.fill(value, 0, length);
    places.add(page, 0, length);
  }
  return places;
}

export const nothing = new Places();

/** Takes all chains there are. */
export function takeAll(device: SplitDeviceQueue): Chain[] {
  const chains: Chain[] = [];
  for (let chain = new Chain(); device.take(chain); chain = new Chain()) chains.push(chain);
  return chains;
}

/** Takes all used chains back: their tokens and how many bytes were written. */
export function usedOf(driver: SplitDriverQueue): [unknown, number][] {
  const used = new Used();
  const all: [unknown, number][] = [];
  while (driver.take(used)) all.push([used.token, used.written]);
  return all;
}
