import { createDisk, NullStore, SENSE, Status, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { BLOCKS, IDENTITY, Initiator, pattern, withDisk } from "./initiator.js";

const cdb = (lba: number, blocks: number, flags = 0): Uint8Array =>
  Uint8Array.of(0x9c, flags, 0, 0, 0, 0, 0, 0, lba >> 8, lba & 255, 0, 0, blocks >> 8, blocks & 255, 0, 0);

/** A disk over a store that waits for the test, large enough for what takes several requests. */
function heldDisk(writeBack = false) {
  const store = new HeldStore(16 * BLOCKS * 512, { writeBack });
  const target = new Target();
  target.add(0, createDisk({ ...IDENTITY, store }));
  return { store, initiator: new Initiator(target).settle() };
}

describe("WRITE ATOMIC", () => {
  it("writes, at any block", () => {
    const { initiator } = withDisk();
    expect(initiator.send(cdb(7, 3), { out: pattern(1536) }).good().task.transferLength).to.equal(1536);
    expect(initiator.send("28 00 00 00 00 07 00 00 03 00", { room: 1536 }).bytes).to.deep.equal(pattern(1536));
    initiator.send(cdb(64, 0)).good();
  });

  it("writes nothing with less or more data than it asks for", () => {
    const { initiator } = withDisk();
    for (const length of [1024, 1535, 1537]) {
      initiator.send(cdb(0, 3), { out: pattern(length) }).checked(SENSE.invalidFieldInInformationUnit);
    }
    initiator.send(cdb(0, 3)).checked(SENSE.invalidFieldInInformationUnit);
    const { bytes } = initiator.send("28 00 00 00 00 00 00 00 03 00", { room: 1536 });
    expect(bytes.every((byte) => byte === 0)).to.equal(true);
  });

  it("keeps to the medium and to its limit in VPD page B0h", () => {
    const { initiator, store } = withDisk();
    initiator.send(cdb(65, 0)).checked(SENSE.lbaOutOfRange);
    initiator.send(cdb(63, 2), { out: pattern(1024) }).checked(SENSE.lbaOutOfRange);
    initiator.send("9c 00 80 00 00 00 00 00 00 00 00 00 00 00 00 00").checked(SENSE.lbaOutOfRange);
    store.resize(4 << 20);
    initiator.settle();
    initiator.send(cdb(0, 2048), { out: pattern(1 << 20) }).good();
    initiator.send(cdb(0, 2049), { out: pattern((1 << 20) + 512) }).checked(SENSE.invalidFieldInCdb, "c0 00 0c");
  });

  it("refuses boundaries, WRPROTECT, FUA where there is none, and a medium that is protected", () => {
    const { initiator } = withDisk();
    const bounded = cdb(0, 1);
    bounded[11] = 1;
    initiator.send(bounded, { out: pattern(512) }).checked(SENSE.invalidFieldInCdb, "c8 00 0b");
    initiator.send(cdb(0, 1, 0x20), { out: pattern(512) }).checked(SENSE.invalidFieldInCdb, "cd 00 01");
    initiator.send(cdb(0, 1, 0x18), { out: pattern(512) }).good();
    const plain = withDisk({ fua: false }).initiator;
    plain.send(cdb(0, 1, 0x10), { out: pattern(512) }).checked(SENSE.invalidFieldInCdb, "cc 00 01");
    const kept = withDisk({ readOnly: true }).initiator;
    kept.send(cdb(0, 1), { out: pattern(512) }).checked(SENSE.writeProtected);
  });

  it("is not there over a store that promises nothing", () => {
    const target = new Target();
    target.add(0, createDisk({ ...IDENTITY, store: new NullStore(BLOCKS * 512) }));
    const initiator = new Initiator(target).settle();
    initiator.send(cdb(0, 1), { out: pattern(512) }).checked(SENSE.invalidOpcode);
    const page = initiator.send("12 01 b0 00 40 00", { room: 64 }).bytes;
    expect([...page.subarray(44, 48)]).to.deep.equal([0, 0, 0, 0]);
  });

  it("comes before or after what takes several requests, not in between", () => {
    const { initiator, store } = heldDisk();
    const verify = initiator.send("2f 00 00 00 00 00 00 00 81 00");
    const fill = initiator.send("41 00 00 00 00 00 00 00 81 00", { out: pattern(512) });
    const sent = initiator.send(cdb(0, 1), { out: pattern(512, 2) });
    const after = initiator.send("2f 00 00 00 00 00 00 00 81 00");
    expect(store.seen).to.deep.equal(["read", "write"]);
    for (let i = 0; i < 4; i++) store.release();
    verify.good();
    fill.good();
    expect(store.seen).to.deep.equal(["read", "write", "read", "write", "write"]);
    store.release();
    sent.good();
    store.release();
    store.release();
    after.good();
  });

  it("asks for durability with FUA, and not without", () => {
    const { initiator, store } = heldDisk(true);
    store.holding = false;
    initiator.send(cdb(0, 1), { out: pattern(512) }).good();
    initiator.send(cdb(0, 1, 0x08), { out: pattern(512) }).good();
    expect(store.seen).to.deep.equal(["write", "write+fua"]);
  });

  it("writes nothing when it is aborted before its turn", () => {
    const { initiator, store } = heldDisk();
    const before = initiator.send("2a 00 00 00 00 00 00 00 01 00", { out: pattern(512) });
    const sent = initiator.send(cdb(0, 1), { out: pattern(512, 2) });
    initiator.nexus.manage({ function: "abort-task", lun: 0, tag: sent.task.tag, completed: () => {} });
    expect(sent.ends).to.equal(1);
    expect(sent.task.aborted).to.equal(true);
    store.release();
    before.good();
    expect(store.seen).to.deep.equal(["write"]);
    expect(before.status).to.equal(Status.good);
  });
});
