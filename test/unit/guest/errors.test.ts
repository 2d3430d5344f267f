// Commands that fail: which are tried again, how often, and the lines about those that fail for good.

import type { BlockRequest, Disk } from "@pvscsi/guest";
import { type Fault, faulty, HostByte, MemoryStore, parseFault, SENSE, Status } from "@pvscsi/scsi";
import { expect } from "chai";
import { type Answer, ScriptedAdapter } from "./scripted-adapter.js";
import { diskStand, MIB, pattern, Stand, submit } from "./stand.js";

const SD = "sd 0:0:0:0: [sda]";

async function scripted() {
  const stand = new Stand();
  const adapter = new ScriptedAdapter();
  await stand.attach(adapter);
  adapter.seen.length = 0;
  return { stand, adapter, disk: stand.disk() };
}

const read = (disk: Disk, offset = 0, length = 4096): Promise<BlockRequest> =>
  submit(disk, "read", { offset, data: new Uint8Array(length) });

describe("a medium error at one block", () => {
  it("has Linux's lines, and the sector that is bad", async () => {
    const time = new Stand().time;
    const fault = parseFault("read@1003:medium-error", 512) as Fault;
    const { stand, disk } = await diskStand(faulty(new MemoryStore(MIB), [fault], time), { rotation: 1 });
    disk.parameters = { ...disk.parameters, physicalBlockSize: 512 };
    const lines = await stand.logged(() => read(disk, 1000 * 512));
    expect(lines.map((line) => line.replace(/tag#\d+/, "tag#N"))).to.deep.equal([
      `${SD} tag#N FAILED Result: hostbyte=DID_OK driverbyte=DRIVER_OK cmd_age=0s`,
      `${SD} tag#N Sense Key : Medium Error [current] `,
      `${SD} tag#N Add. Sense: Unrecovered read error`,
      `${SD} tag#N CDB: Read(10) 28 00 00 00 03 e8 00 00 08 00`,
      "critical medium error, dev sda, sector 1003 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
    ]);
  });

  it("is not widened to the physical block, and leaves other blocks readable", async () => {
    const time = new Stand().time;
    const store = new MemoryStore(MIB);
    const fault = parseFault("read@1003:medium-error", 512) as Fault;
    const { stand, disk } = await diskStand(faulty(store, [fault], time));
    const failed = await stand.until(read(disk, 992 * 512, 8192));
    expect(failed.failure?.words).to.equal("critical medium");
    expect(failed.failedAt).to.equal(1003 * 512);
    expect((await stand.until(read(disk, 1008 * 512))).failure).to.equal(null);
    const around = await stand.until(read(disk, 1003 * 512, 512));
    expect(around.failedAt).to.equal(1003 * 512);
  });
});

describe("what becomes of a command", () => {
  const once = (answer: Answer): Answer[] => [answer];
  const many = (answer: Answer, count = 99): Answer[] => new Array(count).fill(answer);
  const failing = (key: number, asc: number, ascq = 0): Answer => ({ sense: { key, asc, ascq } });

  /** Answers, then the tries they take, the end, and milliseconds until then at least. */
  const rows: [name: string, answers: Answer[], tries: number, words: string | null, after: number][] = [
    ["good", [], 1, null, 0],
    ["recovered", once(failing(1, 0x17)), 1, null, 0],
    ["a unit attention", many({ sense: SENSE.resetOccurred }, 3), 4, null, 0],
    ["many unit attentions, with pauses", many({ sense: SENSE.resetOccurred }, 8), 9, null, 9],
    ["unit attentions without end", many({ sense: SENSE.resetOccurred }, 1e6), 2000, "I/O", 6000],
    ["aborted command, five times", many({ sense: SENSE.abortedCommand }, 5), 6, null, 0],
    ["aborted command, six times", many({ sense: SENSE.abortedCommand }), 6, "I/O", 0],
    ["busy", many({ status: Status.busy }, 20), 21, null, 60],
    ["task set full", many({ status: Status.taskSetFull }, 20), 21, null, 60],
    ["busy without end", many({ status: Status.busy }, 1e6), 2000, "I/O", 6000],
    ["task aborted", many({ status: Status.taskAborted }), 6, "I/O", 0],
    ["reservation conflict", many({ status: Status.reservationConflict }), 1, "critical nexus", 0],
    ["becoming ready", many(failing(2, 4, 1), 10), 11, null, 30],
    ["not ready, manual intervention", many(failing(2, 4, 3)), 1, "I/O", 0],
    ["no medium", many(failing(2, 0x3a)), 1, "I/O", 0],
    ["medium error while writing", many(failing(3, 0x0c)), 6, "I/O", 0],
    ["hardware error", many({ sense: SENSE.internalTargetFailure }), 1, "critical target", 0],
    ["unknown opcode", many({ sense: SENSE.invalidOpcode }), 1, "critical target", 0],
    ["address out of range", many({ sense: SENSE.lbaOutOfRange }), 1, "critical target", 0],
    ["missing logical unit", many({ sense: SENSE.logicalUnitNotSupported }), 1, "I/O", 0],
    ["write protected", many({ sense: SENSE.writeProtected }), 1, "critical target", 0],
    ["a full thin store", many({ sense: SENSE.spaceAllocationFailed }), 1, "critical space allocation", 0],
    ["protection information", many(failing(0xb, 0x10, 1)), 1, "protection", 0],
    ["an unknown sense key", many(failing(0x9, 0x80)), 1, "I/O", 0],
    ["no sense data", many({ status: Status.checkCondition }), 6, "I/O", 0],
    ["deferred sense", many({ senseData: Uint8Array.of(0x71, 0, 3, 0, 0, 0, 0, 0) }), 6, "I/O", 0],
    ["no connection", many({ hostByte: HostByte.noConnect }), 1, "I/O", 0],
    ["bad target", many({ hostByte: HostByte.badTarget }), 1, "I/O", 0],
    ["bus busy", many({ hostByte: HostByte.busBusy }), 6, "I/O", 0],
    ["an error of the adapter", many({ hostByte: HostByte.error }), 6, "I/O", 0],
    [
      "unit attentions, then errors: only these are counted",
      [...many({ sense: SENSE.resetOccurred }, 5), ...many({ hostByte: HostByte.error }, 5)],
      11,
      null,
      0,
    ],
    ["a bus reset", many({ hostByte: HostByte.reset }, 3), 4, null, 0],
    ["requeue", many({ hostByte: HostByte.requeue }, 10), 11, null, 30],
    ["immediate retry", many({ hostByte: HostByte.immediateRetry }, 3), 4, null, 0],
    ["a disrupted transport", many({ hostByte: HostByte.transportDisrupted }, 5), 6, null, 0],
    ["a failed transport", many({ hostByte: HostByte.transportFailFast }), 1, "recoverable transport", 0],
    ["an unknown host byte", many({ hostByte: 99 }), 6, "I/O", 0],
    ["fewer bytes than asked for", many({ residual: 512 }), 1, "I/O", 0],
  ];

  for (const [name, answers, tries, words, after] of rows) {
    it(`${name}: ${tries} ${tries === 1 ? "try" : "tries"}, ${words ?? "good"}`, async () => {
      const { stand, adapter, disk } = await scripted();
      adapter.memory.set(pattern(4096));
      disk.timeout = 1000;
      let sent = 0;
      adapter.script = () => answers[sent++] ?? null;
      const begun = stand.time.now();
      const ended = await stand.until(read(disk));
      expect(ended.failure?.words ?? null).to.equal(words);
      if (words === null) {
        const data = new Uint8Array(4096);
        ended.places.read(data);
        expect(data).to.deep.equal(answers.length === 1 ? new Uint8Array(4096).fill(0) : pattern(4096));
      }
      if (tries < 1000) expect(sent).to.equal(tries);
      else expect(sent).to.be.within(tries, tries + 10);
      expect(stand.time.now() - begun).to.be.within(after, after === 0 ? 0 : after + 20);
    });
  }

  it("says so when a command was tried for too long", async () => {
    const { stand, adapter, disk } = await scripted();
    adapter.script = () => ({ status: Status.busy });
    disk.timeout = 500;
    const lines = await stand.logged(() => read(disk));
    expect(lines[0]).to.equal(`${SD} tag#0 timing out command, waited 3s`);
    expect(lines[1]).to.equal(`${SD} tag#0 FAILED Result: hostbyte=DID_OK driverbyte=DRIVER_OK cmd_age=3s`);
    expect(lines.at(-1)).to.match(/^I\/O error, dev sda, sector 0 op 0x0:\(READ\)/);
  });
});

describe("lines about failures", () => {
  it("name a host byte, and the operation", async () => {
    const { stand, adapter, disk } = await scripted();
    adapter.script = () => ({ hostByte: HostByte.noConnect });
    const lines = await stand.logged(() => submit(disk, "write", { offset: 8192, data: new Uint8Array(8192) }));
    expect(lines).to.deep.equal([
      `${SD} tag#0 FAILED Result: hostbyte=DID_NO_CONNECT driverbyte=DRIVER_OK cmd_age=0s`,
      `${SD} tag#0 CDB: Write(10) 2a 00 00 00 00 10 00 00 10 00`,
      "I/O error, dev sda, sector 16 op 0x1:(WRITE) flags 0x8800 phys_seg 2 prio class 2",
    ]);
  });

  it("tell of a reservation conflict", async () => {
    const { stand, adapter, disk } = await scripted();
    adapter.script = () => ({ status: Status.reservationConflict });
    const lines = await stand.logged(() => read(disk, 0, 512));
    expect(lines).to.deep.equal([
      "sd 0:0:0:0: reservation conflict",
      `${SD} tag#0 FAILED Result: hostbyte=DID_OK driverbyte=DRIVER_OK cmd_age=0s`,
      `${SD} tag#0 CDB: Read(10) 28 00 00 00 00 00 00 00 01 00`,
      "critical nexus error, dev sda, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
    ]);
  });

  it("tell of a failed flush as of an empty write", async () => {
    const { stand, adapter, disk } = await scripted();
    adapter.script = () => ({ sense: SENSE.writeError });
    const lines = await stand.logged(() => submit(disk, "flush"));
    expect(lines.slice(-2)).to.deep.equal([
      `${SD} tag#0 CDB: Synchronize Cache(10) 35 00 00 00 00 00 00 00 00 00`,
      "I/O error, dev sda, sector 0 op 0x1:(WRITE) flags 0x800 phys_seg 0 prio class 2",
    ]);
  });

  it("are ten in five seconds, and then a count", async () => {
    const { stand, adapter, disk } = await scripted();
    adapter.script = () => ({ hostByte: HostByte.noConnect });
    const burst = await stand.logged(async () => {
      for (let i = 0; i < 25; i++) await read(disk);
    });
    expect(burst).to.have.length(30);
    await stand.pass(5000);
    const later = await stand.logged(() => read(disk));
    expect(later[0]).to.equal("scsi_io_completion_action: 15 callbacks suppressed");
    expect(later[3]).to.equal("blk_print_req_error: 15 callbacks suppressed");
    expect(later).to.have.length(5);
  });

  it("say what a unit attention is about", async () => {
    const { stand, adapter, disk } = await scripted();
    const said = async (asc: number, ascq: number): Promise<string[]> => {
      let left = 1;
      adapter.script = () => (left-- > 0 ? { sense: { key: 6, asc, ascq } } : null);
      return (await stand.logged(() => read(disk))).map((line) => line.replace("sd 0:0:0:0: ", ""));
    };
    expect(await said(0x29, 0x04)).to.deep.equal(["Power-on or device reset occurred"]);
    expect(await said(0x2a, 0x01)).to.deep.equal(["Mode parameters changed"]);
    expect(await said(0x3f, 0x03)).to.deep.equal(["Inquiry data has changed"]);
    expect(await said(0x3f, 0x0e)).to.deep.equal([
      "LUN assignments on this target have changed. The Linux SCSI layer does not automatically remap LUN assignments.",
    ]);
    expect(await said(0x2f, 0x00)).to.deep.equal([]);
    let left = 1;
    const deferred = Uint8Array.of(0x71, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0);
    adapter.script = () => (left-- > 0 ? { senseData: deferred } : null);
    expect(await stand.logged(() => read(disk))).to.deep.equal([]);
  });
});

describe("a changed capacity", () => {
  it("is looked at again, logged, and told to the store's user", async () => {
    const store = new MemoryStore(32 * MIB);
    const { stand, disk } = await diskStand(store);
    const view = stand.guest.store(disk);
    let told = 0;
    view.resized = () => {
      told += 1;
    };
    const from = stand.guest.log.lines.length;
    store.resize(64 * MIB);
    await stand.until(read(disk));
    await stand.pass(1);
    expect(stand.log(from)).to.deep.equal([
      "sd 0:0:0:0: Capacity data has changed",
      `${SD} 131072 512-byte logical blocks: (67.1 MB/64.0 MiB)`,
      `${SD} 4096-byte physical blocks`,
      "sda: detected capacity change from 65536 to 131072",
    ]);
    expect([told, view.size]).to.deep.equal([1, 64 * MIB]);
    const last = await stand.until(submit(disk, "write", { offset: 64 * MIB - 512, data: new Uint8Array(512) }));
    expect(last.failure).to.equal(null);
  });

  it("is looked at once more, however often it is told meanwhile", async () => {
    const { stand, adapter, disk } = await scripted();
    let left = 200;
    adapter.script = () => (left-- > 0 ? { sense: SENSE.capacityChanged } : null);
    const lines = await stand.logged(() => read(disk));
    await stand.pass(100);
    expect(lines.length).to.be.greaterThan(5);
    // Each look asks for the capacity once; the last one is for all that was told during the one before.
    const looks = adapter.seen.filter((cdb) => cdb.startsWith("00")).length;
    expect(left).to.be.lessThan(0);
    expect(looks).to.be.lessThan(30);
  });
});
