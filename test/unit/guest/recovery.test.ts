// Commands that do not come back: abort, device reset, offline; and that memory an adapter still holds is left alone.

import { BlockRequest, type Disk } from "@pvscsi/guest";
import { type Command, HostByte, SENSE } from "@pvscsi/scsi";
import { expect } from "chai";
import { type Answer, ScriptedAdapter } from "./scripted-adapter.js";
import { pattern, placesOf, Stand, submit } from "./stand.js";

const SD = "sd 0:0:0:0: [sda]";
const READ = 0x28;

async function scripted() {
  const stand = new Stand();
  const adapter = new ScriptedAdapter();
  await stand.attach(adapter);
  adapter.memory.set(pattern(8192));
  adapter.seen.length = 0;
  return { stand, adapter, disk: stand.disk() };
}

const read = (disk: Disk, data = new Uint8Array(4096), offset = 0): Promise<BlockRequest> =>
  submit(disk, "read", { offset, data });

/** The first `count` READs are kept for ever. */
function keepReads(adapter: ScriptedAdapter, count: number): Command[] {
  const kept: Command[] = [];
  adapter.script = (command) => {
    if (command.cdb[0] !== READ || kept.length >= count) return null;
    kept.push(command);
    return "never";
  };
  return kept;
}

describe("a command that does not come back", () => {
  it("is aborted after 30 seconds and tried again", async () => {
    const { stand, adapter, disk } = await scripted();
    keepReads(adapter, 1);
    const data = new Uint8Array(4096);
    const begun = stand.time.now();
    const lines = await stand.logged(() => read(disk, data));
    expect(adapter.managed).to.deep.equal(["abort"]);
    expect(stand.time.now() - begun).to.be.within(30_010, 30_011);
    expect(data).to.deep.equal(pattern(4096));
    expect(lines).to.deep.equal([]);
  });

  it("has the time that was set", async () => {
    const { stand, adapter, disk } = await scripted();
    disk.timeout = 1000;
    keepReads(adapter, 1);
    const begun = stand.time.now();
    await stand.until(read(disk));
    expect(stand.time.now() - begun).to.be.within(1010, 1011);
  });

  it("has twice the time when it is a flush, and four times when it is WRITE SAME", async () => {
    const { stand, adapter, disk } = await scripted();
    disk.timeout = 1000;
    disk.parameters = { ...disk.parameters, zeroing: "write-same", maximumWriteSame: 0xffff };
    for (const [operation, opcode, time] of [
      ["flush", 0x35, 2010],
      ["write-zeroes", 0x41, 4010],
    ] as const) {
      let kept = false;
      adapter.script = ({ cdb }) => {
        if (cdb[0] !== opcode) return null;
        const answer = kept ? {} : "never";
        kept = true;
        return answer;
      };
      const begun = stand.time.now();
      expect((await stand.until(submit(disk, operation, { length: 512 }))).failure).to.equal(null);
      expect(stand.time.now() - begun, operation).to.be.within(time, time + 1);
    }
  });

  it("may still come back by itself, and then that holds", async () => {
    const { stand, adapter, disk } = await scripted();
    const kept = keepReads(adapter, 1);
    adapter.manageWith = () => {
      adapter.end(kept[0], { data: pattern(4096, 9) });
      return false;
    };
    const data = new Uint8Array(4096);
    await stand.until(read(disk, data));
    expect(data).to.deep.equal(pattern(4096, 9));
    expect(adapter.managed).to.deep.equal(["abort"]);
    expect(adapter.seen).to.have.length(1);
  });

  it("ends with DID_ABORT in the abort, and is tried again", async () => {
    const { stand, adapter, disk } = await scripted();
    const kept = keepReads(adapter, 1);
    adapter.manageWith = () => {
      adapter.end(kept[0], { hostByte: HostByte.abort });
      return true;
    };
    expect((await stand.until(read(disk))).failure).to.equal(null);
    expect(adapter.seen).to.have.length(2);
  });

  it("fails with DID_TIME_OUT when it was aborted six times", async () => {
    const { stand, adapter, disk } = await scripted();
    keepReads(adapter, 99);
    const lines = await stand.logged(() => read(disk));
    expect(adapter.managed).to.deep.equal(new Array(6).fill("abort"));
    expect(lines).to.deep.equal([
      `${SD} tag#0 FAILED Result: hostbyte=DID_TIME_OUT driverbyte=DRIVER_OK cmd_age=180s`,
      `${SD} tag#0 CDB: Read(10) 28 00 00 00 00 00 00 00 08 00`,
      "I/O error, dev sda, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
    ]);
  });

  it("leads to a device reset where the abort fails, and goes on", async () => {
    const { stand, adapter, disk } = await scripted();
    keepReads(adapter, 1);
    adapter.manageWith = (management) => management.function === "device-reset";
    let attention = true;
    const keep = adapter.script;
    adapter.script = (command) => {
      if (command.cdb[0] !== 0 || !attention) return keep(command);
      attention = false;
      return { sense: SENSE.resetOccurred };
    };
    expect((await stand.until(read(disk))).failure).to.equal(null);
    expect(adapter.managed).to.deep.equal(["abort", "device-reset"]);
    expect(adapter.seen.map((cdb) => cdb.slice(0, 2))).to.deep.equal(["28", "00", "00", "28"]);
    expect(stand.guest.devices[0].state).to.equal("running");
  });

  it("takes the device offline where nothing helps", async () => {
    const { stand, adapter, disk } = await scripted();
    keepReads(adapter, 99);
    adapter.manageWith = () => null;
    const begun = stand.time.now();
    const lines = await stand.logged(() => Promise.all([read(disk), read(disk, new Uint8Array(512), 4096)]));
    // 30 s, and 10 s each for an answer to the abort and to the reset.
    expect(stand.time.now() - begun).to.be.within(50_010, 50_012);
    expect(lines).to.deep.equal([
      "sd 0:0:0:0: Device offlined - not ready after error recovery",
      "sd 0:0:0:0: Device offlined - not ready after error recovery",
      `${SD} tag#0 FAILED Result: hostbyte=DID_TIME_OUT driverbyte=DRIVER_OK cmd_age=50s`,
      `${SD} tag#0 CDB: Read(10) 28 00 00 00 00 00 00 00 08 00`,
      "I/O error, dev sda, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
      `${SD} tag#1 FAILED Result: hostbyte=DID_TIME_OUT driverbyte=DRIVER_OK cmd_age=50s`,
      `${SD} tag#1 CDB: Read(10) 28 00 00 00 00 08 00 00 01 00`,
      "I/O error, dev sda, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
    ]);
    expect(stand.guest.devices[0].state).to.equal("offline");
  });

  it("leaves an offline device that takes nothing, and says so once", async () => {
    const { stand, adapter, disk } = await scripted();
    keepReads(adapter, 99);
    adapter.manageWith = () => false;
    await stand.until(read(disk));
    adapter.seen.length = 0;
    const lines = await stand.logged(async () => {
      expect((await read(disk)).failure?.words).to.equal("device offline");
      expect((await submit(disk, "write", { data: new Uint8Array(512) })).failure?.words).to.equal("device offline");
    });
    expect(lines).to.deep.equal([
      "sd 0:0:0:0: rejecting I/O to offline device",
      "device offline error, dev sda, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
      "device offline error, dev sda, sector 0 op 0x1:(WRITE) flags 0x8800 phys_seg 1 prio class 2",
    ]);
    expect(adapter.seen).to.deep.equal([]);
  });

  it("does not hinder other devices of the host for longer than it takes", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    const list = [0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    adapter.script = ({ cdb }) => (cdb[0] === 0xa0 ? { data: Uint8Array.from(list) } : null);
    await stand.attach(adapter);
    adapter.script = ({ lun, cdb }): Answer | null => (lun === 0 && cdb[0] === READ ? "never" : null);
    adapter.manageWith = () => false;
    const bad = read(stand.disk("sda"));
    const good = await stand.until(read(stand.disk("sdb")));
    expect(good.failure).to.equal(null);
    await stand.pass(30_005);
    const during = read(stand.disk("sdb"));
    expect((await stand.until(bad)).failure?.words).to.equal("I/O");
    expect((await stand.until(during)).failure).to.equal(null);
    expect(stand.guest.devices.map(({ state }) => state)).to.deep.equal(["offline", "running"]);
  });
});

describe("memory that an adapter holds", () => {
  it("stays with its command: the next try has pages of its own, and the late one changes nothing", async () => {
    const { stand, adapter, disk } = await scripted();
    const kept = keepReads(adapter, 1);
    const data = new Uint8Array(4096);
    await stand.until(read(disk, data));
    expect(data).to.deep.equal(pattern(4096));
    const freed = adapter.freed;
    adapter.end(kept[0], { data: pattern(4096, 77) });
    expect(adapter.freed - freed).to.equal(1);
    const next = new Uint8Array(4096);
    await stand.until(read(disk, next, 4096));
    expect(data).to.deep.equal(pattern(4096));
    expect(next).to.deep.equal(pattern(8192).subarray(4096));
  });

  it("ends a request on the submitter's pages only when the adapter let go of them", async () => {
    const { stand, adapter, disk } = await scripted();
    const kept = keepReads(adapter, 1);
    adapter.manageWith = () => false;
    const request = new BlockRequest();
    Object.assign(request, { adapterPages: true, length: 4096, places: placesOf(...disk.allocate(1)) });
    let ends = 0;
    request.completed = () => {
      ends += 1;
    };
    disk.submit(request);
    await stand.pass(100_000);
    expect(stand.guest.devices[0].state).to.equal("offline");
    expect(ends).to.equal(0);
    adapter.end(kept[0], {});
    expect(ends).to.equal(1);
    expect(request.failure?.words).to.equal("I/O");
  });
});
