// Front end and back end together over one hypervisor: what is written arrives, and afterwards nothing is left.

import { type AdapterEvent, Command, type HostAdapter, MemoryStore } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { Scsifront } from "@pvscsi/scsifront";
import { expect } from "chai";
import { memoryDisk, TestDirectory } from "../../support/scsi-devices.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { XenWorld } from "../../support/xen-world.js";

describe("scsifront and scsiback", () => {
  it("connect, read, and close", async () => {
    const world = new XenWorld();
    const dom0 = await world.createDomain(0);
    const guest = await world.createDomain(1);
    const parts = { clock: world.simulation, scheduler: world.simulation, probes: world.probes };
    const store = new MemoryStore(1 << 20);
    const directory = new TestDirectory({ disk: memoryDisk(store) });
    const back = new Scsiback({ ...parts, domain: dom0, directory });
    const adapters: HostAdapter[] = [];
    const events: AdapterEvent[] = [];
    const attach = (adapter: HostAdapter): void => {
      adapters.push(adapter);
      adapter.listen(async (event) => {
        events.push(event);
        return true;
      });
    };
    const front = new Scsifront({ ...parts, domain: guest, attach });
    await world.done(back.start());
    await world.done(front.start());
    const before = world.describe();
    const nodes = await VscsiNodes.create(world, { guest: 1, luns: [["disk", "0:0:0:0"]] });
    await world.settle();
    expect(await nodes.states()).to.equal("4 4 44");
    expect(events).to.deep.equal([{ kind: "device-added", address: { channel: 0, target: 0, lun: 0 } }]);

    const [adapter] = adapters;
    const [page] = adapter.allocate(1);
    const command = new Command();
    command.cdb.set([0x12, 0, 0, 0, 36]);
    command.cdbLength = 6;
    command.direction = "from-device";
    command.data.add(page, 0, 36);
    let completed = 0;
    command.completed = () => {
      completed += 1;
    };
    adapter.queue(command);
    await world.settle();
    expect([completed, command.hostByte, command.status, command.residual]).to.deep.equal([1, 0, 0, 0]);
    expect(Buffer.from(page.subarray(8, 16)).toString()).to.equal("PVSCSI  ");
    adapter.free([page]);

    await nodes.unplug();
    await world.advance(10_000);
    expect(await nodes.states()).to.equal("6 6 44");
    await nodes.remove();
    await world.settle();
    expect(world.describe()).to.deep.equal(before);
    expect(directory.opened).to.deep.equal([]);
    await world.done(back.close());
    await world.done(front.close());
  });
});
