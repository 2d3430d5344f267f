import { createDisk, decodeSense, readOnly, SENSE, StoreError, type StoreFailure, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { BLOCKS, IDENTITY, Initiator, pattern, toHex, withDisk } from "./initiator.js";

/** CDBs of every length for an LBA and a number of blocks. */
const READS = {
  "READ(6)": (lba: number, blocks: number) => `08 00 00 ${byte(lba)} ${byte(blocks)} 00`,
  "READ(10)": (lba: number, blocks: number) => `28 00 ${word(lba)} 00 00 ${byte(blocks)} 00`,
  "READ(12)": (lba: number, blocks: number) => `a8 00 ${word(lba)} ${word(blocks)} 00 00`,
  "READ(16)": (lba: number, blocks: number) => `88 00 00 00 00 00 ${word(lba)} ${word(blocks)} 00 00`,
};
const WRITES = {
  "WRITE(6)": (lba: number, blocks: number) => `0a 00 00 ${byte(lba)} ${byte(blocks)} 00`,
  "WRITE(10)": (lba: number, blocks: number) => `2a 00 ${word(lba)} 00 00 ${byte(blocks)} 00`,
  "WRITE(12)": (lba: number, blocks: number) => `aa 00 ${word(lba)} ${word(blocks)} 00 00`,
  "WRITE(16)": (lba: number, blocks: number) => `8a 00 00 00 00 00 ${word(lba)} ${word(blocks)} 00 00`,
};

function byte(value: number): string {
  return value.toString(16).padStart(2, "0");
}

function word(value: number): string {
  return value.toString(16).padStart(8, "0");
}

function heldDisk(options: { writeBack?: boolean; holding?: boolean } = {}) {
  const store = new HeldStore(BLOCKS * 512, options);
  const target = new Target();
  target.add(0, createDisk({ ...IDENTITY, store }));
  return { store, target, initiator: new Initiator(target).settle() };
}

describe("READ and WRITE", () => {
  for (const blockSize of [512, 4096] as const) {
    it(`of every length mean the same blocks, of ${blockSize} bytes`, () => {
      const { initiator } = withDisk({ blockSize });
      for (const [index, write] of Object.values(WRITES).entries()) {
        const data = pattern(3 * blockSize, index + 1);
        expect(initiator.send(write(10, 3), { out: data }).good().task.transferLength).to.equal(3 * blockSize);
        for (const read of Object.values(READS)) {
          expect(initiator.send(read(10, 3), { room: 3 * blockSize }).bytes).to.deep.equal(data);
        }
      }
    });
  }

  it("of (6) move 256 blocks for a zero, of the others none", () => {
    const { initiator, store } = withDisk();
    store.resize(512 * 512);
    initiator.settle();
    const data = pattern(256 * 512, 3);
    expect(initiator.send("0a 00 00 01 00 00", { out: data }).good().task.transferLength).to.equal(256 * 512);
    expect(initiator.send("08 00 00 01 00 00", { room: 256 * 512 }).bytes).to.deep.equal(data);
    expect(initiator.send(READS["READ(10)"](0, 0)).good().task.transferLength).to.equal(0);
    expect(initiator.send(WRITES["WRITE(16)"](0, 0)).good().task.transferLength).to.equal(0);
  });

  it("reach the last block, and no further", () => {
    const { initiator } = withDisk();
    for (const cdb of [...Object.values(READS), ...Object.values(WRITES)]) {
      const moves = (lba: number, blocks: number) =>
        initiator.send(
          cdb(lba, blocks),
          cdb(0, 1)[1] === "a" ? { out: new Uint8Array(blocks * 512) } : { room: blocks * 512 },
        );
      moves(BLOCKS - 1, 1).good();
      moves(BLOCKS - 1, 2).checked(SENSE.lbaOutOfRange);
      moves(BLOCKS, 1).checked(SENSE.lbaOutOfRange);
    }
    initiator.send(READS["READ(10)"](BLOCKS, 0)).good();
    initiator.send(READS["READ(10)"](BLOCKS + 1, 0)).checked(SENSE.lbaOutOfRange);
    initiator.send("88 00 ff ff ff ff ff ff ff ff 00 00 00 01 00 00", { room: 512 }).checked(SENSE.lbaOutOfRange);
    initiator.send("28 00 ff ff ff ff 00 00 02 00", { room: 1024 }).checked(SENSE.lbaOutOfRange);
  });

  it("refuse more than the maximum transfer length, at its field", () => {
    const { initiator, store } = withDisk();
    store.resize(2 ** 30);
    initiator.settle();
    initiator.send("88 00 00 00 00 00 00 00 00 00 00 01 00 01 00 00").checked(SENSE.invalidFieldInCdb, "c0 00 0a");
    initiator.send("a8 00 00 00 00 00 00 01 00 01 00 00").checked(SENSE.invalidFieldInCdb, "c0 00 06");
  });

  it("move data between scattered pieces and the store", () => {
    const { initiator } = withDisk();
    const data = pattern(2048, 5);
    initiator.send(WRITES["WRITE(10)"](4, 4), { out: data }).good();
    const sent = initiator.send(READS["READ(10)"](5, 2), { room: 1024 });
    expect(sent.bytes).to.deep.equal(data.subarray(512, 1536));
  });
});

describe("residuals", () => {
  it("are what a READ leaves of a longer buffer", () => {
    const { initiator } = withDisk();
    initiator.send(WRITES["WRITE(10)"](0, 1), { out: pattern(512) }).good();
    const sent = initiator.send(READS["READ(10)"](0, 1), { room: 1000 });
    expect(sent.task.residual).to.equal(488);
    expect(sent.buffer.subarray(512).every((value) => value === 0)).to.equal(true);
  });

  it("are negative when a READ has less room than it needs; what there is room for is read", () => {
    const { initiator } = withDisk();
    initiator.send(WRITES["WRITE(10)"](0, 2), { out: pattern(1024) }).good();
    const sent = initiator.send(READS["READ(10)"](0, 2), { room: 700 });
    expect(sent.task.residual).to.equal(-324);
    expect(sent.bytes).to.deep.equal(pattern(1024).subarray(0, 700));
  });

  it("are negative when a WRITE has less data; only whole blocks that have data are written", () => {
    const { initiator } = withDisk();
    const sent = initiator.send(WRITES["WRITE(10)"](0, 3), { out: pattern(1100) }).good();
    expect(sent.task.residual).to.equal(1100 - 1536);
    const after = initiator.send(READS["READ(10)"](0, 3), { room: 1536 }).bytes;
    expect(after.subarray(0, 1024)).to.deep.equal(pattern(1100).subarray(0, 1024));
    expect(after.subarray(1024).every((value) => value === 0)).to.equal(true);
  });

  it("are what a WRITE leaves of longer data", () => {
    const { initiator } = withDisk();
    expect(initiator.send(WRITES["WRITE(10)"](0, 1), { out: pattern(600) }).good().task.residual).to.equal(88);
    expect(initiator.send(WRITES["WRITE(10)"](0, 1)).good().task.residual).to.equal(-512);
  });
});

describe("durability over a store with a cache", () => {
  const writes = [
    ["2a 08 00 00 00 00 00 00 01 00", "FUA"],
    ["8a 08 00 00 00 00 00 00 00 00 00 00 00 01 00 00", "FUA (16)"],
    ["2e 00 00 00 00 00 00 00 01 00", "WRITE AND VERIFY"],
  ] as const;
  for (const [cdb, name] of writes) {
    it(`${name} asks the store for it and waits`, () => {
      const { initiator, store } = heldDisk({ writeBack: true });
      const sent = initiator.send(cdb, { out: pattern(512) });
      expect(store.seen).to.deep.equal(["write+fua"]);
      expect(sent.ends).to.equal(0);
    });
  }

  it("a plain WRITE does not, as long as WCE is set", () => {
    const { initiator, store } = heldDisk({ writeBack: true, holding: false });
    initiator.send("2a 00 00 00 00 00 00 00 01 00", { out: pattern(512) }).good();
    // MODE SELECT(6), caching page with WCE off.
    initiator.send("15 10 00 00 18 00", { out: `00 00 00 00 08 12 00 ${"00".repeat(17)}` }).good();
    initiator.send("2a 00 00 00 00 00 00 00 01 00", { out: pattern(512) }).good();
    initiator.send("41 08 00 00 00 00 00 00 01 00", { out: new Uint8Array(512) }).good();
    initiator
      .send("42 00 00 00 00 00 00 00 18 00", { out: `0016 0010 00000000 0000000000000000 00000001 00000000` })
      .good();
    expect(store.seen).to.deep.equal(["write", "flush", "write+fua", "discard+fua", "discard+fua"]);
  });

  it("SYNCHRONIZE CACHE ends when the flush has ended", () => {
    for (const cdb of ["35 00 00 00 00 00 00 00 00 00", "91 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"]) {
      const { initiator, store } = heldDisk({ writeBack: true });
      const sent = initiator.send(cdb);
      expect(store.seen).to.deep.equal(["flush"]);
      expect(sent.ends).to.equal(0);
      store.release();
      sent.good();
    }
  });

  it("SYNCHRONIZE CACHE with IMMED waits as well, so that a failure is told", () => {
    const { initiator, store } = heldDisk({ writeBack: true });
    const sent = initiator.send("35 02 00 00 00 00 00 00 00 00");
    expect(sent.ends).to.equal(0);
    store.release(new StoreError("medium", "gone"));
    sent.checked(SENSE.writeError);
  });

  it("SYNCHRONIZE CACHE checks its range", () => {
    const { initiator } = heldDisk();
    initiator.send("35 00 00 00 00 40 00 00 01 00").checked(SENSE.lbaOutOfRange);
  });

  it("a READ with FUA flushes first", () => {
    const { initiator, store } = heldDisk({ writeBack: true, holding: false });
    initiator.send("28 08 00 00 00 00 00 00 01 00", { room: 512 }).good();
    expect(store.seen).to.deep.equal(["flush", "read"]);
  });

  it("a failed flush is told", () => {
    const { initiator, store } = heldDisk({ writeBack: true });
    const sent = initiator.send("35 00 00 00 00 00 00 00 00 00");
    store.release(new StoreError("hardware", "gone"));
    sent.checked(SENSE.internalTargetFailure);
  });
});

describe("failures of the store", () => {
  const failures: [StoreFailure, string, keyof typeof SENSE][] = [
    ["medium", "28 00 00 00 00 08 00 00 04 00", "unrecoveredReadError"],
    ["medium", "2a 00 00 00 00 08 00 00 04 00", "writeError"],
    ["hardware", "28 00 00 00 00 08 00 00 04 00", "internalTargetFailure"],
    ["no-space", "2a 00 00 00 00 08 00 00 04 00", "spaceAllocationFailed"],
    ["no-memory", "28 00 00 00 00 08 00 00 04 00", "insufficientResources"],
    ["read-only", "2a 00 00 00 00 08 00 00 04 00", "writeProtected"],
    ["out-of-range", "28 00 00 00 00 08 00 00 04 00", "lbaOutOfRange"],
    ["cancelled", "28 00 00 00 00 08 00 00 04 00", "abortedCommand"],
  ];
  for (const [failure, cdb, sense] of failures) {
    it(`"${failure}" is ${sense}`, () => {
      const { initiator, store } = heldDisk();
      const sent = initiator.send(cdb, cdb.startsWith("28") ? { room: 2048 } : { out: pattern(2048) });
      store.release(new StoreError(failure, "on purpose", { offset: 10 * 512 + 100 }));
      sent.checked(SENSE[sense]);
      expect(decodeSense(sent.task.sense)?.information).to.equal(10);
    });
  }

  it("have no INFORMATION where the place is not known, byte for byte", () => {
    const { initiator, store } = heldDisk();
    const sent = initiator.send("28 00 00 00 00 08 00 00 04 00", { room: 2048 });
    store.release(new StoreError("medium", "on purpose"));
    sent.checked(SENSE.unrecoveredReadError);
    expect(toHex(sent.task.sense.subarray(0, 18))).to.equal("70 00 03 00 00 00 00 0a 00 00 00 00 11 00 00 00 00 00");
  });

  it("a read-only store makes a write-protected disk", () => {
    const { initiator } = withDisk();
    expect(initiator.send("1a 08 3f 00 04 00", { room: 4 }).bytes[2]).to.equal(0x10);
    const target = new Target();
    target.add(0, createDisk({ ...IDENTITY, store: readOnly(new HeldStore(4096, { holding: false })) }));
    const other = new Initiator(target).settle();
    other.send("2a 00 00 00 00 00 00 00 01 00", { out: pattern(512) }).checked(SENSE.writeProtected);
    other.send("28 00 00 00 00 00 00 00 01 00", { room: 512 }).good();
    expect(other.send("1a 08 3f 00 04 00", { room: 4 }).bytes[2]).to.equal(0x90);
  });
});

describe("PRE-FETCH", () => {
  it("checks its range", () => {
    const { initiator } = withDisk();
    initiator.send("34 00 00 00 00 00 00 00 40 00").good();
    initiator.send("90 00 00 00 00 00 00 00 00 00 00 00 00 41 00 00").checked(SENSE.lbaOutOfRange);
  });
});
