// EXTENDED COPY(LID1) and what asks about it, SPC-4 6.4 and 6.24 to 6.27.

import { COMMANDS, createDisk, decodeSense, MemoryStore, Nexus, SENSE, Status, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { BLOCKS, hex, IDENTITY, Initiator, pattern, type Sent, toHex, withDisk } from "./initiator.js";
import { OUT, out, port } from "./reserving.js";

const OTHER = "5000c500deadbeef";

const number = (value: number, bytes: number): string => value.toString(16).padStart(2 * bytes, "0");

/** An identification descriptor with the NAA name, E4h. */
function target(wwn: string = IDENTITY.wwn, blockSize = 512, type = 0): string {
  const name = `01 03 00 ${number(wwn.length / 2, 1)} ${wwn.padEnd(40, "0")}`;
  return `e4 ${number(type, 1)} 00 00 ${name} 00 ${number(blockSize, 3)}`;
}

/** A segment descriptor from block to block, 02h. */
function segment(blocks: number, from: number, to: number, [source, destination] = [0, 0], flags = 0): string {
  const where = `${number(source, 2)} ${number(destination, 2)} 00 00`;
  return `02 ${number(flags, 1)} 00 18 ${where} ${number(blocks, 2)} ${number(from, 8)} ${number(to, 8)}`;
}

interface List {
  readonly id?: number;
  readonly usage?: number;
  readonly targets?: readonly string[];
  readonly segments: readonly string[];
}

function list({ id = 1, usage = 0, targets = [target()], segments }: List): Uint8Array {
  const [one, two] = [hex(targets.join(" ")), hex(segments.join(" "))];
  const header = `${number(id, 1)} ${number(usage << 3, 1)} ${number(one.length, 2)} 00000000 ${number(two.length, 4)} 00000000`;
  return Uint8Array.from([...hex(header), ...one, ...two]);
}

function copy(initiator: Initiator, what: List | Uint8Array): Sent {
  const out = what instanceof Uint8Array ? what : list(what);
  return initiator.send(`83 00 00 00 00 00 00 00 00 00 ${number(out.length, 4)} 00 00`, { out });
}

function ask(initiator: Initiator, action: number, id = 1, room = 512): Sent {
  return initiator.send(`84 ${number(action, 1)} ${number(id, 1)} ${"00 ".repeat(7)} ${number(room, 4)} 00 00`, {
    room,
  });
}

/** Two disks of one target, the second of another block size if that is said. */
function twoDisks(blockSize: 512 | 4096 = 512) {
  const one = withDisk();
  const store = new MemoryStore(BLOCKS * blockSize);
  one.target.add(1, createDisk({ ...IDENTITY, wwn: OTHER, blockSize, store }));
  one.initiator.settle().settle(1);
  return one;
}

const write = (lba: number, blocks: number) => `2a 00 ${number(lba, 4)} 00 ${number(blocks, 2)} 00`;
const read = (lba: number, blocks: number) => `28 00 ${number(lba, 4)} 00 ${number(blocks, 2)} 00`;

describe("EXTENDED COPY", () => {
  it("copies blocks within a unit, segment by segment", () => {
    const { initiator } = withDisk();
    const data = pattern(8 * 512, 3);
    initiator.send(write(0, 8), { out: data }).good();
    copy(initiator, { segments: [segment(8, 0, 40), segment(4, 44, 8), segment(0, 0, 0)] }).good();
    expect(initiator.send(read(40, 8), { room: 8 * 512 }).bytes).to.deep.equal(data);
    expect(initiator.send(read(8, 4), { room: 4 * 512 }).bytes).to.deep.equal(data.subarray(4 * 512));
  });

  it("copies to another unit of another block size, counted in blocks of either", () => {
    const { initiator } = twoDisks(4096);
    const data = pattern(16 * 512, 5);
    initiator.send(write(0, 16), { out: data }).good();
    const targets = [target(), target(OTHER, 4096)];
    copy(initiator, { targets, segments: [segment(8, 0, 3, [0, 1]), segment(1, 8, 4, [0, 1], 0x02)] }).good();
    expect(initiator.send(read(3, 2), { lun: 1, room: 2 * 4096 }).bytes).to.deep.equal(data);
    copy(initiator, { targets, segments: [segment(7, 0, 3, [0, 1])] }).checked(SENSE.unexpectedInexactSegment);
  });

  it("moves more than its buffer holds", () => {
    const store = new MemoryStore(4096 * 512);
    const { initiator } = withDisk({ store });
    const data = pattern(1300 * 512, 7);
    initiator.send(write(0, 1300), { out: data }).good();
    copy(initiator, { segments: [segment(1300, 0, 2000)] }).good();
    expect(initiator.send(read(2000, 1300), { room: data.length }).bytes).to.deep.equal(data);
  });

  it("takes a list without an identifier, and none at all", () => {
    const { initiator } = withDisk();
    copy(initiator, { id: 0, usage: 3, segments: [segment(1, 0, 1)] }).good();
    ask(initiator, 0, 0).checked(SENSE.invalidFieldInCdb, "c0 00 02");
    copy(initiator, { id: 1, usage: 3, segments: [] }).checked(SENSE.invalidFieldInParameterList, "80 00 00");
    copy(initiator, { usage: 1, segments: [] }).checked(SENSE.invalidFieldInParameterList, "8c 00 01");
    copy(initiator, { usage: 2, segments: [] }).good();
    initiator.send("83 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00").good();
  });

  it("refuses lists that are cut", () => {
    const { initiator } = withDisk();
    const whole = list({ segments: [segment(1, 0, 1)] });
    for (const length of [1, 15, 16, 47, 75]) {
      copy(initiator, whole.subarray(0, length)).checked(SENSE.parameterListLengthError);
    }
    copy(initiator, whole).good();
    const more = `83 00 00 00 00 00 00 00 00 00 ${number(whole.length + 1, 4)} 00 00`;
    initiator.send(more, { out: whole }).checked(SENSE.parameterListLengthError);
    copy(initiator, new Uint8Array(9000)).checked(SENSE.parameterListLengthError);
  });

  it("refuses more descriptors than it says, and kinds that it does not name", () => {
    const { initiator } = withDisk();
    const many = (count: number, one: string) => new Array<string>(count).fill(one);
    const one = segment(1, 0, 1);
    copy(initiator, { targets: many(64, target()), segments: many(64, one) }).good();
    copy(initiator, { targets: many(65, target()), segments: [one] }).checked(SENSE.tooManyTargetDescriptors);
    copy(initiator, { segments: many(65, one) }).checked(SENSE.tooManySegmentDescriptors);
    copy(initiator, { targets: many(65, target()), segments: many(64, one) }).checked(SENSE.parameterListLengthError);
    copy(initiator, { targets: [target().replace("e4", "e0")], segments: [one] }).checked(
      SENSE.unsupportedTargetDescriptor,
      "80 00 10",
    );
    copy(initiator, { segments: [one.replace("02", "03")] }).checked(SENSE.unsupportedSegmentDescriptor, "80 00 30");
    copy(initiator, { segments: [one.replace("18", "17")] }).checked(SENSE.invalidFieldInParameterList, "80 00 32");
    const inline = list({ segments: [one] });
    inline[15] = 1;
    copy(initiator, inline).checked(SENSE.inlineDataLengthExceeded, "80 00 0c");
    const uneven = list({ segments: [one] });
    uneven[3] -= 1;
    copy(initiator, uneven).checked(SENSE.invalidFieldInParameterList, "80 00 02");
    const long = list({ segments: [one] });
    long[16 + 7] = 21;
    copy(initiator, long).checked(SENSE.invalidFieldInParameterList, "80 00 17");
  });

  it("finds units by their names among those the initiator reaches, and looks what they are", () => {
    const { initiator } = withDisk();
    const segments = [segment(1, 0, 1)];
    copy(initiator, { targets: [target(OTHER)], segments }).checked(SENSE.copyTargetDeviceNotReachable);
    copy(initiator, { segments: [segment(1, 0, 1, [0, 1])] }).checked(SENSE.unreachableCopyTarget);
    copy(initiator, { targets: [target(IDENTITY.wwn, 512, 1)], segments }).checked(SENSE.incorrectCopyTargetDeviceType);
    copy(initiator, { targets: [target(IDENTITY.wwn, 4096)], segments }).checked(
      SENSE.invalidFieldInParameterList,
      "80 00 2d",
    );
    // One that no segment uses need not be there.
    copy(initiator, { targets: [target(), target(OTHER)], segments }).good();
  });

  it("tells which segment failed, and what the unit said, in both formats", () => {
    const { initiator } = withDisk();
    const beyond = { segments: [segment(1, 0, 1), segment(1, 0, BLOCKS)] };
    const lost = "70 00 05 00 00 00 00 0a 00 00 00 00 21 00 00 00 00 00";
    const failed = copy(initiator, beyond).checked(SENSE.copyAborted);
    expect(failed.sense).to.equal(`70 00 0a 00 00 00 00 1d 00 12 00 01 00 00 00 00 00 00 02 ${lost}`);
    copy(initiator, { segments: [segment(1, 2 ** 52, 0)] }).checked(SENSE.copyAborted);
    const all = list({ segments: [segment(1, 0, 0)] });
    all.fill(0xff, 16 + 32 + 12, 16 + 32 + 20);
    expect(copy(initiator, all).checked(SENSE.copyAborted).sense.slice(24, 35)).to.equal("12 00 00 00");
    initiator.send("15 10 00 00 10 00", { out: "00 00 00 00 0a 0a 04 10 00 00 00 00 00 00 00 00" }).good();
    const forwarded = "0c 0a 02 02 72 05 21 00 00 00 00 00";
    expect(copy(initiator, beyond).sense).to.equal(
      `72 0a 00 00 00 00 00 18 01 0a 00 00 00 00 00 00 00 00 00 01 ${forwarded}`,
    );
  });

  it("writes nothing to a unit that is protected or that another has reserved", () => {
    const { initiator, target: scsiTarget } = twoDisks();
    const other = new Initiator(scsiTarget, new Nexus(scsiTarget, { initiator: "other" })).settle().settle(1);
    const what = { targets: [target(), target(OTHER)], segments: [segment(1, 0, 0, [0, 1])] };
    other.send("16 00 00 00 00 00", { lun: 1 }).good();
    const refused = copy(initiator, what).checked(SENSE.copyAborted);
    expect(refused.sense.slice(54)).to.equal(number(Status.reservationConflict, 1));
    copy(other, what).good();
    other.send("17 00 00 00 00 00", { lun: 1 }).good();
    copy(initiator, what).good();
  });

  it("ends when it is aborted, after the unit has let go; its identifier cannot be used twice meanwhile", () => {
    const store = new HeldStore(BLOCKS * 512);
    const scsiTarget = new Target();
    scsiTarget.add(0, createDisk({ ...IDENTITY, store }));
    const initiator = new Initiator(scsiTarget).settle();
    const what = { segments: [segment(8, 0, 8)] };
    const running = copy(initiator, what);
    expect(store.seen).to.deep.equal(["read"]);
    expect(ask(initiator, 0).data).to.equal("00 00 00 08 00 00 00 00 00 00 00 00");
    copy(initiator, what).checked(SENSE.operationInProgress);
    let response = "";
    initiator.nexus.manage({
      function: "abort-task",
      lun: 0,
      tag: running.task.tag,
      completed: (said) => {
        response = said;
      },
    });
    expect([running.ends, response]).to.deep.equal([0, ""]);
    store.release();
    expect([running.ends, running.task.aborted, response]).to.deep.equal([1, true, "function-complete"]);
    expect(store.seen).to.deep.equal(["read"]);
    expect(ask(initiator, 0).bytes[4]).to.equal(2);
  });

  for (const [name, step, lun] of [
    ["logical-unit-reset", "read", 0],
    ["logical-unit-reset", "write", 1],
    ["logical-unit-reset", "read", 1],
    ["clear-task-set", "write", 1],
    ["clear-task-set", "read", 1],
  ] as const) {
    it(`ends by ${name} of the ${lun === 0 ? "first" : "second"} unit while it has a ${step}; nothing is written behind the answer`, () => {
      const both = new Target();
      const stores = [target(), target(OTHER)].map((_, i) => {
        const store = new HeldStore(BLOCKS * 512);
        both.add(i, createDisk({ ...IDENTITY, ...(i === 1 ? { wwn: OTHER } : {}), store }));
        return store;
      });
      const initiator = new Initiator(both).settle().settle(1);
      // Its copy manager is the third's: what is reset is only copied from or to.
      both.add(2, createDisk({ ...IDENTITY, wwn: "5000c50000000009", store: new MemoryStore(BLOCKS * 512) }));
      const other = new Initiator(both).settle().settle(1).settle(2);
      initiator.settle().settle(1).settle(2);
      const bytes = list({ targets: [target(), target(OTHER)], segments: [segment(8, 0, 0, [0, 1])] });
      const size = number(bytes.length, 4);
      const copying = initiator.send(`83 00 00 00 00 00 00 00 00 00 ${size} 00 00`, { lun: 2, out: bytes });
      if (step === "write") stores[0].release();
      let response = "";
      other.nexus.manage({ function: name, lun, completed: (said) => (response = said) });
      const atReset = stores[lun].held.length > 0;
      expect([copying.ends, response]).to.deep.equal([0, ""]);
      if (atReset) stores[lun].drop();
      else stores[0].release();
      expect([copying.ends, response]).to.deep.equal([1, "function-complete"]);
      copying.checked(SENSE.copyAborted);
      expect(copying.sense.slice(54), "TASK ABORTED").to.equal("40");
      expect(stores[1].seen).to.deep.equal(step === "write" ? ["write"] : []);
    });
  }

  it("runs 16 at once, and says BUSY to more", () => {
    const store = new HeldStore(BLOCKS * 512);
    const scsiTarget = new Target();
    scsiTarget.add(0, createDisk({ ...IDENTITY, store }));
    const initiator = new Initiator(scsiTarget).settle();
    const sent = Array.from({ length: 17 }, (_, id) => copy(initiator, { id, segments: [segment(1, 0, 8)] }));
    expect(sent.map(({ ends }) => ends)).to.deep.equal([...new Array(16).fill(0), 1]);
    expect(sent[16].status).to.equal(Status.busy);
    for (let i = 0; i < 32; i++) store.release();
    for (const one of sent.slice(0, 16)) one.good();
  });

  it("stops when a unit is taken away in between", async () => {
    const { initiator, target: scsiTarget } = twoDisks();
    const held = new HeldStore(2048 * 512);
    scsiTarget.add(2, createDisk({ ...IDENTITY, wwn: "5000c50000000003", store: held }));
    initiator.settle().settle(2);
    const targets = [target("5000c50000000003"), target(OTHER)];
    const running = copy(initiator, { targets, segments: [segment(8, 0, 0, [0, 1])] });
    await scsiTarget.remove(1);
    held.release();
    running.checked(SENSE.copyTargetDeviceNotReachable);
  });
});

describe("RECEIVE COPY RESULTS", () => {
  it("tells what has been copied, to the initiator that asked for it", () => {
    const { initiator, target: scsiTarget } = withDisk();
    const other = new Initiator(scsiTarget, new Nexus(scsiTarget, { initiator: "other" })).settle();
    ask(initiator, 0).checked(SENSE.invalidFieldInCdb, "c0 00 02");
    copy(initiator, { segments: [segment(4, 0, 8), segment(1, 0, 20)] }).good();
    expect(ask(initiator, 0).data).to.equal("00 00 00 08 01 00 02 00 00 00 0a 00");
    ask(initiator, 0, 2).checked(SENSE.invalidFieldInCdb, "c0 00 02");
    ask(other, 0).checked(SENSE.invalidFieldInCdb, "c0 00 02");
    expect(ask(initiator, 4).data).to.equal("00 00 00 00");
  });

  it("gives the details of a failure once", () => {
    const { initiator } = withDisk();
    const failed = copy(initiator, { segments: [segment(1, 0, 1), segment(1, BLOCKS, 0)] });
    expect(ask(initiator, 0).data).to.equal("00 00 00 08 02 00 01 00 00 00 02 00");
    expect(ask(initiator, 4, 1, 4).data).to.equal("00 00 00 5d");
    const details = ask(initiator, 4).bytes;
    expect(toHex(details.subarray(56, 60))).to.equal("02 00 00 25");
    expect(toHex(details.subarray(60))).to.equal(failed.sense);
    expect(decodeSense(details.subarray(60))?.key).to.equal(0x0a);
    ask(initiator, 4).checked(SENSE.invalidFieldInCdb, "c0 00 02");
  });

  it("remembers 32 copies of an initiator, and none after a reset", () => {
    const { initiator, disk } = withDisk();
    for (let id = 0; id < 40; id++) copy(initiator, { id, segments: [] }).good();
    ask(initiator, 0, 7).checked(SENSE.invalidFieldInCdb);
    ask(initiator, 0, 8).good();
    disk.reset();
    initiator.settle();
    ask(initiator, 0, 39).checked(SENSE.invalidFieldInCdb);
  });

  it("forgets with the loss of the nexus, and so does the echo buffer", () => {
    const { initiator } = withDisk();
    copy(initiator, { segments: [] }).good();
    initiator.send("3b 0a 00 00 00 00 00 00 01 00", { out: "ff" }).good();
    initiator.nexus.manage({ function: "i-t-nexus-reset", lun: 0, completed: () => {} });
    initiator.settle();
    ask(initiator, 0).checked(SENSE.invalidFieldInCdb);
    initiator.send("3c 0a 00 00 00 00 00 00 01 00", { room: 1 }).checked(SENSE.commandSequenceError);
  });

  it("gives the operating parameters that EXTENDED COPY keeps to, and so does VPD page 8Fh", () => {
    const { initiator } = withDisk();
    const parameters = [
      "00 00 00 2a 01 00 00 00 00 40 00 40 00 00 0f 00 01 ff fe 00",
      "00 ".repeat(14).trim(),
      "00 10 10 09 00 00 00 00 00 02 02 e4",
    ];
    expect(ask(initiator, 3, 9).data).to.equal(parameters.join(" "));
    const page = [
      "00 8f 00 5c",
      "00 01 00 0c 08 83 01 00 84 03 00 03 04 00 00 00",
      `00 04 00 1c 00 00 00 00 00 40 00 40 00 00 0f 00 ${"00 ".repeat(16).trim()}`,
      "00 08 00 04 02 02 e4 00",
      `80 01 00 20 00 00 00 10 00 00 00 10 01 ff fe 00 09 ${"00 ".repeat(19).trim()}`,
    ];
    expect(initiator.send("12 01 8f 02 00 00", { room: 512 }).data).to.equal(page.join(" "));
    expect(initiator.send("12 00 00 00 06 00", { room: 6 }).bytes[5]).to.equal(0x08);
  });

  it("knows no other service action", () => {
    const { initiator } = withDisk();
    ask(initiator, 1).checked(SENSE.invalidFieldInCdb, "cc 00 01");
    ask(initiator, 0x10).checked(SENSE.invalidFieldInCdb, "cc 00 01");
    expect(COMMANDS.receiveCopyStatus.name).to.equal("RECEIVE COPY RESULTS/COPY STATUS");
  });
});

describe("EXTENDED COPY and reservations", () => {
  const targets = [target(), target(OTHER)];
  const toOther = { targets, segments: [segment(8, 0, 0, [0, 1])] };

  /** Two disks of one target, the second in a store that keeps requests; its holder has key 1 there. */
  function reserved() {
    const { target: both, initiator } = withDisk();
    const store = new HeldStore(BLOCKS * 512, { holding: false });
    both.add(1, createDisk({ ...IDENTITY, wwn: OTHER, store }));
    const holder = new Initiator(both, new Nexus(both, { initiatorPort: port("holder") })).settle().settle(1);
    out(holder, OUT.register, { serviceKey: 1 }, 1).good();
    return { initiator: initiator.settle().settle(1), holder, store };
  }

  it("is kept from a destination that somebody else has reserved", () => {
    const { initiator, holder, store } = reserved();
    out(holder, OUT.reserve, { key: 1, type: 1 }, 1).good();
    copy(initiator, toOther).checked(SENSE.copyAborted);
    expect(store.seen).not.to.include("write");
  });

  it("ends when its initiator is preempted and aborted at the destination", () => {
    const { initiator, holder, store } = reserved();
    out(initiator, OUT.register, { serviceKey: 2 }, 1).good();
    store.holding = true;
    const copying = copy(initiator, toOther);
    const preempting = out(holder, OUT.preemptAndAbort, { key: 1, serviceKey: 2 }, 1);
    expect([copying.ends, preempting.ends, store.cancelled.length]).to.deep.equal([0, 0, 1]);
    store.drop();
    preempting.good();
    expect([copying.ends, copying.task.aborted]).to.deep.equal([1, true]);
  });
});
