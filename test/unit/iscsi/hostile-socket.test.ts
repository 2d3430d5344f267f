// Hostile initiators over real sockets: a session beside them reads what it wrote, and nothing of them is held when they have gone.

import { connect, type Socket } from "node:net";
import { type IscsiServer, openGroup, serveIscsi } from "@pvscsi/iscsi";
import { createDisk, MemoryStore, slow, Target } from "@pvscsi/scsi";
import { type Random, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { collectGarbage } from "../../support/allocation.js";
import { blocksCdb } from "../../support/block-commands.js";
import { Session } from "../../support/iscsi-session.js";
import { realClock, realScheduler } from "../../support/node-platform.js";
import { memoryDisk } from "../../support/scsi-devices.js";
import { HostileInitiator } from "./hostile-initiator.js";
import { ACCOUNT, HOSTILE_TARGET, randomPlan, SECRET_TARGET, TARGET_ACCOUNT } from "./hostile-login.js";
import { TARGET } from "./peer.js";

const PDUS = Number(process.env.FUZZ_PDUS ?? 600);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const CONNECTIONS = 6;
const LONGEST_LIFE = 200;
const DISK_SIZE = 1 << 20;
/** Bytes: code that is compiled meanwhile lies on the heap as well. */
const MOST_GROWTH = 8 << 20;
const BLOCK = 512;
/** Of the loop, between two looks of the other session. */
const TURNS = 16;

async function serve(): Promise<IscsiServer> {
  const random = seededRandom(SEED, "challenges");
  const server = await serveIscsi({
    listen: [{ port: 0 }],
    clock: realClock,
    scheduler: realScheduler,
    unguessable: (size) => Uint8Array.from({ length: size }, () => random.below(256)),
  });
  const shared = new Target();
  const identity = { vendor: "PVSCSI", product: "HOSTILE", revision: "1", serial: "1", blockSize: 512 } as const;
  const late = slow(new MemoryStore(DISK_SIZE, { writeBack: true }), 1, realClock);
  shared.add(0, createDisk({ ...identity, store: late, clock: realClock, wwn: "5000c50012345678" }));
  shared.add(1, createDisk({ ...identity, store: new MemoryStore(DISK_SIZE), wwn: "5000c50012345679" }));
  const own = new Target();
  own.add(0, memoryDisk(new MemoryStore(DISK_SIZE)));
  const authentication = { initiators: [ACCOUNT], target: TARGET_ACCOUNT };
  server.portal.add({ name: TARGET, groups: [openGroup(own)] });
  server.portal.add({ name: HOSTILE_TARGET, groups: [openGroup(shared)] });
  server.portal.add({ name: SECRET_TARGET, groups: [openGroup(shared, authentication)] });
  return server;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One connection, from its login to its end, whoever ends it; gives how many PDUs were not as they should be. */
async function hostile(port: number, random: Random): Promise<number> {
  const socket: Socket = connect(port, "127.0.0.1");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const initiator = new HostileInitiator(randomPlan(random), random);
  socket.on("error", () => {});
  socket.on("data", (bytes) => initiator.judge.feed(bytes));
  const life = 1 + random.below(LONGEST_LIFE);
  for (let turns = 0; turns < life && !socket.destroyed; turns++) {
    const bytes = initiator.next();
    // The end that does not read any more lets its own bytes wait as well.
    if (bytes !== null && socket.writableLength < DISK_SIZE) {
      const cut = random.below(bytes.length + 1);
      socket.write(bytes.subarray(0, cut));
      if (random.chance(0.2)) await turn();
      socket.write(bytes.subarray(cut));
    }
    if (random.chance(0.01)) socket.pause();
    if (random.chance(0.5)) await turn();
  }
  socket.destroy();
  await closed;
  expect(initiator.judge.fault, "the target's answers").to.equal(null);
  return initiator.mutated;
}

/** Hostile connections, some at a time, until they have sent so many wrong PDUs. */
async function attack(port: number, random: Random, pdus: number): Promise<void> {
  let mutated = 0;
  let connections = 0;
  const line = async (): Promise<void> => {
    while (mutated < pdus) mutated += await hostile(port, random.fork(`connection ${connections++}`));
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, line));
}

describe("an iSCSI server under hostile initiators", () => {
  it(`serves another session, and holds and keeps nothing of them: ${PDUS} PDUs of seed ${SEED}`, async () => {
    const server = await serve();
    const random = seededRandom(SEED, "hostile sockets");
    const address = `127.0.0.1:${server.ports[0]}`;
    const session = await Session.login({ address, target: TARGET, initiator: "iqn.2026-11.localhost:watched" });
    const ask = async (cdb: readonly number[], data: Uint8Array | null, room: number): Promise<Uint8Array> => {
      const whole = new Uint8Array(16);
      whole.set(cdb);
      const ending = await session.execute({ lun: 0, cdb: whole, room, data });
      expect(ending.status, `status of command ${cdb[0]}`).to.equal(0);
      return ending.data;
    };
    await session.execute({ lun: 0, cdb: new Uint8Array(16), room: 0, data: null });
    let over = false;
    let looks = 0;
    const watch = async (): Promise<void> => {
      for (; !over; looks++) {
        const data = new Uint8Array(BLOCK * 16).fill(looks);
        await ask(blocksCdb(0x2a, looks % 1024, 16), data, 0);
        expect(Buffer.compare(await ask(blocksCdb(0x28, looks % 1024, 16), null, data.length), data)).to.equal(0);
        for (let turns = 0; turns < TURNS; turns++) await turn();
      }
    };
    const watching = watch();
    await attack(server.ports[0], random, PDUS / 2);
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    await attack(server.ports[0], random.fork("again"), PDUS / 2);
    collectGarbage();
    expect(process.memoryUsage().heapUsed - before, "growth").to.be.below(MOST_GROWTH);
    over = true;
    await watching;
    expect(looks).to.be.above(10);
    await session.logout();
    while (server.holds().connections > 0) await turn();
    expect(server.holds()).to.deep.equal({ connections: 0, pages: 0 });
    expect(server.portal.sessions.length).to.equal(0);
    await server.close();
  }).timeout(30_000 + PDUS * 10);
});
