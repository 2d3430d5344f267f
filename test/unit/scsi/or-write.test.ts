import { createDisk, SENSE, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { BLOCKS, IDENTITY, Initiator, pattern, withDisk } from "./initiator.js";

const cdb = (lba: number, blocks: number, flags = 0): Uint8Array =>
  Uint8Array.of(0x8b, flags, 0, 0, 0, 0, 0, 0, lba >> 8, lba & 255, 0, 0, blocks >> 8, blocks & 255, 0, 0);

const or = (left: Uint8Array, right: Uint8Array): Uint8Array => left.map((byte, i) => byte | right[i]);

function heldDisk(writeBack = false) {
  const store = new HeldStore(BLOCKS * 512, { writeBack });
  const target = new Target();
  target.add(0, createDisk({ ...IDENTITY, store }));
  return { store, initiator: new Initiator(target).settle() };
}

describe("ORWRITE", () => {
  it("sets the bits of the data, and leaves those beside it", () => {
    const { initiator } = withDisk();
    const before = pattern(64 * 512);
    initiator.send("2a 00 00 00 00 00 00 00 40 00", { out: before }).good();
    const data = pattern(4 * 512, 0x55);
    expect(initiator.send(cdb(8, 4), { out: data }).good().task.transferLength).to.equal(4 * 512);
    const expected = before.slice();
    expected.set(or(before.subarray(8 * 512, 12 * 512), data), 8 * 512);
    expect(initiator.send("28 00 00 00 00 00 00 00 40 00", { room: 64 * 512 }).bytes).to.deep.equal(expected);
  });

  it("goes through a long range in pieces, each with its own data", () => {
    const { initiator, store } = withDisk();
    store.resize(1 << 20);
    initiator.settle();
    const before = pattern(1 << 20, 3);
    const data = pattern(300 * 512, 0x81);
    initiator.send("2a 00 00 00 00 00 00 08 00 00", { out: before }).good();
    initiator.send(cdb(1700, 300), { out: data }).good();
    before.set(or(before.subarray(1700 * 512, 2000 * 512), data), 1700 * 512);
    expect(initiator.send("28 00 00 00 00 00 00 08 00 00", { room: 1 << 20 }).bytes).to.deep.equal(before);
  });

  it("keeps to the medium and the longest transfer", () => {
    const { initiator, store } = withDisk();
    initiator.send(cdb(64, 0)).good();
    initiator.send(cdb(65, 0)).checked(SENSE.lbaOutOfRange);
    initiator.send(cdb(63, 2), { out: pattern(1024) }).checked(SENSE.lbaOutOfRange);
    initiator.send("8b 00 80 00 00 00 00 00 00 00 00 00 00 00 00 00").checked(SENSE.lbaOutOfRange);
    store.resize(2 ** 40);
    initiator.settle();
    initiator
      .send("8b 00 00 00 00 00 00 00 00 00 00 01 00 01 00 00", { out: pattern(512) })
      .checked(SENSE.invalidFieldInCdb, "c0 00 0a");
  });

  it("writes the whole blocks there are data for", () => {
    const { initiator } = withDisk();
    const { task } = initiator.send(cdb(0, 3), { out: pattern(1300) }).good();
    expect(task.residual).to.equal(1300 - 1536);
    const { bytes } = initiator.send("28 00 00 00 00 00 00 00 03 00", { room: 1536 });
    expect(bytes.subarray(0, 1024)).to.deep.equal(pattern(1024));
    expect(bytes.subarray(1024).every((byte) => byte === 0)).to.equal(true);
    expect(initiator.send(cdb(0, 3)).good().task.transferLength).to.equal(1536);
  });

  it("refuses ORPROTECT, DPO and FUA without them, data in the wrong direction, a medium that is protected", () => {
    const { initiator } = withDisk();
    initiator.send(cdb(0, 1, 0x20), { out: pattern(512) }).checked(SENSE.invalidFieldInCdb, "cd 00 01");
    initiator.send(cdb(0, 1, 0x18), { out: pattern(512) }).good();
    initiator.send(cdb(0, 1), { room: 512 }).checked(SENSE.invalidFieldInInformationUnit);
    const plain = withDisk({ fua: false }).initiator;
    plain.send(cdb(0, 1, 0x08), { out: pattern(512) }).checked(SENSE.invalidFieldInCdb, "cb 00 01");
    const kept = withDisk({ readOnly: true }).initiator;
    kept.send(cdb(0, 1), { out: pattern(512) }).checked(SENSE.writeProtected);
  });

  it("lets no write in between reading and writing", () => {
    const { initiator, store } = heldDisk();
    const before = initiator.send("2a 00 00 00 00 00 00 00 01 00", { out: pattern(512) });
    const sent = initiator.send(cdb(0, 1), { out: pattern(512, 9) });
    const after = initiator.send("2a 00 00 00 00 08 00 00 01 00", { out: pattern(512, 4) });
    store.release();
    before.good();
    expect(store.seen).to.deep.equal(["write", "read"]);
    store.release();
    expect(store.seen).to.deep.equal(["write", "read", "write"]);
    store.release();
    sent.good();
    store.release();
    after.good();
  });

  it("is durable with FUA over a cache", () => {
    const { initiator, store } = heldDisk(true);
    store.holding = false;
    initiator.send(cdb(0, 1), { out: pattern(512) }).good();
    initiator.send(cdb(0, 1, 0x08), { out: pattern(512) }).good();
    expect(store.seen).to.deep.equal(["read", "write", "read", "write+fua"]);
  });
});
