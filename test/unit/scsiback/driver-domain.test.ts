// A back end on a Xen host that is not dom0's: it may do no more than its domain may.

import { MemoryStore } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { expect } from "chai";
import { ScriptedFront } from "../../support/scripted-front.js";
import { memoryDisk, TestDirectory } from "../../support/scsi-devices.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { openPlayedHost } from "../../support/xen-kernel.js";
import { XenWorld } from "../../support/xen-world.js";

const DRIVER_DOMAIN = 4;
const GUEST = 9;

describe("scsiback in a driver domain of a Xen host", () => {
  it("serves the devices of its own domain, and leaves with the guest", async () => {
    const world = new XenWorld();
    const storage = await world.createDomain(DRIVER_DOMAIN);
    const guest = await world.createDomain(GUEST, { memoryPages: 20 });
    const { host } = await openPlayedHost(world, storage);
    expect(host.id).to.equal(DRIVER_DOMAIN);
    const directory = new TestDirectory({ disk: memoryDisk(new MemoryStore(1 << 20)) });
    const { simulation: scheduler, probes } = world;
    const back = new Scsiback({ domain: host, directory, clock: scheduler, scheduler, probes, takesOver: true });
    await world.done(back.start());
    const luns = [["disk", "0:0:0:0"]] as const;
    const nodes = await VscsiNodes.create(world, { guest: GUEST, backend: DRIVER_DOMAIN, luns });
    const front = new ScriptedFront(world, guest, nodes);
    await world.settle();
    await front.connect();
    expect(await nodes.states()).to.equal("4 3 3-");
    // Power on: CHECK CONDITION.
    expect((await front.send({}))[0].rslt).to.equal(2);
    await world.done(world.tool.remove(nodes.front));
    await world.settle();
    expect(await nodes.states()).to.equal("6 - 3-");
    front.leave();
    expect([host.grants.mapped, host.lent, directory.opened.length]).to.deep.equal([0, 0, 0]);
    await world.done(back.close());
    await world.done(host.close());
  });
});
