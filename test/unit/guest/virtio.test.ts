// A guest on virtio-scsi: the same guest as on every other adapter, with this bus's ways to tell of devices.

import { createDisk, MemoryStore, Status } from "@pvscsi/scsi";
import {
  Arena,
  Feature,
  InProcessTransport,
  PAGE_SIZE,
  TargetTable,
  VirtioScsiAdapter,
  VirtioScsiDevice,
} from "@pvscsi/virtio";
import { expect } from "chai";
import { byteStoreContract, STORE_SIZE } from "../../contract/byte-store.js";
import { HoldingUnit } from "../../support/scsi-devices.js";
import { diskOptions, MIB, pattern, Stand, submit, turn } from "./stand.js";

interface Bus {
  readonly stand: Stand;
  readonly targets: TargetTable;
  readonly device: VirtioScsiDevice;
  readonly adapter: VirtioScsiAdapter;
}

function disk(serial = "0001", store = new MemoryStore(MIB)) {
  return createDisk(diskOptions(store, { serial }));
}

/** A guest with an adapter; target 0 has a disk at LUN 0. */
async function bus({ features, requestQueues = 1 }: { features?: bigint; requestQueues?: number } = {}): Promise<Bus> {
  const stand = new Stand();
  const targets = new TargetTable();
  targets.at(0).add(0, disk());
  const device = new VirtioScsiDevice({ targets, scheduler: stand.time, limits: { requestQueues } });
  const memory = new Arena(new ArrayBuffer(4096 * PAGE_SIZE));
  const transport = new InProcessTransport({ device, memory, scheduler: stand.time });
  const options = { transport, scheduler: stand.time, requestQueues, ...(features === undefined ? {} : { features }) };
  const adapter = await VirtioScsiAdapter.probe(options);
  stand.guest.attach(adapter);
  await stand.pass(20);
  return { stand, targets, device, adapter };
}

byteStoreContract("a guest's disk on virtio-scsi", async () => {
  const { stand, targets } = await bus({ requestQueues: 2 });
  const store = new MemoryStore(STORE_SIZE, { writeBack: true });
  targets.at(0).add(1, disk("0002", store));
  await stand.pass(20);
  return { store: stand.guest.store(stand.disk("sdb")), pump: () => void stand.time.step() };
});

describe("a guest on virtio-scsi", () => {
  it("finds its disk at the beginning, and prints what Linux prints", async () => {
    const { stand } = await bus();
    expect(stand.log().slice(0, 5)).to.deep.equal([
      "scsi host0: Virtio SCSI HBA",
      "scsi 0:0:0:0: Direct-Access     LIO-ORG  disk0            4.0  PQ: 0 ANSI: 6",
      "sd 0:0:0:0: Attached scsi generic sg0 type 0",
      "sd 0:0:0:0: Power-on or device reset occurred",
      "sd 0:0:0:0: [sda] 2048 512-byte logical blocks: (1.05 MB/1.00 MiB)",
    ]);
  });

  for (const [name, features] of [
    ["no feature", 0n],
    ["indirect descriptors", Feature.indirectDescriptors],
    ["event indices", Feature.eventIndex],
  ] as const) {
    for (const requestQueues of [1, 3]) {
      it(`reads what it has written with ${name} over ${requestQueues} queues`, async () => {
        const { stand } = await bus({ features, requestQueues });
        const data = pattern(64 * 1024);
        const writes = [0, 1, 2, 3, 4, 5, 6, 7].map((i) =>
          submit(stand.disk(), "write", { offset: i * data.length, data }),
        );
        for (const { failure } of await stand.until(Promise.all(writes))) expect(failure).to.equal(null);
        const back = new Uint8Array(data.length);
        const read = await stand.until(submit(stand.disk(), "read", { offset: 7 * data.length, data: back }));
        expect([read.failure, back]).to.deep.equal([null, data]);
      });
    }
  }

  it("hears of a device that comes and of one that goes, without a look at the bus", async () => {
    const { stand, targets } = await bus();
    targets.at(3).add(300, disk("0002"));
    await stand.pass(20);
    expect((await stand.run("lsscsi")).output).to.include("[0:0:3:300]");
    void targets.at(3).remove(300);
    await stand.pass(20);
    expect(stand.guest.disk("sdb")).to.equal(undefined);
    expect(stand.disk().device.name).to.equal("0:0:0:0");
  });

  it("hears of a new size", async () => {
    const { stand, targets } = await bus();
    const store = new MemoryStore(MIB);
    targets.at(0).add(1, disk("0002", store));
    await stand.pass(20);
    const lines = await stand.logged(async () => {
      await store.resize(2 * MIB);
      await stand.time.after(20, { run() {} });
    });
    await stand.pass(20);
    expect([...lines, ...stand.log()].some((line) => line.includes("[sdb] 4096 512-byte logical blocks"))).to.equal(
      true,
    );
  });

  it("finds out what it was not told of for want of buffers", async () => {
    const { stand, targets } = await bus();
    for (let lun = 1; lun <= 40; lun++) targets.at(5).add(lun - 1, disk(`${lun}`));
    await stand.pass(1000);
    expect(stand.guest.devices).to.have.length(41);
    for (let lun = 0; lun < 39; lun++) void targets.at(5).remove(lun);
    await stand.pass(1000);
    expect(stand.guest.devices.map(({ name }) => name)).to.deep.equal(["0:0:0:0", "0:0:5:39"]);
  });

  it("aborts a command whose time is out, and resets the unit when that does not help", async () => {
    const { stand, targets } = await bus();
    const holding = new HoldingUnit();
    holding.execute = (task) =>
      task.cdb[0] === 0x28 ? HoldingUnit.prototype.execute.call(holding, task) : inner.execute(task);
    const inner = disk("0002");
    targets.at(1).add(0, holding);
    await stand.pass(100);
    const read = submit(stand.disk("sdb"), "read", { data: new Uint8Array(512) });
    await stand.pass(31_000);
    expect(holding.seen.length).to.be.greaterThan(1);
    holding.execute = (task) => inner.execute(task);
    holding.end((task) => {
      task.transferLength = task.data.length;
      return Status.good;
    });
    expect((await stand.until(read)).failure).to.equal(null);
  });

  it("parts from its devices when the device breaks", async () => {
    const { stand, adapter } = await bus();
    adapter.needsReset("a test says so");
    await stand.pass(20);
    expect(stand.guest.hosts).to.deep.equal([]);
  });

  it("gives nothing up that is under way when it is closed", async () => {
    const { stand, device } = await bus();
    const data = pattern(4096);
    const write = submit(stand.disk(), "write", { data });
    const [host] = stand.guest.hosts;
    await stand.until(stand.guest.detach(host));
    await stand.until(write);
    await turn();
    expect(device.queues).to.equal(3);
    expect(stand.guest.hosts).to.deep.equal([]);
  });
});
