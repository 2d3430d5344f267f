// Devices that appear: what is asked of them, what they are called, and what the log says, word for word.

import { createDisk, directAdapter, HostByte, MemoryStore, SENSE, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { capacityData, inquiryData, invalid, ScriptedAdapter } from "./scripted-adapter.js";
import { diskOptions, MIB, oneDisk, Stand, submit } from "./stand.js";

const GIB = 1024 * MIB;

describe("attaching a disk", () => {
  it("is logged as a virtio guest with an LIO disk logs it", async () => {
    const stand = new Stand();
    const target = oneDisk(new MemoryStore(14 * GIB, { writeBack: true }));
    await stand.attach(directAdapter([{ channel: 0, target: 1, device: target }], { name: "Virtio SCSI HBA" }));
    // Our disk says that it was just switched on, what its physical blocks are and what it prefers; LIO did not.
    const own = /Power-on or device reset|physical blocks|Preferred minimum|Optimal transfer/;
    const lines = stand.log().filter((line) => !own.test(line));
    expect(lines).to.deep.equal([
      "scsi host0: Virtio SCSI HBA",
      "scsi 0:0:1:0: Direct-Access     LIO-ORG  disk0            4.0  PQ: 0 ANSI: 6",
      "sd 0:0:1:0: Attached scsi generic sg0 type 0",
      "sd 0:0:1:0: [sda] 29360128 512-byte logical blocks: (15.0 GB/14.0 GiB)",
      "sd 0:0:1:0: [sda] Write Protect is off",
      "sd 0:0:1:0: [sda] Mode Sense: 43 00 10 08",
      "sd 0:0:1:0: [sda] Write cache: enabled, read cache: enabled, supports DPO and FUA",
      "sd 0:0:1:0: [sda] Attached SCSI disk",
    ]);
  });

  it("is logged as a Xen guest with a back end without pages logged it", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    adapter.capacity16 = capacityData(65536, 512);
    adapter.modes = Uint8Array.of(3, 0, 0, 0);
    let attention = true;
    adapter.script = ({ cdb }) => {
      if (cdb[0] !== 0 || !attention) return null;
      attention = false;
      return { sense: SENSE.powerOn };
    };
    await stand.attach(adapter);
    expect(stand.log()).to.deep.equal([
      "scsi host0: Scripted adapter",
      "scsi 0:0:0:0: Direct-Access     XENSIM   NODE-BACKEND     0001 PQ: 0 ANSI: 6",
      "sd 0:0:0:0: Attached scsi generic sg0 type 0",
      "sd 0:0:0:0: Power-on or device reset occurred",
      "sd 0:0:0:0: [sda] 65536 512-byte logical blocks: (33.6 MB/32.0 MiB)",
      "sd 0:0:0:0: [sda] Write Protect is off",
      "sd 0:0:0:0: [sda] Mode Sense: 03 00 00 00",
      "sd 0:0:0:0: [sda] No Caching mode page found",
      "sd 0:0:0:0: [sda] Assuming drive cache: write through",
      "sd 0:0:0:0: [sda] Attached SCSI disk",
    ]);
  });

  for (const [granularity, maximum, optimal, said, longest] of [
    [8, 0, 1024, ["Preferred minimum I/O size 4096 bytes", "Optimal transfer size 524288 bytes"], 1024],
    [8, 0, 256, ["Preferred minimum I/O size 4096 bytes", "Optimal transfer size 131072 bytes"], 256],
    [0, 0, 0, [], 1024],
    [1, 0, 0, ["Preferred minimum I/O size 512 bytes not a multiple of physical block size (4096 bytes)"], 1024],
    [0, 512, 1024, ["Optimal transfer size 1024 logical blocks > dev_max (512 logical blocks)"], 512],
    [0, 0, 70_000, ["Optimal transfer size 70000 logical blocks > sd driver limit (65535 logical blocks)"], 1024],
    [0, 0, 4, ["Optimal transfer size 2048 bytes < PAGE_SIZE (4096 bytes)"], 1024],
    [0, 0, 100, ["Optimal transfer size 51200 bytes not a multiple of physical block size (4096 bytes)"], 1024],
    [
      16,
      0,
      24,
      [
        "Preferred minimum I/O size 8192 bytes",
        "Optimal transfer size 12288 bytes not a multiple of preferred minimum block size (8192 bytes)",
      ],
      1024,
    ],
  ] as [number, number, number, string[], number][]) {
    it(`believes page B0h with ${granularity}, ${maximum}, ${optimal} as far as Linux does`, async () => {
      const stand = new Stand();
      const adapter = new ScriptedAdapter();
      const page = new DataView(new ArrayBuffer(64));
      page.setUint32(0, 0x00b0003c);
      page.setUint16(6, granularity);
      page.setUint32(8, maximum);
      page.setUint32(12, optimal);
      adapter.capacity16 = capacityData(2048, 512, 3);
      adapter.pages.set(0x00, Uint8Array.of(0, 0, 0, 2, 0x00, 0xb0));
      adapter.pages.set(0xb0, new Uint8Array(page.buffer));
      await stand.attach(adapter);
      const lines = stand.log().filter((line) => /Preferred minimum|Optimal transfer/.test(line));
      expect(lines).to.deep.equal(said.map((line) => `sd 0:0:0:0: [sda] ${line}`));
      adapter.seen.length = 0;
      await stand.until(submit(stand.disk(), "read", { data: new Uint8Array(MIB) }));
      expect(adapter.seen[0]).to.equal(
        `28 00 00 00 00 00 00 ${longest.toString(16).padStart(4, "0").replace(/../, "$& ")} 00`,
      );
    });
  }

  it("asks a device that hangs once: whoever passes a command through decides about another try", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    adapter.script = ({ cdb }) => (cdb[0] === 0x12 ? "never" : null);
    const begun = stand.time.now();
    await stand.attach(adapter);
    // One INQUIRY of 20 seconds for each of the two targets.
    expect(adapter.seen).to.have.length(2);
    expect(stand.time.now() - begun).to.be.within(40_000, 40_100);
  });

  it("asks in Linux's order", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    adapter.pages.set(0x00, Uint8Array.of(0, 0, 0, 2, 0x00, 0x83));
    adapter.pages.set(0x83, Uint8Array.of(0, 0x83, 0, 12, 1, 3, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8));
    await stand.attach(adapter);
    expect(adapter.seen.slice(0, 5)).to.deep.equal([
      "12 00 00 00 24 00",
      "12 01 00 00 04 00",
      "12 01 00 00 06 00",
      "12 01 83 00 04 00",
      "12 01 83 00 10 00",
    ]);
    expect(adapter.seen.filter((cdb) => !cdb.startsWith("12"))).to.deep.equal([
      "00 00 00 00 00 00",
      "9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00",
      "1a 00 3f 00 04 00",
      "1a 00 08 00 04 00",
      "1a 00 08 00 18 00",
      "a3 0c 01 12 00 00 00 00 00 0a 00 00",
      "a0 00 00 00 00 00 00 00 10 00 00 00",
    ]);
    expect(stand.guest.devices[0].pages.get(0x83)).to.have.length(16);
  });

  it("tells physical blocks, write protection and a large size", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    adapter.capacity16 = capacityData(3_907_029_168, 512, 3);
    adapter.modes = Uint8Array.of(3, 0, 0x80, 0);
    await stand.attach(adapter);
    const lines = stand.log();
    expect(lines).to.include("sd 0:0:0:0: [sda] 3907029168 512-byte logical blocks: (2.00 TB/1.82 TiB)");
    expect(lines).to.include("sd 0:0:0:0: [sda] 4096-byte physical blocks");
    expect(lines).to.include("sd 0:0:0:0: [sda] Write Protect is on");
    expect(stand.disk().parameters.readOnly).to.equal(true);
  });

  it("takes READ CAPACITY(10) where the long one is not known, and for an old disk first", async () => {
    for (const version of [6, 3]) {
      const stand = new Stand();
      const adapter = new ScriptedAdapter();
      adapter.inquiry = inquiryData(version);
      adapter.script = ({ cdb }) => {
        if (cdb[0] === 0x9e) return invalid(0x20);
        return cdb[0] === 0x25 ? { data: Uint8Array.of(0, 0, 0x7f, 0xff, 0, 0, 2, 0) } : null;
      };
      await stand.attach(adapter);
      expect(stand.disk().size).to.equal(32768 * 512);
      const asked = adapter.seen.filter((cdb) => /^(9e|25)/.test(cdb)).map((cdb) => cdb.slice(0, 2));
      expect(asked).to.deep.equal(version === 6 ? ["9e", "25"] : ["25"]);
    }
  });

  it("says so when there is no capacity, and when blocks are of an unusable size", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    adapter.script = ({ cdb }) => (cdb[0] === 0x9e || cdb[0] === 0x25 ? { sense: SENSE.internalTargetFailure } : null);
    await stand.attach(adapter);
    const head = "sd 0:0:0:0: [sda]";
    expect(stand.log().slice(3, 9)).to.deep.equal([
      `${head} Read Capacity(16) failed: Result: hostbyte=DID_OK driverbyte=DRIVER_OK`,
      `${head} Sense Key : Hardware Error [current] `,
      `${head} Add. Sense: Internal target failure`,
      `${head} Read Capacity(10) failed: Result: hostbyte=DID_OK driverbyte=DRIVER_OK`,
      `${head} Sense Key : Hardware Error [current] `,
      `${head} Add. Sense: Internal target failure`,
    ]);
    expect(stand.disk().size).to.equal(0);
    const odd = new ScriptedAdapter();
    odd.capacity16 = capacityData(1000, 520);
    await stand.attach(odd);
    expect(stand.log()).to.include("sd 1:0:0:0: [sdb] Unsupported sector size 520.");
  });

  it("gives a device that no driver takes a generic name only", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    adapter.inquiry = inquiryData(6, 0x03);
    await stand.attach(adapter);
    expect(stand.log().slice(1)).to.deep.equal([
      "scsi 0:0:0:0: Processor         XENSIM   NODE-BACKEND     0001 PQ: 0 ANSI: 6",
      "scsi 0:0:0:0: Attached scsi generic sg0 type 3",
    ]);
    expect(stand.guest.disk("sda")).to.equal(undefined);
  });
});

describe("scanning", () => {
  it("finds what REPORT LUNS lists, and nothing twice", async () => {
    const stand = new Stand();
    const target = new Target();
    for (const lun of [0, 3, 300]) target.add(lun, createDisk(diskOptions(new MemoryStore(MIB))));
    const host = await stand.attach(directAdapter(target));
    expect(stand.guest.devices.map(({ name }) => name)).to.deep.equal(["0:0:0:0", "0:0:0:3", "0:0:0:300"]);
    const before = stand.log().length;
    await stand.until(stand.guest.scan(host));
    expect(stand.log().slice(before)).to.deep.equal([]);
  });

  it("looks at the one address it is told", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    const host = stand.guest.attach(adapter);
    await stand.until(stand.guest.scan(host, { channel: 0, target: 1, lun: 5 }));
    expect(adapter.seen).to.deep.equal(["12 00 00 00 24 00"]);
    await stand.until(stand.guest.scan(host, { channel: 0, target: 9 }));
    await stand.until(stand.guest.scan(host, { channel: 7 }));
    expect(adapter.seen).to.have.length(1);
  });

  it("goes on one by one where REPORT LUNS is not known, and stops at the first gap", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    adapter.script = ({ cdb, lun }) => {
      if (cdb[0] === 0xa0) return invalid(0x20);
      return lun >= 3 && cdb[0] === 0x12 ? { data: Uint8Array.of(0x7f, 0, 6, 2, 31, ...new Array(31).fill(0)) } : null;
    };
    await stand.attach(adapter);
    expect(stand.guest.devices.map(({ lun }) => lun)).to.deep.equal([0, 1, 2]);
    expect(stand.guest.devices.map((device) => stand.guest.diskOf(device)?.name)).to.deep.equal(["sda", "sdb", "sdc"]);
  });

  it("warns of LUNs the adapter cannot address", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    const list = [0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 0x2c, 0, 0, 0, 0, 0, 0];
    adapter.script = ({ cdb }) => (cdb[0] === 0xa0 ? { data: Uint8Array.from(list) } : null);
    await stand.attach(adapter);
    expect(stand.log().at(-1)).to.equal("sd 0:0:0:0: lun300 has a LUN larger than allowed by the host adapter");
  });

  it("takes no answer for no device", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    adapter.script = () => ({ hostByte: HostByte.noConnect });
    await stand.attach(adapter);
    expect(stand.guest.devices).to.deep.equal([]);
    expect(stand.log()).to.deep.equal(["scsi host0: Scripted adapter"]);
  });
});
