// Devices that come and go while others are at work.

import { createDisk, directAdapter, HostByte, MemoryStore, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { ScriptedAdapter } from "./scripted-adapter.js";
import { diskOptions, MIB, pattern, Stand, submit } from "./stand.js";

function disk(options: { writeBack?: boolean } = {}) {
  return createDisk(diskOptions(new MemoryStore(MIB, options)));
}

describe("a device that is announced", () => {
  it("is attached, and parted from with its cache written back, while another is written", async () => {
    const stand = new Stand();
    const target = new Target();
    target.add(0, disk());
    await stand.attach(directAdapter(target));
    const sda = stand.disk();
    let writes = 0;
    let stop = false;
    const writer = (async () => {
      while (!stop) {
        const data = pattern(4096, writes);
        expect((await submit(sda, "write", { offset: (writes % 256) * 4096, data })).failure).to.equal(null);
        writes += 1;
        await new Promise<void>((resolve) => void stand.time.after(1, { run: resolve }));
      }
    })();
    const from = stand.guest.log.lines.length;
    target.add(1, disk({ writeBack: true }));
    await stand.pass(20);
    expect(stand.disk("sdb").device.name).to.equal("0:0:0:1");
    await stand.until(submit(stand.disk("sdb"), "write", { data: pattern(512) }));
    const removed = target.remove(1);
    await stand.pass(20);
    await stand.until(removed);
    stop = true;
    await stand.until(writer);
    expect(writes).to.be.greaterThan(30);
    expect(stand.guest.disk("sdb")).to.equal(undefined);
    const lines = stand.log(from).filter((line) => line.includes("0:0:0:1"));
    expect(lines[0]).to.equal("scsi 0:0:0:1: Direct-Access     LIO-ORG  disk0            4.0  PQ: 0 ANSI: 6");
    expect(lines).to.include("sd 0:0:0:1: [sdb] Attached SCSI disk");
    // The logical unit is gone already, as after a surprise removal.
    const at = lines.indexOf("sd 0:0:0:1: [sdb] Synchronizing SCSI cache");
    expect(lines.slice(at + 1)).to.deep.equal([
      "sd 0:0:0:1: [sdb] Synchronize Cache(10) failed: Result: hostbyte=DID_OK driverbyte=DRIVER_OK",
      "sd 0:0:0:1: [sdb] Sense Key : Illegal Request [current] ",
      "sd 0:0:0:1: [sdb] Add. Sense: Logical unit not supported",
    ]);
  });

  it("answers whether it is there", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    stand.guest.attach(adapter);
    const at = (target: number) => ({ channel: 0, target, lun: 0 });
    expect(await stand.until(adapter.tell({ kind: "device-added", address: at(0) }))).to.equal(true);
    expect(await stand.until(adapter.tell({ kind: "device-added", address: at(0) }))).to.equal(true);
    expect(await stand.until(adapter.tell({ kind: "device-added", address: at(1) }))).to.equal(false);
    expect(stand.guest.devices).to.have.length(1);
    expect(await stand.until(adapter.tell({ kind: "device-removed", address: at(1) }))).to.equal(true);
    expect(await stand.until(adapter.tell({ kind: "device-removed", address: at(0) }))).to.equal(true);
    expect(stand.guest.devices).to.have.length(0);
  });

  it("gets the lowest names that are free", async () => {
    const stand = new Stand();
    const target = new Target();
    for (const lun of [0, 1, 2]) target.add(lun, disk());
    await stand.attach(directAdapter(target));
    await stand.until(target.remove(1));
    await stand.pass(10);
    target.add(5, disk());
    await stand.pass(10);
    const names = stand.guest.devices.map((device) => [device.lun, stand.guest.diskOf(device)?.name, device.generic]);
    expect(names).to.deep.equal([
      [0, "sda", 0],
      [2, "sdc", 2],
      [5, "sdb", 1],
    ]);
  });
});

describe("a device that goes", () => {
  it("ends what it was given, and takes no more", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    await stand.attach(adapter);
    const sda = stand.disk();
    adapter.script = ({ cdb }) => (cdb[0] === 0x28 ? "never" : null);
    const pending = Array.from({ length: 9 }, () => submit(sda, "read", { data: new Uint8Array(512) }));
    const removed = adapter.tell({ kind: "device-removed", address: { channel: 0, target: 0, lun: 0 } });
    await stand.pass(1);
    expect((await stand.until(submit(sda, "read", { data: new Uint8Array(512) }))).failure?.words).to.equal("I/O");
    adapter.script = () => ({ hostByte: HostByte.noConnect });
    for (const command of [...adapter.held]) adapter.end(command, { hostByte: HostByte.noConnect });
    await stand.until(removed);
    for (const request of await Promise.all(pending)) expect(request.failure?.words).to.equal("I/O");
    expect(stand.log().slice(-2)).to.deep.equal([
      "sd 0:0:0:0: [sda] Synchronizing SCSI cache",
      "sd 0:0:0:0: [sda] Synchronize Cache(10) failed: Result: hostbyte=DID_NO_CONNECT driverbyte=DRIVER_OK",
    ]);
  });

  it("gives its host's number back with the host", async () => {
    const stand = new Stand();
    const first = await stand.attach(new ScriptedAdapter());
    await stand.attach(new ScriptedAdapter());
    await stand.until(stand.guest.detach(first));
    await stand.attach(new ScriptedAdapter());
    expect(stand.guest.devices.map(({ name }) => name)).to.deep.equal(["0:0:0:0", "1:0:0:0"]);
    expect(stand.guest.devices.map((device) => stand.guest.diskOf(device)?.name)).to.deep.equal(["sda", "sdb"]);
  });

  it("goes with an adapter that closes by itself", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    await stand.attach(adapter);
    expect(await stand.until(adapter.tell({ kind: "closed", reason: "the back end went away" }))).to.equal(true);
    expect(stand.guest.hosts).to.deep.equal([]);
    expect(stand.guest.device("sg0")).to.equal(undefined);
  });

  it("may be one of many that come and go in any order", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const stand = new Stand(seed);
      const target = new Target();
      await stand.attach(directAdapter(target));
      const removals: Promise<void>[] = [];
      for (let i = 0; i < 30; i++) {
        const lun = (i * seed) % 7;
        if (target.get(lun) === undefined) target.add(lun, disk({ writeBack: lun % 2 === 0 }));
        else removals.push(target.remove(lun));
        if (i % 3 === 0) await stand.pass(1);
      }
      await stand.until(Promise.all(removals));
      await stand.pass(100);
      expect(stand.guest.devices.map(({ lun }) => lun)).to.deep.equal([...target.luns]);
      const names = stand.guest.devices.map(({ generic }) => generic);
      expect(new Set(names).size).to.equal(names.length);
      for (const name of names) expect(name).to.be.lessThan(7);
    }
  });
});
