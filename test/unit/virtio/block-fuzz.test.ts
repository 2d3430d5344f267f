// Judges the virtio-blk device against a driver that asks random things, and its driver against a device that answers random
// things: every request comes back once, nothing throws, and what was not asked for does not change.

import { MemoryStore, StoreError, type StoreOperation, StoreRequest } from "@pvscsi/scsi";
import {
  Arena,
  BlockResult,
  Feature,
  InProcessTransport,
  PAGE_SIZE,
  VirtioBlkAdapter,
  VirtioBlkDevice,
  type VirtioDevice,
} from "@pvscsi/virtio";
import { Places, type Random, Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { memoryDisk } from "../../support/scsi-devices.js";
import { BlockWorld, headerOf, SECTORS, UNTOUCHED } from "./block-world.js";
import { histories } from "./histories.js";

const HISTORIES = 40;
const STEPS = 150;
const TYPES = [0, 1, 2, 3, 4, 8, 10, 11, 13, 14, 0xffff_ffff];
/** Lengths that mean something somewhere: sectors, ranges, the ends of a SCSI command. */
const LENGTHS = [0, 0, 1, 6, 10, 15, 16, 17, 20, 96, 112, 113, 256, 511, 512, 513, 1024, 4096, 9000];

/** Cuts a request into descriptors anywhere. */
function cut(random: Random, bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = random.chance(0.7) ? bytes.length - at : 1 + random.below(bytes.length - at);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces.slice(0, 7);
}

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random.below(items.length)];
}

/** A random request, most often nearly right. */
function ask(random: Random, world: BlockWorld): void {
  const header = headerOf(
    world.bytes(16),
    pick(random, TYPES),
    random.chance(0.9) ? random.below(SECTORS + 2) : 2 ** 40,
  );
  const out = world.bytes(pick(random, LENGTHS));
  for (let i = 0; i < out.length; i++) out[i] = random.chance(0.3) ? random.below(256) : 0;
  const room = world.bytes(pick(random, LENGTHS));
  const status = world.bytes(1);
  const both = random.chance(0.1);
  const data = both || random.chance(0.5) ? cut(random, out) : [];
  const rooms = both || data.length === 0 ? cut(random, room) : [];
  world.send([header, ...data], [...rooms, status], { data: room, status });
}

describe("a virtio-blk device and a driver that asks random things", () => {
  for (const [name, makeWorld] of [
    ["disk", () => new BlockWorld()],
    [
      "lun",
      () => {
        const store = new MemoryStore(SECTORS * 512);
        return new BlockWorld({ store, unit: memoryDisk(store) });
      },
    ],
  ] as const) {
    it(`gives everything back, once, with a status (${name})`, async () => {
      const counts = [0, 0, 0];
      const all = await histories(name, HISTORIES, (random) => {
        const world = makeWorld().start();
        for (let step = 0; step < STEPS; step++) {
          const asked = 1 + random.below(3);
          for (let i = 0; i < asked; i++) ask(random, world);
          const answers = world.answers();
          expect(answers).to.have.length(asked);
          for (const { status } of answers) {
            expect(status).to.be.at.most(BlockResult.unsupported).and.not.equal(UNTOUCHED);
            counts[status] += 1;
          }
        }
        expect(world.failures).to.deep.equal([]);
      });
      if (!all) return;
      // Histories in which nothing succeeds, or nothing fails, judge nothing.
      for (const count of counts) expect(count).to.be.greaterThan(HISTORIES * 10);
    }).timeout(60_000);
  }

  it("reads after all of that what the store has", async () => {
    await histories("read", 4, (random) => {
      const store = new MemoryStore(SECTORS * 512);
      const world = new BlockWorld({ store }).start();
      for (let step = 0; step < STEPS; step++) {
        ask(random, world);
        world.answers();
      }
      const { status, data } = world.run({ type: 0, in: SECTORS * 512 });
      expect([status, Buffer.compare(data, contents(store))]).to.deep.equal([BlockResult.ok, 0]);
    });
  });
});

function contents(store: MemoryStore): Uint8Array {
  const request = new StoreRequest();
  const bytes = new Uint8Array(store.size);
  request.length = bytes.length;
  request.places = new Places();
  request.places.add(bytes, 0, bytes.length);
  store.submit(request);
  return bytes;
}

describe("a virtio-blk driver and a device that answers random things", () => {
  it("ends every request, once, and believes no more of a device that has broken the ring", async () => {
    let broken = 0;
    const all = await histories("device", HISTORIES, async (random) => {
      const simulation = new Simulation(seededRandom(1));
      const store = new HeldStore(64 * 512);
      const device: VirtioDevice = new VirtioBlkDevice({ store, scheduler: simulation });
      const memory = new Arena(new ArrayBuffer(256 * PAGE_SIZE));
      const transport = new ScribblingTransport({ device, memory, scheduler: simulation });
      const adapter = await VirtioBlkAdapter.probe({ transport, scheduler: simulation, features: Feature.blockFlush });
      adapter.listen((event) => {
        if (event.kind === "closed" && event.reason !== "the adapter was closed") broken += 1;
      });
      const [page] = adapter.allocate(1);
      const requests: { ends: number }[] = [];
      for (let step = 0; step < STEPS; step++) {
        const request = new StoreRequest();
        const record = { ends: 0 };
        requests.push(record);
        request.operation = pick<StoreOperation>(random, ["read", "write", "flush", "discard"]);
        request.length = request.operation === "flush" ? 0 : 512;
        request.places = new Places();
        if (request.operation === "read" || request.operation === "write") request.places.add(page, 0, 512);
        request.completed = () => {
          record.ends += 1;
        };
        adapter.submit(request);
        if (random.chance(0.7)) while (simulation.busy) simulation.step();
        while (store.held.length > 0 && random.chance(0.6)) {
          store.release(random.chance(0.3) ? new StoreError("medium", "a bad day") : null);
        }
        if (random.chance(0.02)) {
          transport.scribble(random);
          adapter.interrupt(0);
        }
      }
      while (simulation.busy || store.held.length > 0) {
        while (simulation.busy) simulation.step();
        if (store.held.length > 0) store.release();
      }
      await adapter.close();
      expect(requests.filter(({ ends }) => ends !== 1)).to.deep.equal([]);
    });
    if (all) expect(broken).to.be.greaterThan(HISTORIES / 4);
  }).timeout(60_000);
});

/** Turns over bits of the ring that is the device's. */
class ScribblingTransport extends InProcessTransport {
  #used: Uint8Array | null = null;

  override async setUpQueue(...words: Parameters<InProcessTransport["setUpQueue"]>): Promise<void> {
    this.#used = words[2].device;
    await super.setUpQueue(...words);
  }

  scribble(random: Random): void {
    const used = this.#used as Uint8Array;
    // The index, or the entries that are used first.
    used[random.chance(0.5) ? 2 + random.below(2) : 4 + random.below(40)] ^= 1 << random.below(8);
  }
}
