// Judges a vhost-user session message by message: what QEMU's protocol text says of each, and what QEMU does with them.

import { ftruncateSync } from "node:fs";
import { F_PROTOCOL_FEATURES, ProtocolFeature } from "@pvscsi/vhost-user";
import { CommandResponse, Feature, Used } from "@pvscsi/virtio";
import { expect } from "chai";
import { type FrontEnd, GUEST_ADDRESS, MEMORY, state, USER_ADDRESS, u64, until } from "./front-end.js";
import { eachWithServer, INQUIRY, run, submit, VhostWorld } from "./world.js";

describe("a vhost-user session", () => {
  const shared = eachWithServer();

  it("offers the device's features and its own, and as many rings as the device has", async () => {
    const front = shared.world.connect();
    const features = await front.value("getFeatures");
    expect(features & F_PROTOCOL_FEATURES).to.equal(F_PROTOCOL_FEATURES);
    expect(features & Feature.version1).to.equal(Feature.version1);
    const { multipleQueues, replyAcknowledge, resetDevice } = ProtocolFeature;
    expect(await front.value("getProtocolFeatures")).to.equal(multipleQueues | replyAcknowledge | resetDevice);
    expect(await front.value("getQueueNum")).to.equal(3n);
  });

  for (const [name, features] of [
    ["as SeaBIOS drives it", Feature.version1],
    ["as Linux drives it", Feature.version1 | Feature.eventIndex | Feature.indirectDescriptors],
  ] as const) {
    it(`serves a ring ${name}, and calls`, async () => {
      const front = await shared.world.running(features);
      const { response, status, data } = await run(front, INQUIRY, 36);
      expect([response, status, Buffer.from(data.subarray(8, 14)).toString()]).to.deep.equal([0, 0, "PVSCSI"]);
      expect(await until(() => shared.native.events.drain(front.calls[2]))).to.equal(true);
    });
  }

  it("does nothing with a ring before it is enabled, where the protocol has features", async () => {
    const front = shared.world.connect();
    await front.negotiate();
    await front.setMemory();
    front.queues[2] = front.newQueue();
    front.send("setVringNum", state(2, 16));
    front.send("setVringAddress", front.addresses(2));
    front.sendEvents(2);
    submit(front, INQUIRY, 36);
    await front.value("getQueueNum");
    expect(shared.world.news.filter((line) => line.startsWith("start"))).to.deep.equal([]);
    front.send("setVringEnable", state(2, 1));
    expect(await until(() => front.queues[2].take(new Used()))).to.equal(true);
  });

  it("serves a ring at once where the protocol has no features", async () => {
    const front = shared.world.connect();
    front.send("setFeatures", u64(Feature.version1));
    front.send("setMemoryTable", ...tableOf(front));
    front.queues[2] = front.newQueue();
    front.send("setVringNum", state(2, 16));
    front.send("setVringAddress", front.addresses(2));
    front.sendEvents(2);
    expect((await run(front, INQUIRY, 36)).status).to.equal(0);
  });

  it("stops a ring when what is under way has ended, says where, and goes on from there", async () => {
    const front = await shared.world.running();
    await run(front, [0], 0, 1);
    submit(front, [0], 0, 1);
    expect(await until(() => shared.world.holding.held.length === 1)).to.equal(true);
    front.send("getVringBase", state(2, 0));
    expect(await until(() => front.hasReply, 50)).to.equal(false);
    shared.world.holding.end();
    const reply = await front.reply();
    expect([...new Uint32Array(reply.payload.buffer)]).to.deep.equal([2, 2]);
    expect(front.queues[2].take(new Used())).to.equal(true);
    submit(front, INQUIRY, 36);
    front.startRing(2, 16, 2);
    expect(await until(() => front.queues[2].take(new Used()))).to.equal(true);
  });

  it("serves the next driver of the same guest from the beginning", async () => {
    const front = await shared.world.running();
    await run(front, INQUIRY, 36);
    for (const index of [0, 1, 2]) {
      front.send("setVringEnable", state(index, 0));
      await front.ask("getVringBase", state(index, 0));
    }
    expect(await front.acknowledged("resetDevice")).to.equal(0n);
    expect(await front.acknowledged("resetDevice")).to.equal(0n);
    front.send("setFeatures", u64(F_PROTOCOL_FEATURES | Feature.version1 | Feature.eventIndex));
    front.features = Feature.version1 | Feature.eventIndex;
    await front.setMemory();
    for (const index of [0, 1, 2]) {
      front.queues[index] = front.newQueue();
      front.startRing(index);
    }
    expect((await run(front, [0])).status).to.equal(2);
    expect((await run(front, INQUIRY, 36)).status).to.equal(0);
  });

  it("calls at once on a new call descriptor of a ring that runs: an earlier call may have gone to the old one", async () => {
    const front = await shared.world.running();
    shared.native.events.drain(front.calls[2]);
    front.send("setVringCall", u64(2n), [front.calls[2]]);
    expect(await until(() => shared.native.events.drain(front.calls[2]))).to.equal(true);
  });

  it("looks at a ring when it starts, whatever kick was lost", async () => {
    const front = shared.world.connect();
    await front.negotiate();
    await front.setMemory();
    front.queues[2] = front.newQueue();
    for (const list of [front.kicks, front.calls]) list[2] = shared.native.events.create();
    submit(front, INQUIRY, 36);
    shared.native.events.drain(front.kicks[2]);
    front.startRing(2);
    expect(await until(() => front.queues[2].take(new Used()))).to.equal(true);
  });

  it("starts a ring when its memory comes, and tells by its error event where that is not all there", async () => {
    const front = shared.world.connect();
    await front.negotiate();
    for (const index of [0, 1, 2]) front.startRing(index);
    await front.value("getQueueNum");
    expect(shared.world.news.filter((line) => line.startsWith("start"))).to.deep.equal([]);
    expect(await front.setMemory()).to.equal(0n);
    expect((await run(front, INQUIRY, 36)).status).to.equal(0);
    expect(await front.setMemory([{ ...front.wholeMemory, user: USER_ADDRESS + MEMORY }])).to.equal(0n);
    expect(await until(() => shared.native.events.drain(front.errors[2]))).to.equal(true);
    expect(shared.world.news.at(-1)).to.equal("failed 2 the descriptors area is not in memory");
    expect(await front.setMemory()).to.equal(0n);
    expect((await run(front, INQUIRY, 36)).status).to.equal(0);
  });

  it("goes on in a new memory table while rings run", async () => {
    const front = await shared.world.running();
    await run(front, INQUIRY, 36);
    expect(await front.setMemory()).to.equal(0n);
    expect((await run(front, INQUIRY, 36)).status).to.equal(0);
  });

  it("reaches memory in several regions and above 4 GiB, in pieces across windows", async () => {
    const front = shared.world.connect();
    await front.negotiate();
    const large = shared.native.newMemory("large", 0);
    const GIB = 2 ** 30;
    ftruncateSync(large, 6 * GIB);
    const high = shared.native.mapFile(large, 5 * GIB - 4096, 8192);
    high.bytes.fill(0xee);
    const above = { guest: 4 * GIB, size: 6 * GIB, user: USER_ADDRESS + 2 ** 40, offset: 0, descriptor: large };
    expect(await front.setMemory([front.wholeMemory, above])).to.equal(0n);
    for (const index of [0, 1, 2]) front.startRing(index);
    const { answer } = submit(front, INQUIRY, 36);
    await until(() => front.queues[2].take(new Used()));
    // The same again, its data across the end of the fifth window.
    const descriptors = new DataView(front.memory.bytes.buffer, front.queues[2].areas.descriptors.byteOffset);
    const { answer: second } = submit(front, INQUIRY, 36);
    await until(() => front.queues[2].take(new Used()));
    const head = 3;
    descriptors.setBigUint64(16 * (head + 2), BigInt(4 * GIB + 5 * GIB - 18), true);
    expect([answer, second].map((bytes) => new CommandResponse(bytes).response)).to.deep.equal([0, 0]);
    submitHead(front, head);
    expect(await until(() => high.bytes[4096] !== 0xee)).to.equal(true);
    expect(Buffer.from(high.bytes.subarray(4096 - 18 + 8, 4096 - 18 + 14)).toString()).to.equal("PVSCSI");
    high.release();
    shared.native.close(large);
  });

  it("tells by the error event of a ring that cannot be one, and of one that is broken", async () => {
    const front = await shared.world.running();
    front.queues[1] = front.newQueue();
    front.send("setVringEnable", state(1, 0));
    front.send("getVringBase", state(1, 0));
    await front.reply();
    front.send("setVringAddress", front.addresses(1, 8));
    front.sendEvents(1);
    front.send("setVringEnable", state(1, 1));
    expect(await until(() => shared.native.events.drain(front.errors[1]))).to.equal(true);
    submitHead(front, 9999);
    expect(await until(() => shared.native.events.drain(front.errors[2]))).to.equal(true);
    expect(shared.world.news.filter((line) => line.startsWith("failed"))).to.deep.equal([
      "failed 1 the descriptors area is not aligned to 16 bytes",
      "failed 2 head 9999 in a ring of 16",
    ]);
  });

  it("answers for the configuration where that is offered", async () => {
    await shared.world.end();
    shared.world = new VhostWorld(shared.native, shared.path, { offersConfig: true });
    const front = shared.world.connect();
    expect((await front.value("getProtocolFeatures")) & ProtocolFeature.config).to.equal(ProtocolFeature.config);
    const range = (offset: number, size: number, data = size): Uint8Array => {
      const bytes = new Uint8Array(12 + data);
      new Uint32Array(bytes.buffer, 0, 2).set([offset, size]);
      return bytes;
    };
    const { payload } = await front.ask("getConfig", range(0, 36));
    expect(new DataView(payload.buffer).getUint32(12, true)).to.equal(1);
    expect(new DataView(payload.buffer).getUint32(12 + 20, true)).to.equal(96);
    for (const [offset, size] of [
      [30, 10],
      [2 ** 31, 4],
    ]) {
      expect((await front.ask("getConfig", range(offset, size))).payload).to.have.length(0);
    }
    expect((await front.ask("getConfig", range(0, 200, 4))).payload).to.have.length(0);
  });

  it("ends what is under way when its front end goes, and gives everything back", async () => {
    const front = await shared.world.running();
    await run(front, [0], 0, 1);
    submit(front, [0], 0, 1);
    expect(await until(() => shared.world.holding.held.length === 1)).to.equal(true);
    front.connection.close();
    expect(await until(() => shared.world.server.connections === 0)).to.equal(true);
    expect(shared.world.holding.held).to.deep.equal([]);
  });
});

/** Makes a descriptor chain available again by its head. */
function submitHead(front: FrontEnd, head: number): void {
  const { areas } = front.queues[2];
  const ring = new Uint16Array(front.memory.bytes.buffer, areas.driver.byteOffset, 2 + 16);
  ring[2 + (ring[1] % 16)] = head;
  Atomics.add(ring, 1, 1);
  front.native.events.signal(front.kicks[2]);
}

function tableOf(front: FrontEnd): [Uint8Array, number[]] {
  const bytes = new Uint8Array(40);
  new Uint32Array(bytes.buffer, 0, 1)[0] = 1;
  new BigUint64Array(bytes.buffer, 8).set([GUEST_ADDRESS, MEMORY, USER_ADDRESS, 0].map(BigInt));
  return [bytes, [front.file]];
}
