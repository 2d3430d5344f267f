import { createDisk, decodeSense, SENSE, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { BLOCKS, IDENTITY, Initiator, pattern, type Sent, withDisk } from "./initiator.js";

const WRITE4 = "2a 00 00 00 00 08 00 00 04 00";

function written() {
  const made = withDisk();
  made.initiator.send(WRITE4, { out: pattern(2048) }).good();
  return made;
}

function miscompared(sent: Sent, offset: number): void {
  sent.checked(SENSE.miscompareDuringVerify);
  expect(decodeSense(sent.task.sense)?.information).to.equal(offset);
}

describe("VERIFY", () => {
  it("without BYTCHK only reads the medium, (10), (12), (16)", () => {
    const { initiator } = written();
    initiator.send("2f 00 00 00 00 00 00 00 40 00").good();
    initiator.send("af 00 00 00 00 00 00 00 00 40 00 00").good();
    initiator.send("8f 00 00 00 00 00 00 00 00 00 00 00 00 40 00 00").good();
    initiator.send("2f 00 00 00 00 00 00 00 41 00").checked(SENSE.lbaOutOfRange);
    initiator.send("2f 00 00 00 00 40 00 00 00 00").good();
  });

  it("with BYTCHK 01b compares all blocks, and says where they differ", () => {
    const { initiator } = written();
    initiator.send("2f 02 00 00 00 08 00 00 04 00", { out: pattern(2048) }).good();
    const other = pattern(2048);
    other[1500] ^= 1;
    miscompared(initiator.send("2f 02 00 00 00 08 00 00 04 00", { out: other }), 1500);
  });

  it("with BYTCHK 11b compares every block with one", () => {
    const { initiator } = withDisk();
    const block = pattern(512, 7);
    initiator.send("41 00 00 00 00 00 00 00 40 00", { out: block }).good();
    expect(initiator.send("2f 06 00 00 00 00 00 00 40 00", { out: block }).good().task.transferLength).to.equal(512);
    initiator.send("2a 00 00 00 00 20 00 00 01 00", { out: new Uint8Array(512) }).good();
    miscompared(initiator.send("2f 06 00 00 00 00 00 00 40 00", { out: block }), 0);
  });

  it("refuses the reserved BYTCHK, and to compare with less or more data than it needs", () => {
    const { initiator } = written();
    initiator.send("2f 04 00 00 00 08 00 00 04 00").checked(SENSE.invalidFieldInCdb, "ca 00 01");
    initiator
      .send("2f 02 00 00 00 08 00 00 04 00", { out: pattern(2047) })
      .checked(SENSE.invalidFieldInInformationUnit);
    initiator.send("2f 02 00 00 00 08 00 00 04 00", { room: 2048 }).checked(SENSE.invalidFieldInInformationUnit);
    initiator
      .send("2f 02 00 00 00 08 00 00 04 00", { out: pattern(2049) })
      .checked(SENSE.invalidFieldInInformationUnit);
  });

  it("with BYTCHK 11b finds one byte far in, and says where in the block it is", () => {
    const { initiator, store } = withDisk();
    store.resize(1 << 20);
    initiator.settle();
    const block = pattern(512, 7);
    initiator.send("41 00 00 00 00 00 00 08 00 00", { out: block }).good();
    initiator.send("2f 06 00 00 00 00 00 08 00 00", { out: block }).good();
    const other = block.slice();
    other[301] ^= 1;
    initiator.send("2a 00 00 00 07 d0 00 00 01 00", { out: other }).good();
    miscompared(initiator.send("2f 06 00 00 00 00 00 08 00 00", { out: block }), 301);
  });

  it("keeps to the longest transfer without data too, so that a store that never waits is not read for minutes", () => {
    const { initiator, store } = withDisk();
    store.resize(2 ** 40);
    initiator.settle();
    initiator.send("8f 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00").good();
    const sent = initiator.send("8f 00 00 00 00 00 00 00 00 00 00 01 00 01 00 00");
    sent.checked(SENSE.invalidFieldInCdb, "c0 00 0a");
  });

  it("goes through a large range in pieces", () => {
    const { initiator, store } = withDisk();
    store.resize(1 << 20);
    initiator.settle();
    const data = pattern(1 << 20, 3);
    initiator.send("2a 00 00 00 00 00 00 08 00 00", { out: data }).good();
    initiator.send("2f 02 00 00 00 00 00 08 00 00", { out: data }).good();
    const other = data.slice();
    other[1_000_000] ^= 0x80;
    miscompared(initiator.send("2f 02 00 00 00 00 00 08 00 00", { out: other }), 1_000_000);
  });
});

describe("WRITE AND VERIFY", () => {
  it("writes and compares, (10), (12), (16)", () => {
    const { initiator } = withDisk();
    const cdbs = [
      "2e 02 00 00 00 08 00 00 04 00",
      "ae 02 00 00 00 08 00 00 00 04 00 00",
      "8e 00 00 00 00 00 00 00 00 08 00 00 00 04 00 00",
    ];
    for (const [index, cdb] of cdbs.entries()) {
      initiator.send(cdb, { out: pattern(2048, index + 2) }).good();
      expect(initiator.send("28 00 00 00 00 08 00 00 04 00", { room: 2048 }).bytes).to.deep.equal(
        pattern(2048, index + 2),
      );
    }
    initiator
      .send("2e 06 00 00 00 08 00 00 04 00", { out: pattern(2048) })
      .checked(SENSE.invalidFieldInCdb, "ca 00 01");
    initiator.send("2e 02 00 00 00 3f 00 00 02 00", { out: pattern(1024) }).checked(SENSE.lbaOutOfRange);
  });
});

describe("COMPARE AND WRITE", () => {
  const CAW = "89 00 00 00 00 00 00 00 00 08 00 00 00 01 00 00";
  const both = (compare: Uint8Array, write: Uint8Array) => Uint8Array.of(...compare, ...write);

  it("writes the second half when the first is what is there", () => {
    const { initiator } = withDisk();
    const zeros = new Uint8Array(512);
    initiator.send(CAW, { out: both(zeros, pattern(512)) }).good();
    const sent = initiator.send(CAW, { out: both(pattern(512, 9), zeros) });
    miscompared(sent, 0);
    const near = pattern(512);
    near[511] ^= 1;
    miscompared(initiator.send(CAW, { out: both(near, zeros) }), 511);
    expect(initiator.send("28 00 00 00 00 08 00 00 01 00", { room: 512 }).bytes).to.deep.equal(pattern(512));
  });

  it("keeps to its limits", () => {
    const { initiator } = withDisk();
    initiator.send(CAW, { out: new Uint8Array(1023) }).checked(SENSE.invalidFieldInInformationUnit);
    initiator.send(CAW, { out: new Uint8Array(2048) }).checked(SENSE.invalidFieldInInformationUnit);
    initiator.send("89 00 00 00 00 00 00 00 00 08 00 00 00 00 00 00").good();
    initiator
      .send("89 00 00 00 00 00 00 00 00 08 00 00 00 00 00 00", { out: new Uint8Array(1024) })
      .checked(SENSE.invalidFieldInCdb, "c0 00 0d");
    initiator.send("89 00 00 00 00 00 00 00 00 40 00 00 00 01 00 00").checked(SENSE.lbaOutOfRange);
    const { initiator: large, store } = withDisk();
    store.resize(1 << 20);
    large.settle().send("89 00 00 00 00 00 00 00 00 00 00 00 00 81 00 00").checked(SENSE.invalidFieldInCdb, "c0 00 0d");
  });

  it("lets no write in between comparing and writing, and no second one", () => {
    const store = new HeldStore(BLOCKS * 512);
    const target = new Target();
    target.add(0, createDisk({ ...IDENTITY, store }));
    const initiator = new Initiator(target).settle();
    const before = initiator.send("2a 00 00 00 00 00 00 00 01 00", { out: pattern(512) });
    const first = initiator.send(CAW, { out: both(new Uint8Array(512), pattern(512, 2)) });
    const second = initiator.send(CAW, { out: both(new Uint8Array(512), pattern(512, 3)) });
    const after = initiator.send("2a 00 00 00 00 08 00 00 01 00", { out: pattern(512, 4) });
    expect(store.seen, "waits for the write before it").to.deep.equal(["write"]);
    store.release();
    before.good();
    expect(store.seen).to.deep.equal(["write", "read"]);
    store.release();
    store.release();
    first.good();
    expect(store.seen).to.deep.equal(["write", "read", "write", "read"]);
    store.release();
    second.checked(SENSE.miscompareDuringVerify);
    store.release();
    after.good();
  });
});
