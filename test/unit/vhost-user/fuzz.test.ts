// Judges a vhost-user server by series of messages that come far before they go wrong, or never do: whatever they say, no
// file and no mapping stays, and the next front end is served.

import type { Native } from "@pvscsi/native";
import { F_PROTOCOL_FEATURES, MESSAGES, type MessageName, ProtocolFeature } from "@pvscsi/vhost-user";
import { Feature } from "@pvscsi/virtio";
import { type Random, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import {
  type FrontEnd,
  MEMORY,
  mappings,
  memoryTable,
  openFiles,
  type RegionWords,
  state,
  u64,
  until,
} from "./front-end.js";
import { INQUIRY, nativeOrNull, run, VhostWorld } from "./world.js";

/** Makes another round with `PVSCSI_SEED=n npm test`. */
const SEED = Number(process.env.PVSCSI_SEED ?? 1);
const SERIES = 100;
const LENGTH = 40;
const PAGE = 4096;
const NAMES = Object.keys(MESSAGES) as MessageName[];
const ODD = [0, 1, 7, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32 - 1];

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.below(from.length)];
}

/** Messages of one front end; `wild` scales how often they are not what they may be. */
class Script {
  readonly #random: Random;
  readonly #front: FrontEnd;
  readonly #wild: number;

  constructor(random: Random, front: FrontEnd) {
    this.#random = random;
    this.#front = front;
    this.#wild = pick(random, [0, 0, 0.3, 1]);
  }

  /** Sends the next message, whole or in part, right or damaged. */
  send(): void {
    const random = this.#random;
    const name = pick(random, NAMES);
    const { payload, descriptors } = this.#body(name);
    const id = this.#odd(0.02) ? random.below(60) : MESSAGES[name].id;
    const flags = this.#odd(0.02) ? random.u32() : 1 | (random.chance(0.5) ? 8 : 0);
    const size = this.#odd(0.02) ? pick(random, ODD) : payload.length;
    if (this.#odd(0.03) && payload.length > 0) payload[random.below(payload.length)] ^= 1 << random.below(8);
    if (this.#odd(0.03)) descriptors.push(this.#front.file);
    const cut = this.#odd(0.02) ? random.below(payload.length + 1) : payload.length;
    this.#front.sendRaw(id, flags, size, payload.subarray(0, cut), descriptors);
  }

  #body(name: MessageName): { payload: Uint8Array; descriptors: number[] } {
    const random = this.#random;
    switch (MESSAGES[name].payload) {
      case "none":
        return { payload: new Uint8Array(0), descriptors: [] };
      case "state":
        return { payload: state(this.#index(), this.#number()), descriptors: [] };
      case "address":
        return { payload: this.#addresses(), descriptors: [] };
      case "memory":
        return this.#memory();
      case "config":
        return {
          payload: Uint8Array.of(random.below(40), 0, 0, 0, 4, ...new Array<number>(11).fill(0)),
          descriptors: [],
        };
      case "value":
        return this.#value(name);
    }
  }

  /** Where one of its rings is, or a multiple of 8 away from there. */
  #addresses(): Uint8Array {
    const random = this.#random;
    const bytes = this.#front.addresses(random.below(3), random.chance(0.3) ? 8 * random.below(PAGE) : 0);
    bytes[0] = this.#index();
    return bytes;
  }

  #memory(): { payload: Uint8Array; descriptors: number[] } {
    const random = this.#random;
    const whole = this.#front.wholeMemory;
    const regions: RegionWords[] = Array.from({ length: random.below(4) }, (_, i) => ({
      ...whole,
      guest: whole.guest + i * MEMORY,
      size: MEMORY - PAGE * random.below(100) + (this.#odd(0.1) ? MEMORY : 0),
      offset: this.#odd(0.1) ? random.u32() : 0,
    }));
    const count = this.#odd(0.05) ? pick(random, ODD) : regions.length;
    return { payload: memoryTable(regions, count), descriptors: regions.map(({ descriptor }) => descriptor) };
  }

  #value(name: MessageName): { payload: Uint8Array; descriptors: number[] } {
    const random = this.#random;
    if (name === "setFeatures") {
      const more = this.#odd(0.1) ? BigInt(random.u32()) << 16n : 0n;
      const protocol = random.chance(0.8) ? F_PROTOCOL_FEATURES : 0n;
      const eventIndex = random.chance(0.5) ? Feature.eventIndex : 0n;
      return { payload: u64(Feature.version1 | protocol | eventIndex | more), descriptors: [] };
    }
    if (name === "setProtocolFeatures") {
      return { payload: u64(this.#odd(0.1) ? 0xffn : ProtocolFeature.replyAcknowledge), descriptors: [] };
    }
    const index = this.#index();
    if (random.chance(0.1)) return { payload: u64(BigInt(index | 0x100)), descriptors: [] };
    const { kicks, file } = this.#front;
    return { payload: u64(BigInt(index)), descriptors: [this.#odd(0.1) ? file : pick(random, kicks)] };
  }

  #odd(probability: number): boolean {
    return this.#random.chance(probability * this.#wild);
  }

  #index(): number {
    return this.#odd(0.1) ? pick(this.#random, ODD) : this.#random.below(3);
  }

  #number(): number {
    return this.#odd(0.1) ? pick(this.#random, ODD) : pick(this.#random, [0, 1, 8, 16]);
  }
}

describe("a vhost-user server under any messages", () => {
  const folder = temporaryFolder();
  let native: Native;

  before(async function () {
    const loaded = await nativeOrNull();
    if (loaded === null) return this.skip();
    native = loaded;
  });

  /** Writes into the rings, and kicks: the guest is no better than its front end. */
  function scribble(random: Random, front: FrontEnd): void {
    const { bytes } = front.memory;
    for (let i = 0; i < 64; i++) bytes[random.below(8 * PAGE)] = random.below(random.chance(0.5) ? 16 : 256);
    native.events.signal(pick(random, front.kicks));
  }

  async function runSeries(random: Random, front: FrontEnd): Promise<void> {
    await front.negotiate();
    await front.setMemory();
    for (const index of [0, 1, 2]) front.startRing(index);
    await front.value("getQueueNum");
    const script = new Script(random, front);
    for (let i = 0; i < LENGTH && !front.ended; i++) {
      try {
        script.send();
      } catch {
        // The server has parted from it.
        front.ended = true;
      }
      if (random.chance(0.1)) scribble(random, front);
      if (random.chance(0.3)) await new Promise(setImmediate);
    }
  }

  it(`serves ${SERIES} series and then the next front end, and holds nothing (seed ${SEED})`, async function () {
    this.timeout(60_000);
    const openBefore = openFiles();
    const world = new VhostWorld(native, folder.path("socket"));
    const idle = openFiles();
    const reached = { whole: 0, broken: 0, started: 0 };
    for (let series = 0; series < SERIES; series++) {
      const front = world.connect();
      world.news.length = 0;
      await runSeries(seededRandom(SEED, `vhost-user ${series}`), front);
      // Who leaves an answer unread has broken the connection.
      await front.readAll();
      front.close();
      expect(await until(() => world.server.connections === 0), `series ${series}: it ends`).to.equal(true);
      expect([openFiles(), mappings("guest")], `series ${series}: files, mappings`).to.deep.equal([idle, 0]);
      reached[world.news.some((line) => line.startsWith("broken")) ? "broken" : "whole"] += 1;
      reached.started += world.news.filter((line) => line.startsWith("start")).length;
    }
    // Else the scripts have become too wild or too tame.
    expect(Math.min(reached.whole, reached.broken), JSON.stringify(reached)).to.be.greaterThan(SERIES / 5);
    expect(reached.started, JSON.stringify(reached)).to.be.greaterThan(4 * SERIES);
    expect((await run(await world.running(), INQUIRY, 36)).response).to.equal(0);
    await world.end();
    expect(openFiles()).to.equal(openBefore);
  });
});
