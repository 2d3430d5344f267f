// A back end whose process was killed has left its device as it was: the next one takes it over, and no command waits for ever.

import { MemoryStore } from "@pvscsi/scsi";
import { type ControllerMessage, Scsiback } from "@pvscsi/scsiback";
import type { InProcessDomain } from "@pvscsi/xen";
import { expect } from "chai";
import { ScriptedFront } from "../../support/scripted-front.js";
import { HoldingUnit, memoryDisk, TestDirectory } from "../../support/scsi-devices.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { openPlayedHost } from "../../support/xen-kernel.js";
import { XenWorld } from "../../support/xen-world.js";
import { LUNS } from "./stand.js";

const DID_NO_CONNECT = 0x10000;
const ABORT = 2;

describe("scsiback after one that was killed", () => {
  let world: XenWorld;
  let dom0: InProcessDomain;
  let guest: InProcessDomain;
  let front: ScriptedFront;
  let holding: HoldingUnit;
  let messages: string[];

  beforeEach(async () => {
    world = new XenWorld();
    dom0 = await world.createDomain(0);
    guest = await world.createDomain(1, { memoryPages: 100 });
    holding = new HoldingUnit();
    messages = [];
    world.listen((name, subject) => {
      if (name === "scsiback:message") messages.push((subject as ControllerMessage).text);
    });
  });

  /** A process with a back end; `kill` ends it without a word. */
  async function start() {
    const { simulation: scheduler, probes } = world;
    const { host } = await openPlayedHost(world, dom0);
    const directory = new TestDirectory({ disk: memoryDisk(new MemoryStore(1 << 20)), holding });
    const parts = { domain: host, directory, clock: scheduler, scheduler, probes, takesOver: true };
    const back = new Scsiback(parts);
    await world.done(back.start());
    await world.settle();
    return { back, host, kill: () => world.done(host.close()) };
  }

  async function connect(): Promise<void> {
    const nodes = await VscsiNodes.create(world, { guest: 1, luns: LUNS });
    front = new ScriptedFront(world, guest, nodes);
    await world.settle();
    await front.connect();
    await front.write("state", "4");
    await world.settle();
    for (const lun of [0, 1]) for (let i = 0; i < 2; i++) await front.send({ lun });
    front.take();
  }

  it("answers what the front end waits for, closes the LUNs, and closes with the front end", async () => {
    const first = await start();
    await connect();
    const held = [front.put({ lun: 1 }), front.put({ lun: 1 })];
    front.push();
    await world.settle();
    front.take();
    const answered = front.get("rspProd");
    await first.kill();
    const late = front.put({ lun: 0 });
    front.set("reqProd", front.get("reqProd") + 1);
    messages.length = 0;
    const second = await start();
    expect(messages).to.deep.equal(["taken over from a back end that has died; its LUNs are Closed"]);
    expect(front.get("rspProd")).to.be.above(answered);
    const answers = front.take().map(({ rqid, rslt }) => [rqid, rslt]);
    expect(answers.slice(-3)).to.deep.equal([...held, late].map((rqid) => [rqid, DID_NO_CONNECT]));
    expect(await front.nodes.states()).to.match(/^4 4 6\S+ 6\S+$/);
    expect((await front.send({ lun: 0 }))[0].rslt).to.equal(DID_NO_CONNECT);
    expect((await front.send({ act: ABORT, refRqid: held[0] })).length).to.equal(1);
    await front.nodes.unplug();
    await front.write("state", "6");
    await world.settle();
    expect(await front.nodes.states()).to.match(/^6 6 /);
    await world.done(second.back.close());
    await world.done(second.host.close());
    front.leave();
  });

  it("leaves alone what another one serves", async () => {
    const first = await start();
    await connect();
    const states = await front.nodes.states();
    messages.length = 0;
    const second = await start();
    expect(messages.join()).to.match(/^not taken over: binding event channel \d+ of domain 1: E/);
    expect(await front.nodes.states()).to.equal(states);
    expect((await front.send({ lun: 0 }))[0].rslt).to.not.equal(DID_NO_CONNECT);
    await world.done(second.back.close());
    await world.done(second.host.close());
    expect(await front.nodes.states()).to.equal(states);
    await first.kill();
  });
});
