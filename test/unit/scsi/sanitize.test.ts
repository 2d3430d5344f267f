import { type DiskOptions, encrypting, MemoryStore, SENSE, Status, StoreError, StoreRequest } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { expect } from "chai";
import { ChangingCipher } from "../../support/changing-cipher.js";
import { pattern, withDisk } from "./initiator.js";
import { Operated, PIECE, SIZE } from "./operating.js";

const IMMED = 0x80;
const AUSE = 0x20;

/** OVERWRITE with a list of `first` (INVERT, TEST, OVERWRITE COUNT) and a pattern. */
function overwrite(first: number, bytes: readonly number[], flags = 0) {
  const length = 4 + bytes.length;
  return {
    cdb: Uint8Array.of(0x48, 0x01 | flags, 0, 0, 0, 0, 0, length >> 8, length & 255, 0),
    out: Uint8Array.of(first, 0, bytes.length >> 8, bytes.length & 255, ...bytes),
  };
}

const send = ({ initiator }: Operated, { cdb, out }: ReturnType<typeof overwrite>) => initiator.send(cdb, { out });
const blockErase = (flags = 0) => Uint8Array.of(0x48, 0x02 | flags, 0, 0, 0, 0, 0, 0, 0, 0);
const exit = (flags = 0) => Uint8Array.of(0x48, 0x1f | flags, 0, 0, 0, 0, 0, 0, 0, 0);
const cryptographicErase = () => Uint8Array.of(0x48, 0x03, 0, 0, 0, 0, 0, 0, 0, 0);
const READY = "00 00 00 00 00 00";

/** A disk on which the first pass fails. */
function failed(flags: number): Operated {
  const operated = new Operated();
  const sent = send(operated, overwrite(1, [1], flags));
  operated.store.release(new StoreError("medium", "worn out", { offset: 0 }));
  sent.checked(SENSE.sanitizeCommandFailed);
  operated.store.holding = false;
  return operated;
}

describe("SANITIZE/OVERWRITE", () => {
  it("repeats the pattern in every block, from its first byte on, and makes it durable", () => {
    const operated = new Operated({ holding: false });
    expect(send(operated, overwrite(1, [1, 2, 3])).good().task.transferLength).to.equal(7);
    const block = Uint8Array.from({ length: 512 }, (_, i) => 1 + (i % 3));
    const contents = operated.contents();
    for (let at = 0; at < SIZE; at += 512) expect(contents.slice(at, at + 512)).to.deep.equal(block);
    expect(operated.store.seen.slice(0, 5)).to.deep.equal(["write", "write", "write", "write", "flush"]);
  });

  it("goes as often as it is asked to, inverted from pass to pass so that the last one is not", () => {
    for (const [count, invert, expected] of [
      [3, 0x80, "33 cc 33"],
      [2, 0x80, "cc 33"],
      [2, 0, "33 33"],
    ] as const) {
      const operated = new Operated();
      const sent = send(operated, overwrite(count | invert, [0x33]));
      const written: string[] = [];
      for (let pass = 0; pass < count; pass++) {
        operated.release(4);
        written.push(firstByte(operated));
      }
      operated.release(1);
      sent.good();
      expect(written.join(" ")).to.equal(expected);
    }
  });

  it("tells how far it is, in either format, over all passes", () => {
    const operated = new Operated();
    const sent = send(operated, overwrite(2, [1]));
    expect(operated.said()).to.equal("2/4/1b 0");
    operated.release(2);
    expect(operated.said(true)).to.equal(`2/4/1b ${0x10000 / 4}`);
    operated.release(5);
    expect(operated.said()).to.equal(`2/4/1b ${(7 * 0x10000) / 8}`);
    operated.release(1);
    expect(operated.said()).to.equal("2/4/1b 65535");
    expect(sent.ends).to.equal(0);
    operated.release(1);
    sent.good();
    expect(operated.said()).to.equal("0/0/0");
  });

  it("ends with IMMED at once, and goes on", () => {
    const operated = new Operated();
    send(operated, overwrite(1, [1], IMMED)).good();
    expect(operated.said()).to.equal("2/4/1b 0");
    operated.release(5);
    operated.initiator.send(READY).good();
    expect(operated.contents().every((byte) => byte === 1)).to.equal(true);
  });

  it("lets nothing run meanwhile but INQUIRY, REPORT LUNS and REQUEST SENSE", () => {
    const operated = new Operated({ removable: true });
    const { initiator } = operated;
    send(operated, overwrite(1, [1], IMMED)).good();
    operated.release(1);
    const { bytes } = initiator.send("12 00 00 00 24 00", { room: 36 });
    expect(bytes[1]).to.equal(0x80);
    initiator.send("a0 00 00 00 00 00 00 00 00 10 00 00", { room: 16 }).good();
    for (const cdb of [
      READY,
      "1b 00 00 00 01 00",
      "1b ff ff ff ff 00",
      "1e 00 00 00 00 00",
      "25 00 00 00 00 00 00 00 00 00",
      "28 00 00 00 00 00 00 00 01 00",
      "1a 08 3f 00 ff 00",
      "5e 00 00 00 00 00 00 00 08 00",
      "a3 0c 00 00 00 00 00 00 20 00 00 00",
      "04 00 00 00 00 00",
    ]) {
      initiator.send(cdb).checked(SENSE.sanitizeInProgress, "80 40 00");
    }
    initiator.send(exit()).checked(SENSE.sanitizeInProgress);
    initiator.send(blockErase()).checked(SENSE.sanitizeInProgress);
  });

  it("waits for the writes before it, and not for reads", () => {
    const operated = new Operated();
    const write = operated.initiator.send("2a 00 00 00 00 00 00 00 01 00", { out: pattern(512) });
    const sent = send(operated, overwrite(1, [7]));
    expect(operated.store.seen).to.deep.equal(["write"]);
    operated.initiator.send(READY).checked(SENSE.sanitizeInProgress);
    operated.release(1);
    write.good();
    operated.release(5);
    sent.good();
    expect(operated.contents().every((byte) => byte === 7)).to.equal(true);
  });

  it("goes on when its task is aborted, the unit reset and its nexus lost", async () => {
    for (const name of ["abort-task", "logical-unit-reset", "target-reset", "i-t-nexus-reset"] as const) {
      const operated = new Operated();
      const { task } = send(operated, overwrite(1, [9]));
      let completed = 0;
      operated.initiator.nexus.manage({ function: name, lun: 0, tag: task.tag, completed: () => completed++ });
      expect(completed, name).to.equal(1);
      expect(task.aborted).to.equal(true);
      operated.initiator.settle();
      expect(operated.said(), name).to.equal("2/4/1b 0");
      operated.release(5);
      expect(operated.said(), name).to.equal("0/0/0");
      expect(operated.contents().every((byte) => byte === 9)).to.equal(true);
    }
    const operated = new Operated();
    const sent = send(operated, overwrite(1, [9]));
    await operated.initiator.nexus.close();
    expect(sent.ends).to.equal(1);
    operated.release(5);
    operated.another().send(READY).good();
  });

  it("gives others their turn over a store that never waits", () => {
    const operated = new Operated({ holding: false, size: 40 << 20 });
    const sent = send(operated, overwrite(1, [1]));
    expect(operated.said()).to.equal(`2/4/1b ${Math.floor((16 * 0x10000) / 40)}`);
    operated.clock.step();
    expect(operated.said()).to.equal(`2/4/1b ${Math.floor((32 * 0x10000) / 40)}`);
    operated.clock.step();
    sent.good();
    expect(operated.store.seen).to.have.length((40 << 20) / PIECE + 1);
  });

  it("refuses lists that are none, with a pointer", () => {
    const operated = new Operated({ holding: false });
    const cdbOf = (length: number) => Uint8Array.of(0x48, 1, 0, 0, 0, 0, 0, length >> 8, length & 255, 0);
    for (const length of [0, 4, 517]) {
      const sent = operated.initiator.send(cdbOf(length), { out: new Uint8Array(517) });
      sent.checked(SENSE.invalidFieldInCdb, "c0 00 07");
    }
    operated.initiator.send(cdbOf(5), { out: "01 00 00 01" }).checked(SENSE.parameterListLengthError);
    const list = (out: string) => operated.initiator.send(cdbOf(6), { out });
    list("21 00 00 02 aa aa").checked(SENSE.invalidFieldInParameterList, "8e 00 00");
    list("80 00 00 02 aa aa").checked(SENSE.invalidFieldInParameterList, "8c 00 00");
    list("01 01 00 02 aa aa").checked(SENSE.invalidFieldInParameterList, "80 00 01");
    list("01 00 00 00 aa aa").checked(SENSE.invalidFieldInParameterList, "80 00 02");
    list("01 00 02 01 aa aa").checked(SENSE.invalidFieldInParameterList, "80 00 02");
    list("01 00 00 01 aa aa").checked(SENSE.parameterListLengthError);
    list("01 00 00 03 aa aa").checked(SENSE.parameterListLengthError);
    expect(operated.contents().every((byte) => byte === 0)).to.equal(true);
  });

  it("needs a medium that can be written", () => {
    send(new Operated({ readOnly: true }), overwrite(1, [1])).checked(SENSE.writeProtected);
    const stopped = new Operated({ holding: false });
    stopped.initiator.send("1b 00 00 00 00 00").good();
    send(stopped, overwrite(1, [1])).checked(SENSE.initializingCommandRequired);
  });
});

describe("SANITIZE/BLOCK ERASE", () => {
  it("gives every block back, and takes no list", () => {
    const { initiator } = withDisk();
    initiator.send("2a 00 00 00 00 00 00 00 40 00", { out: pattern(64 * 512) }).good();
    initiator
      .send("48 02 00 00 00 00 00 00 08 00", { out: new Uint8Array(8) })
      .checked(SENSE.invalidFieldInCdb, "cb 00 08");
    initiator.send(blockErase()).good();
    const { data } = initiator.send("9e 12 00 00 00 00 00 00 00 00 00 00 00 ff 00 00", { room: 255 });
    expect(data).to.equal("00 00 00 14 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 40 01 00 00 00");
  });

  it("is only there where blocks can be given back", () => {
    withDisk({ thin: false }).initiator.send(blockErase()).checked(SENSE.invalidFieldInCdb, "cc 00 01");
  });
});

describe("SANITIZE that failed", () => {
  it("leaves nothing to run but another one, until that succeeds", () => {
    const operated = failed(0);
    expect(operated.said()).to.equal("3/31/3");
    for (const cdb of [READY, "28 00 00 00 00 00 00 00 01 00", "1a 08 3f 00 ff 00", "04 00 00 00 00 00"]) {
      operated.initiator.send(cdb).checked(SENSE.sanitizeCommandFailed);
    }
    operated.initiator.nexus.manage({ function: "logical-unit-reset", lun: 0, completed: () => {} });
    operated.initiator.settle();
    operated.initiator.send(READY).checked(SENSE.sanitizeCommandFailed);
    operated.initiator.send(exit()).checked(SENSE.invalidFieldInCdb, "cc 00 01");
    operated.initiator.send(blockErase(AUSE)).checked(SENSE.invalidFieldInCdb, "cd 00 01");
    operated.initiator.send(blockErase()).good();
    operated.initiator.send(READY).good();
  });

  it("with AUSE ends by EXIT FAILURE MODE, or by another one with AUSE", () => {
    const left = failed(AUSE);
    left.initiator.send(READY).checked(SENSE.sanitizeCommandFailed);
    left.initiator.send(exit()).good();
    left.initiator.send(READY).good();
    const again = failed(AUSE);
    again.initiator.send(blockErase(AUSE)).good();
    again.initiator.send(READY).good();
  });

  it("in the background says so to the next command", () => {
    const operated = new Operated();
    send(operated, overwrite(1, [1], IMMED)).good();
    operated.store.release(new StoreError("hardware", "gone"));
    operated.initiator.send(READY).checked(SENSE.sanitizeCommandFailed);
  });

  it("has nothing to exit from where nothing has failed", () => {
    const { initiator } = withDisk();
    expect(initiator.send(exit()).status).to.equal(Status.good);
    initiator
      .send("48 1f 00 00 00 00 00 00 08 00", { out: new Uint8Array(8) })
      .checked(SENSE.invalidFieldInCdb, "cb 00 08");
  });
});

describe("SANITIZE/CRYPTOGRAPHIC ERASE", () => {
  const WRITE = "2a 00 00 00 00 08 00 00 08 00";
  const READ = "28 00 00 00 00 08 00 00 08 00";
  const written = pattern(8 * 512);

  it("leaves nothing of what was written, and lets what was not be zeros", async () => {
    const { initiator, cipher } = encrypted();
    initiator.send(WRITE, { out: written }).good();
    const sent = initiator.send(cryptographicErase());
    initiator.send(READY).checked(SENSE.sanitizeInProgress);
    expect(cipher.changes).to.equal(1);
    await cipher.changed();
    sent.good();
    initiator.send(READY).good();
    const { bytes } = initiator.send(READ, { room: written.length });
    expect(bytes.some((byte, i) => byte === written[i])).to.equal(false);
    const hole = initiator.send("28 00 00 00 00 10 00 00 08 00", { room: 4096 });
    expect(hole.bytes.every((byte) => byte === 0)).to.equal(true);
    initiator.send(WRITE, { out: written }).good();
    expect(initiator.send(READ, { room: written.length }).bytes).to.deep.equal(written);
  });

  it("that could not change the key has failed, until one can", async () => {
    const { initiator, cipher } = encrypted();
    cipher.broken = true;
    const sent = initiator.send(cryptographicErase());
    await cipher.changed();
    sent.checked(SENSE.sanitizeCommandFailed);
    initiator.send(READY).checked(SENSE.sanitizeCommandFailed);
    cipher.broken = false;
    const again = initiator.send(cryptographicErase());
    await cipher.changed();
    again.good();
    initiator.send(READY).good();
  });

  it("takes no list, needs a medium that can be written, and says that blocks are read without an error", () => {
    const { initiator } = encrypted();
    initiator.send("48 03 00 00 00 00 00 00 08 00").checked(SENSE.invalidFieldInCdb, "cb 00 08");
    // WABEREQ and WACEREQ.
    expect(initiator.send("12 01 b1 00 40 00", { room: 64 }).bytes[7]).to.equal(0x50);
    encrypted({ readOnly: true }).initiator.send(cryptographicErase()).checked(SENSE.writeProtected);
    const thick = encrypted({ thin: false }).initiator;
    expect(thick.send("12 01 b1 00 40 00", { room: 64 }).bytes[7]).to.equal(0x10);
  });

  it("goes with BLOCK ERASE, which gives the blocks back as well", async () => {
    const { initiator, cipher } = encrypted();
    initiator.send(WRITE, { out: written }).good();
    const sent = initiator.send(blockErase());
    await cipher.changed();
    sent.good();
    expect(cipher.changes).to.equal(1);
    expect(initiator.send(READ, { room: 4096 }).bytes.every((byte) => byte === 0)).to.equal(true);
  });

  it("is reported where blocks are encrypted, and there alone", () => {
    const reported = "a3 0c 03 48 00 03 00 00 00 20 00 00";
    expect(encrypted().initiator.send(reported, { room: 32 }).data.slice(0, 41)).to.equal(
      "00 03 00 0a 48 a3 00 00 00 00 00 00 00 00",
    );
    expect(withDisk().initiator.send(reported, { room: 32 }).bytes[1]).to.equal(1);
  });
});

describe("SANITIZE that is not there", () => {
  it("is CRYPTOGRAPHIC ERASE where nothing is encrypted, and all of it without a clock", () => {
    const { initiator } = withDisk();
    initiator.send("48 03 00 00 00 00 00 00 00 00").checked(SENSE.invalidFieldInCdb, "cc 00 01");
    withDisk({ clock: undefined }).initiator.send(blockErase()).checked(SENSE.invalidOpcode);
  });
});

/** A disk of encrypted blocks, and its cipher. */
function encrypted(options: Partial<DiskOptions> = {}) {
  const cipher = new ChangingCipher();
  const store = encrypting(new MemoryStore(SIZE), cipher, 512);
  return { ...withDisk({ store, ...options }), cipher };
}

/** The first byte of the medium, as the store has it. */
function firstByte({ store }: Operated): string {
  const request = new StoreRequest();
  const byte = new Uint8Array(1);
  request.length = 1;
  request.places = new Places();
  request.places.add(byte, 0, 1);
  store.memory.submit(request);
  return byte[0].toString(16);
}
