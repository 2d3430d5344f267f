// Judges what a vhost-user server does with front ends that break the protocol: each loses its connection, with a reason,
// and nobody else anything; no file stays open.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { MESSAGES, type MessageName, ProtocolFeature } from "@pvscsi/vhost-user";
import { Feature } from "@pvscsi/virtio";
import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import {
  type FrontEnd,
  GUEST_ADDRESS,
  MEMORY,
  memoryTable,
  type RegionWords,
  state,
  USER_ADDRESS,
  u64,
  until,
} from "./front-end.js";
import { eachWithServer, INQUIRY, run, VhostWorld } from "./world.js";

/** Makes another round with `PVSCSI_SEED=n npm test`. */
const SEED = Number(process.env.PVSCSI_SEED ?? 1);
const HISTORIES = 60;
const MESSAGES_EACH = 40;

const NOTHING = new Uint8Array(0);

describe("a vhost-user server and its peers", () => {
  const folder = temporaryFolder();
  const shared = eachWithServer();

  const region = (change: object): RegionWords => ({
    guest: GUEST_ADDRESS,
    size: MEMORY,
    user: USER_ADDRESS,
    offset: 0,
    descriptor: 0,
    ...change,
  });

  const hostile: readonly [what: string, reason: RegExp, send: (front: FrontEnd) => void][] = [
    ["another version", /of version 2/, (front) => front.sendRaw(1, 2, 0, NOTHING)],
    ["a message of 4 GiB", /with 4294967295 bytes/, (front) => front.sendRaw(1, 1, 0xffff_ffff, NOTHING)],
    ["a message that nobody knows", /message 99, which is not supported/, (front) => front.sendRaw(99, 1, 0, NOTHING)],
    [
      "a payload of another size",
      /SET_VRING_NUM with 4 bytes/,
      (front) => front.send("setVringNum", new Uint8Array(4)),
    ],
    ["a ring that there is not", /ring 3 of 3/, (front) => front.send("setVringNum", state(3, 16))],
    ["a ring far from there", /ring 4294967295 of 3/, (front) => front.send("setVringBase", state(0xffff_ffff, 0))],
    ["a base above 16 bits", /base of 65536/, (front) => front.send("setVringBase", state(0, 65536))],
    ["packed rings", /features 0x/, (front) => front.send("setFeatures", u64(Feature.ringPacked))],
    [
      "protocol features that were not offered",
      /protocol features/,
      (front) => front.send("setProtocolFeatures", u64(1n << 60n)),
    ],
    [
      "an address above 2^53",
      /above 2\^53/,
      (front) => front.send("setVringAddress", new Uint8Array(40).fill(0xff, 8)),
    ],
    [
      "memory without its descriptors",
      /1 regions in room for 1 with 0/,
      (front) => front.send("setMemoryTable", memoryTable([region({})])),
    ],
    [
      "more regions than fit",
      /9 regions in room for 1/,
      (front) => front.send("setMemoryTable", memoryTable([region({})], 9), [front.file]),
    ],
    [
      "more descriptors than a message has",
      /SET_VRING_NUM with 1 descriptors/,
      (front) => front.send("setVringNum", state(0, 16), [front.file]),
    ],
    [
      "a file that is shorter than its region",
      /cannot be mapped/,
      (front) => front.send("setMemoryTable", memoryTable([region({ size: 2 * MEMORY })]), [front.file]),
    ],
    [
      "a region that wraps around",
      /above 2\^53|cannot be mapped/,
      (front) => front.send("setMemoryTable", memoryTable([region({ offset: 2 ** 52 })]), [front.file]),
    ],
    [
      "a kick of a ring that there is not",
      /an event of ring 7/,
      (front) => front.send("setVringKick", u64(7n), [front.file]),
    ],
    ["a kick without its descriptor", /with 0 descriptors/, (front) => front.send("setVringKick", u64(0n))],
    ["memory for an event", /is no eventfd/, (front) => front.send("setVringKick", u64(0n), [front.file])],
    [
      "half a message, and its end",
      /^$/,
      (front) => {
        front.sendRaw(8, 1, 8, new Uint8Array(3), [front.file]);
        front.connection.close();
        front.ended = true;
      },
    ],
  ];
  for (const [what, reason, send] of hostile) {
    it(`parts from a front end that sends ${what}, and from no other`, async () => {
      const good = await shared.world.running();
      const bad = shared.world.connect();
      send(bad);
      expect(await bad.isEnded()).to.equal(true);
      expect(await until(() => shared.world.server.connections === 1)).to.equal(true);
      expect(shared.world.news.filter((line) => line.startsWith("broken")).join()).to.match(reason);
      expect((await run(good, INQUIRY, 36)).status).to.equal(0);
    });
  }

  it("tells a front end that asks for it that a message is not supported", async () => {
    const front = shared.world.connect();
    await front.negotiate();
    front.sendRaw(31, 9, 0, NOTHING);
    expect([...(await front.reply()).payload]).to.deep.equal([1, 0, 0, 0, 0, 0, 0, 0]);
    expect(await front.value("getQueueNum")).to.equal(3n);
  });

  it("has room for so many front ends, and no more", async () => {
    await shared.world.end();
    shared.world = new VhostWorld(shared.native, shared.path, { connections: 2 });
    const fronts = [shared.world.connect(), shared.world.connect()];
    for (const front of fronts) await front.value("getQueueNum");
    expect(await shared.world.connect().isEnded()).to.equal(true);
    fronts[0].connection.close();
    expect(await until(() => shared.world.server.connections === 1)).to.equal(true);
    expect(await shared.world.connect().value("getQueueNum")).to.equal(3n);
  });

  it("takes over a socket that nobody listens at, and none that somebody does, nor a file", async () => {
    const path = shared.path;
    expect(() => new VhostWorld(shared.native, path)).to.throw("EADDRINUSE");
    const deserted = folder.path("deserted");
    leaveSocket(deserted);
    await new VhostWorld(shared.native, deserted).end();
    const file = folder.path("file");
    writeFileSync(file, "mine");
    expect(() => new VhostWorld(shared.native, file)).to.throw("EADDRINUSE");
    expect(readFileSync(file, "utf8")).to.equal("mine");
  });

  it(`survives ${HISTORIES} front ends that say anything (seed ${SEED})`, async function () {
    this.timeout(60_000);
    const good = await shared.world.running();
    const random = seededRandom(SEED, "vhost-user");
    const names = Object.keys(MESSAGES) as MessageName[];
    for (let history = 0; history < HISTORIES; history++) {
      const bad = shared.world.connect();
      if (random.chance(0.5)) {
        await bad.negotiate(undefined, ProtocolFeature.replyAcknowledge);
        await bad.setMemory();
        for (const index of [0, 1, 2]) bad.startRing(index);
      }
      for (let i = 0; i < MESSAGES_EACH && !bad.ended; i++) {
        sendAnything(bad, names[random.below(names.length)]);
        if (random.chance(0.3)) await until(() => bad.hasReply, 1);
      }
      bad.connection.close();
    }
    expect(await until(() => shared.world.server.connections === 1)).to.equal(true);
    expect((await run(good, INQUIRY, 36)).status).to.equal(0);

    function sendAnything(front: FrontEnd, name: MessageName): void {
      const size = SIZES[MESSAGES[name].payload] + (random.chance(0.02) ? 1 : 0);
      const payload = Uint8Array.from({ length: size }, () =>
        random.chance(0.7) ? random.below(3) : random.below(256),
      );
      const descriptors = Array.from({ length: random.below(3) }, () =>
        random.chance(0.5) ? front.file : (front.kicks[0] ?? front.file),
      );
      try {
        front.send(name, payload, random.chance(0.5) ? descriptors : [], random.chance(0.5) ? 8 : 0);
        if (front.queues[2] !== undefined && random.chance(0.2)) scribble(front);
      } catch {
        front.ended = true;
      }
    }

    function scribble(front: FrontEnd): void {
      const { bytes } = front.memory;
      for (let i = 0; i < 64; i++) bytes[random.below(32 * 1024)] = random.below(256);
      shared.native.events.signal(front.kicks[2]);
    }
  });
});

/** As a server that was killed leaves it. */
function leaveSocket(path: string): void {
  const words = [
    "-e",
    `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`,
  ];
  spawnSync(process.execPath, words);
}

const SIZES = { none: 0, value: 8, state: 8, address: 40, memory: 40, config: 16 } as const;
