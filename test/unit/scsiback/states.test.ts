// The back end's half of the handshake, step by step, and with nodes that say nonsense.

import { setImmediate } from "node:timers/promises";
import { type DeviceDirectory, MemoryStore } from "@pvscsi/scsi";
import { expect } from "chai";
import { memoryDisk } from "../../support/scsi-devices.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { LUNS, onEachPlatform, Stand } from "./stand.js";

onEachPlatform("states", (platform) => {
  let stand: Stand;
  beforeEach(async () => {
    stand = await Stand.make({}, platform);
  });
  afterEach(() => stand.end());

  const settle = () => stand.world.settle();

  it("connect as in the table of the ABI", async () => {
    const front = stand.front(await stand.device());
    await settle();
    expect(await front.nodes.states()).to.equal("2 1 1- 1-");
    await front.connect();
    expect(await front.nodes.states()).to.equal("4 3 3- 3-");
    // I/O flows while the front end scans, before it is Connected.
    expect((await front.send({}))[0].rslt).to.equal(2);
    await front.write("state", "4");
    await settle();
    expect(await front.nodes.states()).to.equal("4 4 4- 4-");
    expect(stand.directory.opened).to.deep.equal(["disk", "holding"]);
  });

  it("attach a LUN", async () => {
    const front = await stand.connected([LUNS[0]]);
    await front.nodes.attach("holding", "0:0:0:1");
    await settle();
    expect(await front.nodes.states()).to.equal("7 4 4- 1-");
    await front.write("state", "7");
    await settle();
    expect(await front.nodes.states()).to.equal("8 7 4- 3-");
    await front.write("state", "4");
    await settle();
    expect(await front.nodes.states()).to.equal("4 4 4- 4-");
  });

  it("attach in InitWait, without a handshake", async () => {
    const nodes = await stand.device([LUNS[0]]);
    await settle();
    await nodes.attach("holding", "0:0:0:1");
    await stand.world.write({ [`${nodes.back}/state`]: "2" });
    const front = await stand.front(nodes).connect();
    expect(await front.nodes.states()).to.equal("4 3 3- 3-");
  });

  it("detach a LUN", async () => {
    const front = await stand.connected();
    await front.nodes.detach("dev-1");
    await settle();
    expect(await front.nodes.states()).to.equal("7 4 4- 5-");
    await front.write("state", "7");
    await settle();
    expect(await front.nodes.states()).to.equal("8 7 4- 6-");
    expect(stand.directory.opened).to.deep.equal(["disk"]);
    expect((await front.send({ lun: 1 }))[0].rslt).to.equal(0x10000);
    await front.write("state", "4");
    await settle();
    expect(await front.nodes.states()).to.equal("4 4 4- 6-");
  });

  it("close when the front end goes to Closed, and forget an offline device", async () => {
    const front = await stand.connected();
    await front.nodes.unplug();
    await settle();
    expect(await front.nodes.states()).to.equal("5 4 4- 4-");
    await front.write("state", "6");
    await settle();
    expect(await front.nodes.states()).to.equal("6 6 4- 4-");
    expect(stand.directory.opened).to.deep.equal([]);
  });

  it("close by way of Closing when the front end does", async () => {
    const front = await stand.connected();
    await front.nodes.unplug();
    await front.write("state", "5");
    await settle();
    expect(await front.nodes.states()).to.equal("5 5 4- 4-");
    front.leave();
    await front.write("state", "6");
    await settle();
    expect(await front.nodes.states()).to.equal("6 6 4- 4-");
  });

  it("wait in Closing for the commands under way, which are aborted and answered", async () => {
    const front = await stand.connected();
    stand.holding.stubborn = true;
    await front.send({ lun: 1, rqid: 1 }, { lun: 1, rqid: 2 }, { act: 2, rqid: 3, lun: 1, refRqid: 1 });
    await front.write("state", "5");
    await settle();
    expect(await front.nodes.states()).to.equal("4 5 4- 4-");
    expect(stand.holding.held.every(({ aborted }) => aborted)).to.equal(true);
    const answers = [...(await stand.finish(front)), ...(await stand.finish(front))];
    expect(answers.map(({ rqid, rslt }) => [rqid, rslt])).to.deep.equal([
      [1, 0x50000],
      [3, 0x2002],
      [2, 0x80000],
    ]);
    expect(await front.nodes.states()).to.equal("5 5 4- 4-");
    front.leave();
  });

  it("show the last answer before the page is let go of, and write nothing into it afterwards", async () => {
    const front = await stand.connected();
    stand.holding.stubborn = true;
    await front.send({ lun: 1 });
    await front.write("state", "5");
    await settle();
    const producer = front.get("rspProd");
    // A store that answers from outside of the scheduler.
    stand.holding.end();
    await setImmediate();
    expect(stand.dom0.describe().mappings).to.deep.equal([]);
    expect(front.get("rspProd")).to.equal(producer + 1);
    const page = front.ring.page.bytes.fill(0xee);
    await settle();
    expect(page.every((byte) => byte === 0xee)).to.equal(true);
  });

  it("do not keep other front ends waiting behind a stuck command", async () => {
    const front = await stand.connected();
    stand.holding.stubborn = true;
    await front.send({ lun: 1 });
    await front.nodes.remove();
    await settle();
    const other = await stand.connected([LUNS[0]], 1);
    expect((await other.send({}))[0].rslt).to.equal(0);
    expect(stand.directory.opened).to.deep.equal(["disk", "holding", "disk"]);
    // The same path again: it has to wait for the one before.
    const again = await VscsiNodes.create(stand.world, { guest: 1, luns: [LUNS[0]] });
    await settle();
    expect(await again.states()).to.equal("1 1 1-");
    await stand.finish(front);
    expect(await again.states()).to.equal("2 1 1-");
    await again.remove();
  });

  it("let go of everything when the front end's nodes vanish", async () => {
    const front = await stand.connected();
    await stand.world.done(stand.world.tool.remove(front.nodes.front));
    await settle();
    expect(await front.nodes.states()).to.equal("6 - 4- 4-");
    expect(stand.directory.opened).to.deep.equal([]);
    front.leave();
    await front.write("state", "3");
    await settle();
    expect(await front.nodes.states()).to.equal("6 3 4- 4-");
  });

  it("map again when an online front end has closed and comes back, with the LUNs as they were", async () => {
    const front = await stand.connected();
    for (const last of ["5", "6"]) {
      await front.write("state", last);
      await settle();
      const again = stand.front(front.nodes);
      await again.connect();
      expect(await again.nodes.states()).to.equal("4 3 4- 4-");
      expect((await again.send({}))[0].rslt).to.equal(0);
    }
    expect(stand.directory.opened).to.deep.equal(["disk", "holding"]);
  });

  it("do not map twice when a front end comes to Initialised without having closed", async () => {
    const front = await stand.connected();
    await front.write("state", "1");
    await front.write("state", "3");
    await settle();
    expect(stand.dom0.describe().mappings).to.have.length(1);
    expect((await front.send({}))[0].rslt).to.equal(0);
  });

  it("add again what is connected only by its nodes, as after a migration", async () => {
    const nodes = await stand.device();
    await stand.world.write({ [`${nodes.back}/vscsi-devs/dev-1/state`]: "4" });
    const front = await stand.front(nodes).connect();
    expect(await nodes.states()).to.equal("4 3 3- 3-");
    expect((await front.send({ lun: 1 }))[0].rslt).to.equal(2);
  });

  for (const [text, expected] of [
    ["4 ", "4 4  4- 4-"],
    ["04", "4 04 4- 4-"],
    ["4abc", "4 4abc 4- 4-"],
    [" 4", "4  4 4- 4-"],
    ["9", "6 9 3- 3-"],
    ["abc", "6 abc 3- 3-"],
    ["", "6  3- 3-"],
    ["-4", "6 -4 3- 3-"],
  ] as const) {
    it(`read "${text}" as Linux does`, async () => {
      const front = await stand.front(await stand.device()).connect();
      await front.write("state", text);
      await settle();
      expect(await front.nodes.states()).to.equal(expected);
    });
  }

  const wrongNodes: { readonly [name: string]: [{ [name: string]: string }, RegExp] } = {
    "a ring-ref that is not granted": [{ "ring-ref": "500" }, /^22 mapping in shared page 500 from domain 1: -1$/],
    "a ring-ref beyond the table": [{ "ring-ref": "4294967295" }, /^22 mapping .*: -3$/],
    "a ring-ref above 32 bits": [{ "ring-ref": "4294967296" }, /^22 no ring-ref or event-channel that is a number$/],
    "a ring-ref that is no number": [{ "ring-ref": "abc" }, /^22 no ring-ref/],
    "an empty ring-ref": [{ "ring-ref": "" }, /^22 no ring-ref/],
    "an event-channel that is no number": [{ "event-channel": "-1" }, /^22 no ring-ref or event-channel/],
    "port 0": [{ "event-channel": "0" }, /^22 binding event channel 0 of domain 1: EINVAL$/],
    "a port that is not open": [{ "event-channel": "99" }, /^22 binding event channel 99 of domain 1: EINVAL$/],
    "a port beyond all": [{ "event-channel": "4294967295" }, /^22 binding .*: EINVAL$/],
  };
  for (const [name, [values, reason]] of Object.entries(wrongNodes)) {
    it(`refuse ${name}, with a reason, and hold nothing`, async () => {
      const front = await stand.front(await stand.device()).connect(values);
      expect(await front.nodes.states()).to.equal("5 3 1- 1-");
      expect(await stand.reason("backend/vscsi/1/0")).to.match(reason);
      expect(stand.dom0.describe()).to.deep.include({ mappings: [], ports: [] });
    });
  }

  it("refuse a ring that is granted for reading, or to somebody else, and another domain's port", async () => {
    const third = await stand.world.createDomain(3);
    const front = stand.front(await stand.device());
    const readOnly = front.grant("read-only");
    const elsewhere = stand.guest.grant(3, front.ring.page, "read-write");
    const port = third.events.allocateUnbound(0) as number;
    const taken = stand.guest.events.allocateUnbound(3) as number;
    for (const values of [
      { "ring-ref": String(readOnly.gref) },
      { "ring-ref": String(elsewhere) },
      { "event-channel": String(port + 100) },
      { "event-channel": String(taken) },
    ]) {
      await front.connect(values);
      expect(await front.nodes.states()).to.equal("5 3 1- 1-");
      expect(stand.dom0.describe()).to.deep.include({ mappings: [], ports: [] });
      await front.write("state", "6");
      await settle();
    }
    expect(third.describe().ports).to.have.length(1);
    stand.guest.revoke(elsewhere);
    stand.guest.events.close(taken);
    await stand.world.done(third.close());
  });

  it("refuse a front end that is another domain's", async () => {
    const nodes = await stand.device();
    await stand.world.write({
      [`${nodes.back}/frontend`]: "/local/domain/2/device/vscsi/0",
      [`${nodes.back}/state`]: "1",
    });
    await settle();
    expect(await stand.reason("backend/vscsi/1/0")).to.equal(
      '22 frontend "/local/domain/2/device/vscsi/0" is not below domain 1',
    );
    await nodes.remove();
  });

  it("leave alone what is not Initialising, and names that are no numbers", async () => {
    await stand.world.write({
      "/local/domain/0/backend/vscsi/1/9/state": "6",
      "/local/domain/0/backend/vscsi/1/9/frontend": "/local/domain/1/device/vscsi/9",
      "/local/domain/0/backend/vscsi/x/9/state": "1",
      "/local/domain/0/backend/vscsi/1/8/frontend": "/local/domain/1/device/vscsi/8",
    });
    await settle();
    expect(stand.back.controllers.size).to.equal(0);
    expect(await stand.world.read("/local/domain/0/backend/vscsi/1/9/state")).to.equal("6");
  });
});

onEachPlatform("LUNs that cannot be", (platform) => {
  let stand: Stand;
  beforeEach(async () => {
    stand = await Stand.make({}, platform);
  });
  afterEach(() => stand.end());

  const long = "x".repeat(1000);
  const refused: { readonly [name: string]: [physical: string, virtual: string, reason: string] } = {
    "an unknown p-dev": ["naa.deadbeef00000000:7", "0:0:0:2", "no device naa.deadbeef00000000:7"],
    "no p-dev": ["", "0:0:0:2", "no p-dev"],
    "a p-dev longer than 31 characters": [long, "0:0:0:2", `no device ${long.slice(0, 80)}`],
    "a v-dev that is taken": ["holding", "0:0:0:0", "0:0:0:0 is in use already"],
    "a v-dev that is taken, of another host": ["holding", "5:0:0:0", "5:0:0:0 is in use already"],
    "three numbers": ["holding", "0:0:1", 'v-dev "0:0:1" is not hst:chn:tgt:lun'],
    "five numbers": ["holding", "0:0:0:1:2", 'v-dev "0:0:0:1:2" is not hst:chn:tgt:lun'],
    "a negative number": ["holding", "0:0:0:-1", 'v-dev "0:0:0:-1" is not hst:chn:tgt:lun'],
    "a number above 16 bits": ["holding", "0:0:0:65536", 'v-dev "0:0:0:65536" is not hst:chn:tgt:lun'],
    "no v-dev": ["holding", "", 'v-dev "" is not hst:chn:tgt:lun'],
    "LUN 16384": ["holding", "0:0:0:16384", "LUN 16384 is above 16383"],
  };
  for (const [name, [physical, virtual, reason]] of Object.entries(refused)) {
    it(`${name}: state 6 and a reason, and the others work`, async () => {
      const front = await stand.connected([LUNS[0]]);
      await front.nodes.attach(physical, virtual);
      await front.write("state", "7");
      await stand.world.settle();
      expect(await front.nodes.states()).to.equal("8 7 4- 6-");
      expect(await stand.reason("backend/vscsi/1/0/vscsi-devs/dev-1")).to.equal(`19 ${reason}`);
      expect((await front.send({}))[0].rslt).to.equal(0);
      expect(stand.directory.opened).to.deep.equal(["disk"]);
      await front.nodes.detach("dev-1");
      await front.write("state", "4");
      await front.write("state", "7");
      await stand.world.settle();
      // A refused device that has another's v-dev must not take the other out.
      expect(await front.nodes.states()).to.equal("8 7 4- 6-");
      expect((await front.send({}))[0].rslt).to.equal(0);
    });
  }

  it("a reason that cannot be written: state 6 all the same", async () => {
    const front = await stand.connected([LUNS[0]]);
    await front.nodes.attach("holding", "y".repeat(1900));
    await front.write("state", "7");
    await stand.world.settle();
    expect(await front.nodes.states()).to.equal("8 7 4- 6-");
  });

  it("a directory that fails: state 6, and what it said", async () => {
    const directory: DeviceDirectory = {
      open: async (physical) => {
        if (physical === "bad") throw new Error("the bus is on fire \u2622");
        return { logicalUnit: memoryDisk(new MemoryStore(1 << 20)), release: async () => {} };
      },
    };
    const other = await Stand.make({ directory }, platform);
    const front = await other.connected([LUNS[0]]);
    await front.nodes.attach("bad", "0:0:0:1");
    await front.nodes.attach("good", "0:0:0:2");
    await front.write("state", "7");
    await other.world.settle();
    expect(await front.nodes.states()).to.equal("8 7 4- 6- 3-");
    expect(other.messages.map(({ text }) => text).join("\n")).to.contain("the bus is on fire");
    await other.end();
  });

  it("names that are not dev-N are devices as well, as in Linux", async () => {
    const nodes = await stand.device([LUNS[0]]);
    for (const [name, lun] of [
      ["dev-x", 1],
      ["other", 2],
    ] as const) {
      const path = `${nodes.back}/vscsi-devs/${name}`;
      await stand.world.write({
        [`${path}/p-dev`]: "holding",
        [`${path}/v-dev`]: `0:0:0:${lun}`,
        [`${path}/state`]: "1",
      });
    }
    const front = await stand.front(nodes).connect();
    expect((await front.send({ lun: 1 }, { lun: 2 })).map(({ rslt }) => rslt)).to.deep.equal([2, 2]);
  });

  it("a name that leads out of its directory cannot be written at all", async () => {
    const nodes = await stand.device([LUNS[0]]);
    let error = "";
    await stand.world.write({ [`${nodes.back}/vscsi-devs/dev-1/../../state`]: "1" }).catch((caught) => {
      error = `${caught}`;
    });
    expect(error).to.contain("EINVAL");
    const front = await stand.front(nodes).connect();
    expect(await front.nodes.states()).to.equal("4 3 3-");
  });

  it("a device that would be refused is told of before the guest comes, and asked for all the same when it does", async () => {
    stand.directory.refusals.set("disk", "disk is on its way").set("holding", "holding is on its way");
    const nodes = await stand.device();
    await stand.world.settle();
    const errors = () =>
      Promise.all(["dev-0", "dev-1"].map((name) => stand.reason(`backend/vscsi/1/0/vscsi-devs/${name}`)));
    expect(await nodes.states()).to.equal("2 1 1- 1-");
    expect(await errors()).to.deep.equal(["19 disk is on its way", "19 holding is on its way"]);
    stand.directory.units.delete("holding");
    const front = await stand.front(nodes).connect();
    expect(await front.nodes.states()).to.equal("4 3 3- 6-");
    expect(await errors()).to.deep.equal([null, "19 no device holding"]);
  });

  it("a device without a state is passed over", async () => {
    const nodes = await stand.device([LUNS[0]]);
    await stand.world.write({ [`${nodes.back}/vscsi-devs/dev-7/p-dev`]: "holding" });
    const front = await stand.front(nodes).connect();
    expect(await front.nodes.states()).to.equal("4 3 3-");
    expect(await stand.world.read(`${nodes.back}/vscsi-devs/dev-7/state`)).to.equal(null);
  });
});

onEachPlatform("its end", (platform) => {
  it("closes the devices that are there, as a module that is removed does, and leaves nothing open", async () => {
    const stand = await Stand.make({}, platform);
    const front = await stand.connected();
    const data = front.grant("read-write");
    await front.send({ lun: 1, direction: 2, segments: [[data.gref, 0, 8]] });
    await stand.world.done(stand.back.close());
    expect(await front.nodes.states()).to.equal("6 4 4- 4-");
    expect(front.take().map(({ rslt }) => rslt)).to.deep.equal([0x80000]);
    expect(stand.dom0.describe()).to.deep.include({ mappings: [], ports: [] });
    await stand.end();
  });
});
