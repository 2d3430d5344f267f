// Judges what a vhost-user server does beside its messages: the socket's mode, its end, and what is under way meanwhile.

import { existsSync, statSync } from "node:fs";
import type { Native } from "@pvscsi/native";
import { type Message, printMessage } from "@pvscsi/vhost-user";
import { Used } from "@pvscsi/virtio";
import { ProbeHub } from "@pvscsi/wire";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { type FrontEnd, mappings, openFiles, state, u64, until } from "./front-end.js";
import { INQUIRY, nativeOrNull, run, submit, VhostWorld } from "./world.js";

describe("a vhost-user server", () => {
  const folder = temporaryFolder();
  let native: Native;
  let world: VhostWorld;
  let openBefore = 0;

  before(async function () {
    const loaded = await nativeOrNull();
    if (loaded === null) return this.skip();
    native = loaded;
  });
  beforeEach(() => {
    openBefore = openFiles();
    world = new VhostWorld(native, folder.path("socket"));
  });
  afterEach(async () => {
    await world.end();
    expect(await until(() => openFiles() <= openBefore)).to.equal(true);
    expect(mappings("guest")).to.equal(0);
  });

  /** A front end with a command under way that ends when the test says so. */
  async function holding(): Promise<FrontEnd> {
    const front = await world.running();
    await run(front, [0], 0, 1);
    submit(front, [0], 0, 1);
    expect(await until(() => world.holding.held.length === 1)).to.equal(true);
    return front;
  }

  it("listens at a socket that is its owner's alone", async () => {
    const mask = process.umask(0);
    const other = new VhostWorld(native, folder.path("other"));
    const after = process.umask(mask);
    expect([statSync(folder.path("other")).mode & 0o777, after]).to.deep.equal([0o600, 0]);
    await other.end();
  });

  it("parts from everybody at its end and removes its socket, once", async () => {
    const front = await holding();
    await world.server.close();
    expect(await front.isEnded()).to.equal(true);
    expect(world.holding.held).to.deep.equal([]);
    expect([world.server.connections, existsSync(folder.path("socket"))]).to.deep.equal([0, false]);
    const opened = native.events.create();
    await world.server.close();
    // A number that is another file's by now is not closed.
    native.events.signal(opened);
    native.close(opened);
  });

  it("maps a guest's memory for as long as its front end is there", async () => {
    const front = await world.running();
    expect(mappings("guest")).to.equal(2);
    expect(await front.setMemory()).to.equal(0n);
    expect(mappings("guest")).to.equal(2);
    front.connection.close();
    expect(await until(() => world.server.connections === 0)).to.equal(true);
    expect(mappings("guest")).to.equal(1);
  });

  it("gives a front end the lowest place that no other has, so that one that comes again has its own", async () => {
    const fronts = [world.connect(), world.connect(), world.connect()];
    expect(await until(() => world.server.connections === 3)).to.equal(true);
    fronts[1].connection.close();
    expect(await until(() => world.server.connections === 2)).to.equal(true);
    world.connect();
    expect(await until(() => world.places.length === 4)).to.equal(true);
    expect(world.places).to.deep.equal([0, 1, 2, 1]);
  });

  it("resets a device whose command would never end", async () => {
    const front = await holding();
    expect(await front.acknowledged("resetDevice")).to.equal(0n);
    expect(world.holding.held).to.deep.equal([]);
    expect(front.queues[2].take(new Used())).to.equal(true);
    // Its rings are disabled: a kick descriptor alone starts none.
    world.news.length = 0;
    front.sendEvents(2);
    await front.value("getQueueNum");
    expect(world.news).to.deep.equal([]);
  });

  it("starts no ring when it ends while that is being stopped", async () => {
    const front = await holding();
    world.news.length = 0;
    front.send("setVringKick", u64(2n), [front.kicks[2]]);
    await until(() => world.news.length > 0, 20);
    await world.server.close();
    expect(world.news.filter((line) => line.startsWith("start"))).to.deep.equal([]);
  });

  it("gives others their turn between a front end's messages", async () => {
    await world.end();
    const probes = new ProbeHub();
    world = new VhostWorld(native, folder.path("socket"), { probes });
    const front = world.connect();
    let handled = 0;
    let atFirstTurn = 0;
    probes.listen((name) => {
      if (name !== "vhost-user:message") return;
      handled += 1;
      if (handled > 1) return;
      setImmediate(() => {
        atFirstTurn = handled;
      });
    });
    front.connection.send(
      Buffer.concat(new Array<Uint8Array>(1000).fill(Buffer.from("030000000100000000000000", "hex"))),
    );
    expect(await until(() => handled === 1000)).to.equal(true);
    expect(atFirstTurn).to.be.within(1, 100);
  });

  it("holds no more descriptors than a message may have, whatever pieces it comes in", async () => {
    const front = world.connect();
    front.connection.send(Uint8Array.of(5), new Array<number>(5).fill(front.file));
    await until(() => openFiles() > openBefore + 10, 100);
    front.connection.send(Uint8Array.of(0), new Array<number>(5).fill(front.file));
    expect(await front.isEnded()).to.equal(true);
    expect(world.news).to.deep.equal(["broken a message with 10 descriptors"]);
  });

  it("leaks nothing by the same messages again and again (CVE-2019-14818)", async () => {
    const front = await world.running();
    const files = new Set<number>();
    for (let round = 0; round < 10; round++) {
      await front.setMemory();
      for (const index of [0, 1, 2]) front.sendEvents(index);
      await front.value("getQueueNum");
      files.add(openFiles());
    }
    expect([files.size, mappings("guest")]).to.deep.equal([1, 2]);
    expect((await run(front, INQUIRY, 36)).status).to.equal(0);
  });

  it("tells its messages, which can be printed", async () => {
    await world.end();
    const probes = new ProbeHub();
    const printed: string[] = [];
    probes.listen((name, message) => {
      if (name === "vhost-user:message") printed.push(printMessage(message as Message));
    });
    world = new VhostWorld(native, folder.path("socket"), { probes });
    const front = world.connect();
    await front.negotiate();
    await front.setMemory();
    front.send("setVringNum", state(2, 128));
    front.send("setVringCall", u64(0x100n));
    await front.ask("getConfig", new Uint8Array(Uint32Array.of(4, 0, 0).buffer));
    front.sendRaw(99, 9, 8, u64(1n));
    await front.reply();
    expect(printed).to.deep.equal([
      "GET_FEATURES",
      "GET_PROTOCOL_FEATURES",
      "SET_PROTOCOL_FEATURES 0x8",
      "SET_OWNER",
      "SET_FEATURES 0x140000000",
      "SET_MEM_TABLE regions 1 padding 0 [guestAddress 0x100000 size 0x100000 userAddress 0x7f0000000000 fileOffset 0]" +
        " with 1 descriptors",
      "SET_VRING_NUM index 2 num 128",
      "SET_VRING_CALL 0x100",
      "GET_CONFIG offset 4 size 0 flags 0",
      "message 99 with 8 bytes",
    ]);
  });
});
