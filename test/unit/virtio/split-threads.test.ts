// Judges both ends of a split virtqueue in two threads over shared memory (S11): what an index tells of is there when it
// tells of it, and an end that goes to sleep has not missed what the other showed in that very moment.

import { Worker } from "node:worker_threads";
import { Arena, Feature, PAGE_SIZE, ringFeatures, SplitDriverQueue, Used } from "@pvscsi/virtio";
import { Places } from "@pvscsi/wire";
import { expect } from "chai";
import { Doorbell, type Shared } from "./doorbell.js";
import { nothing } from "./queue-world.js";

const PROGRAM = new URL("split-thread.js", import.meta.url);
const CHAINS = 60_000;
const SIZE = 8;

/** Sends chains of another size each, at most `depth` under way, to a device in a thread of its own. */
async function run(features: bigint, depth: number): Promise<{ returned: number; wrong: number; slept: boolean }> {
  const buffer = new SharedArrayBuffer(64 * PAGE_SIZE);
  const memory = new Arena(buffer);
  const queue = new SplitDriverQueue({ size: SIZE, memory, features: ringFeatures(features), longest: 2 });
  const { descriptors, driver, device } = queue.areas;
  const offsets = [descriptors, driver, device].map(({ byteOffset, length }) => [byteOffset, length] as const);
  const bells = new SharedArrayBuffer(Doorbell.BYTES);
  const shared: Shared = { buffer, size: SIZE, offsets, features, bells };
  const worker = new Worker(PROGRAM, { workerData: shared });
  const ended = new Promise((resolve) => worker.once("exit", resolve));
  const [own, other] = [new Doorbell(bells, "driver"), new Doorbell(bells, "device")];
  const [page] = memory.pages(1);
  const places = Array.from({ length: PAGE_SIZE }, (_, size) => pieces(page, size + 1));
  const used = new Used();
  let [sent, returned, wrong] = [0, 0, 0];
  while (returned < CHAINS && own.open) {
    queue.quiet();
    while (queue.take(used)) {
      if (used.written !== (used.token as Places).length) wrong += 1;
      returned += 1;
    }
    while (sent < CHAINS && sent - returned < depth) {
      const writable = places[sent++ % PAGE_SIZE];
      queue.add(nothing, writable, writable);
      if (queue.publish()) other.ring();
    }
    if (returned < CHAINS && !queue.finalCheck() && !own.wait() && queue.finalCheck()) own.close(true);
  }
  const slept = own.failed;
  own.close(false);
  other.ring();
  await ended;
  return { returned, wrong, slept };
}

function pieces(page: Uint8Array, size: number): Places {
  const places = new Places();
  places.add(page, 0, size);
  return places;
}

describe("a split virtqueue between two threads", () => {
  for (const [name, features] of [
    ["flags", 0n],
    ["EVENT_IDX", Feature.eventIndex],
    ["EVENT_IDX and IN_ORDER", Feature.eventIndex | Feature.inOrder],
  ] as const) {
    for (const depth of [1, 3]) {
      it(`S11: loses no chain and no wake-up by ${name}, ${depth} under way`, async () => {
        expect(await run(features, depth)).to.deep.equal({ returned: CHAINS, wrong: 0, slept: false });
      }).timeout(60_000);
    }
  }
});
