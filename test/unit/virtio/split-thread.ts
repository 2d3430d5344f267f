// A program of a thread: the device's end of a split virtqueue, which gives everything back as it comes and sleeps when
// there is nothing. It ends when it was told to, or says that it slept through something.

import { workerData } from "node:worker_threads";
import { Arena, Chain, ringFeatures, SplitDeviceQueue } from "@pvscsi/virtio";
import { Doorbell, type Shared } from "./doorbell.js";

const { buffer, size, offsets, features, bells } = workerData as Shared;
const memory = new Arena(buffer);
const [descriptors, driver, device] = offsets.map(([at, length]) => new Uint8Array(buffer, at, length));
const areas = { descriptors, driver, device };
const queue = new SplitDeviceQueue({ size, areas, base: 0, memory, features: ringFeatures(features) });
const own = new Doorbell(bells, "device");
const other = new Doorbell(bells, "driver");
const chain = new Chain();

while (own.open) {
  queue.quiet();
  while (queue.take(chain)) {
    queue.push(chain, chain.writable.length);
    if (queue.publish()) other.ring();
  }
  if (!queue.finalCheck() && !own.wait() && queue.waiting) own.close(true);
}
other.ring();
