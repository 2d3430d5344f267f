import { Status } from "@pvscsi/scsi";
import { expect } from "chai";
import { pattern, toHex } from "./initiator.js";
import {
  ended,
  locate,
  MEBIBYTE,
  position,
  read,
  rewind,
  setBlockLength,
  space,
  withTape,
  write,
  writeFilemarks,
} from "./taping.js";

/** Three records, a filemark, two records, a filemark. */
async function withFiles() {
  const all = await withTape();
  const { initiator } = all;
  for (const length of [100, 200, 301]) write(initiator, pattern(length, length)).good();
  writeFilemarks(initiator).good();
  for (const length of [512, 512]) write(initiator, pattern(length)).good();
  writeFilemarks(initiator).good();
  rewind(initiator).good();
  return all;
}

describe("a tape drive", () => {
  it("is a sequential-access device with a removable medium", async () => {
    const { initiator } = await withTape();
    const bytes = initiator.send("12 00 00 00 60 00", { room: 96 }).bytes;
    expect(toHex(bytes.subarray(0, 4))).to.equal("01 80 06 02");
    expect(toHex(initiator.send("05 00 00 00 00 00", { room: 6 }).bytes)).to.equal("00 80 00 00 00 01");
  });

  it("reads records as they were written, and says what they are not (SSC-3 6.4)", async () => {
    const { initiator } = await withFiles();
    expect(read(initiator, 100).bytes).to.deep.equal(pattern(100, 100));
    const shorter = read(initiator, 300);
    expect(ended(shorter)).to.equal("0/0/0 ili 100");
    expect(shorter.task.transferLength).to.equal(200);
    expect(shorter.buffer.subarray(0, 200)).to.deep.equal(pattern(200, 200));
    const longer = read(initiator, 1);
    expect(ended(longer)).to.equal("0/0/0 ili -300");
    expect(longer.task.transferLength).to.equal(1);
    expect(ended(read(initiator, 512))).to.equal("0/0/1 filemark 512");
    expect(read(initiator, 512).bytes).to.deep.equal(pattern(512));
    expect(ended(read(initiator, 4096, { flags: 2 }))).to.equal("good");
    expect(ended(read(initiator, 7))).to.equal("0/0/1 filemark 7");
    expect(ended(read(initiator, 7))).to.equal("8/0/5 7");
    expect(ended(read(initiator, 7))).to.equal("8/0/5 7");
  });

  it("with SILI tells of a longer record only where there is a block length", async () => {
    const { initiator } = await withFiles();
    expect(ended(read(initiator, 1, { flags: 2 }))).to.equal("good");
    setBlockLength(initiator, 512).good();
    expect(ended(read(initiator, 1, { flags: 2 }))).to.equal("0/0/0 ili -199");
    expect(ended(read(initiator, 1, { flags: 3 }))).to.equal("5/24/0");
  });

  it("reads and writes fixed blocks, many at a time", async () => {
    const { initiator } = await withTape();
    expect(ended(write(initiator, pattern(1024), 512))).to.equal("5/24/0");
    setBlockLength(initiator, 511).good();
    const data = pattern(511 * 200, 3);
    write(initiator, data, 511).good();
    writeFilemarks(initiator).good();
    write(initiator, pattern(100)).good();
    expect(position(initiator).object).to.equal(202);
    rewind(initiator).good();
    expect(read(initiator, 199, { flags: 1, blockLength: 511 }).bytes).to.deep.equal(data.subarray(0, 199 * 511));
    const last = read(initiator, 5, { flags: 1, blockLength: 511 });
    expect(ended(last)).to.equal("0/0/1 filemark 4");
    expect(last.task.transferLength).to.equal(511);
    expect(last.buffer.subarray(0, 511)).to.deep.equal(data.subarray(199 * 511));
    expect(ended(read(initiator, 3, { flags: 1, blockLength: 511 }))).to.equal("0/0/0 ili 3");
    expect(ended(read(initiator, 3, { flags: 1, blockLength: 511 }))).to.equal("8/0/5 3");
  });

  it("spaces over blocks and filemarks, and says where it had to stop (SSC-3 7.11)", async () => {
    const { initiator } = await withFiles();
    expect(ended(space(initiator, 0, 2))).to.equal("good");
    expect(ended(space(initiator, 0, 5))).to.equal("0/0/1 filemark 4");
    expect(position(initiator)).to.deep.equal({ flags: 0, partition: 0, object: 4, file: 1 });
    expect(ended(space(initiator, 0, -3))).to.equal("0/0/1 filemark 3");
    expect(position(initiator).object).to.equal(3);
    expect(ended(space(initiator, 0, -5))).to.equal("0/0/4 eom 2");
    expect(ended(space(initiator, 1, 2))).to.equal("good");
    expect(position(initiator).file).to.equal(2);
    expect(ended(space(initiator, 1, -1))).to.equal("good");
    expect(position(initiator).object).to.equal(6);
    expect(ended(space(initiator, 1, -3))).to.equal("0/0/4 eom 2");
    expect(ended(space(initiator, 1, 3))).to.equal("8/0/5 1");
    expect(ended(space(initiator, 0, -1))).to.equal("0/0/1 filemark 1");
    expect(ended(space(initiator, 3, 0))).to.equal("good");
    expect(position(initiator).object).to.equal(7);
    expect(ended(space(initiator, 0, 1))).to.equal("8/0/5 1");
    expect(ended(space(initiator, 4, 1))).to.equal("5/24/0");
  });

  it("spaces to filemarks that follow one another", async () => {
    const { initiator } = await withFiles();
    space(initiator, 3, 0).good();
    writeFilemarks(initiator, 2).good();
    write(initiator, pattern(9)).good();
    rewind(initiator).good();
    expect(ended(space(initiator, 2, 3))).to.equal("good");
    expect(position(initiator).object).to.equal(9);
    expect(ended(space(initiator, 2, 2))).to.equal("8/0/5 2");
    expect(ended(space(initiator, 2, -2))).to.equal("good");
    expect(position(initiator).object).to.equal(7);
  });

  it("SPACE(16) takes negative counts", async () => {
    const { initiator } = await withFiles();
    space(initiator, 3, 0).good();
    expect(ended(initiator.send("91 01 00 00 ff ff ff ff ff ff ff fe 00 00 00 00"))).to.equal("good");
    expect(position(initiator).object).to.equal(3);
  });

  it("locates objects, files and the end of data (SSC-3 7.3, 7.4)", async () => {
    const { initiator } = await withFiles();
    locate(initiator, 5).good();
    expect(position(initiator)).to.deep.equal({ flags: 0, partition: 0, object: 5, file: 1 });
    expect(ended(locate(initiator, 8))).to.equal("8/0/5");
    expect(position(initiator).object).to.equal(7);
    initiator.send("92 08 00 00 00 00 00 00 00 00 00 01 00 00 00 00").good();
    expect(position(initiator).object).to.equal(4);
    initiator.send("92 18 00 00 00 00 00 00 00 00 00 00 00 00 00 00").good();
    expect(position(initiator).object).to.equal(7);
    expect(ended(locate(initiator, 0, 1))).to.equal("5/24/0");
    const short = initiator.send("34 00 00 00 00 00 00 00 00 00", { room: 20 }).bytes;
    expect(toHex(short.subarray(0, 12))).to.equal("30 00 00 00 00 00 00 07 00 00 00 07");
    const extended = initiator.send("34 08 00 00 00 00 00 00 20 00", { room: 32 }).bytes;
    expect(toHex(extended.subarray(0, 16))).to.equal("30 00 00 1c 00 00 00 00 00 00 00 00 00 00 00 07");
  });

  it("ends data where it is written, erased or marked", async () => {
    const { initiator } = await withFiles();
    locate(initiator, 2).good();
    write(initiator, pattern(50, 5)).good();
    expect(ended(read(initiator, 50))).to.equal("8/0/5 50");
    rewind(initiator).good();
    space(initiator, 0, 2).good();
    expect(read(initiator, 50).bytes).to.deep.equal(pattern(50, 5));
    locate(initiator, 1).good();
    initiator.send("19 01 00 00 00 00").good();
    expect(ended(space(initiator, 0, 1))).to.equal("8/0/5 1");
  });

  it("warns before the end of the partition, and stops at it (SSC-3 4.2.4)", async () => {
    const { initiator } = await withTape({ capacity: MEBIBYTE });
    let warned = 0;
    for (;;) {
      const how = ended(write(initiator, pattern(10_000)));
      if (how === "0/0/2 eom 0") warned += 1;
      else if (how !== "good") {
        expect(how).to.equal("d/0/2 eom 10000");
        break;
      }
    }
    expect(warned).to.be.above(1);
    expect(position(initiator)).to.deep.include({ flags: 0x40, object: 104 });
    expect(ended(writeFilemarks(initiator))).to.equal("0/0/2 eom 0");
    rewind(initiator).good();
    space(initiator, 1, 1).good();
    expect(position(initiator).object).to.equal(105);
  });

  it("says of fixed blocks how many were not written", async () => {
    const { initiator } = await withTape({ capacity: MEBIBYTE });
    setBlockLength(initiator, 65_536).good();
    const sent = write(initiator, pattern(20 * 65_536), 65_536);
    expect(ended(sent)).to.equal("d/0/2 eom 5");
    expect(sent.task.transferLength).to.equal(15 * 65_536);
  });

  it("protects what was written of WORM, and all of a protected cartridge", async () => {
    const { initiator } = await withTape({ worm: true });
    write(initiator, pattern(100)).good();
    write(initiator, pattern(100)).good();
    rewind(initiator).good();
    expect(ended(write(initiator, pattern(100)))).to.equal("7/30/c");
    expect(ended(writeFilemarks(initiator))).to.equal("7/30/c");
    expect(ended(initiator.send("19 00 00 00 00 00"))).to.equal("7/30/c");
    space(initiator, 3, 0).good();
    write(initiator, pattern(100)).good();
    const { initiator: other } = await withTape({ writeProtected: true });
    expect(ended(write(other, pattern(100)))).to.equal("7/27/0");
    expect(other.send("1a 00 00 00 0c 00", { room: 12 }).bytes[2]).to.equal(0x90);
  });

  it("unloads, loads, and holds what is not threaded (SSC-3 7.2)", async () => {
    const { initiator } = await withFiles();
    initiator.send("1e 00 00 00 01 00").good();
    expect(ended(initiator.send("1b 00 00 00 00 00"))).to.equal("5/53/2");
    initiator.send("1e 00 00 00 00 00").good();
    initiator.send("1b 00 00 00 00 00").good();
    expect(ended(initiator.send("00 00 00 00 00 00"))).to.equal("2/3a/0");
    initiator.send("1b 00 00 00 01 00").good();
    expect(read(initiator, 100).bytes).to.deep.equal(pattern(100, 100));
    initiator.send("1b 00 00 00 09 00").good();
    expect(ended(initiator.send("00 00 00 00 00 00"))).to.equal("2/4/2");
    expect(ended(initiator.send("1b 00 00 00 05 00"))).to.equal("5/24/0");
  });

  it("gives its cartridge to whoever moves it, and tells of another", async () => {
    const { initiator, drive } = await withFiles();
    const tape = await drive.unload();
    expect(ended(read(initiator, 100))).to.equal("2/3a/0");
    if (tape === null) return expect.fail("nothing was in it");
    drive.load(tape);
    expect(ended(read(initiator, 100))).to.equal("6/28/0");
    expect(read(initiator, 100).bytes).to.deep.equal(pattern(100, 100));
  });

  it("is cut into two partitions by mode page 11h and FORMAT MEDIUM", async () => {
    const { initiator, drive } = await withFiles();
    const list = "00 00 10 00 11 0a 01 01 34 03 00 00 ff ff 00 02";
    initiator.send("15 10 00 00 10 00", { out: list }).good();
    locate(initiator, 1).good();
    expect(ended(initiator.send("04 00 01 00 00 00"))).to.equal("5/3b/c");
    rewind(initiator).good();
    const format = initiator.send("04 00 01 00 00 00");
    await new Promise<void>((resolve) => setImmediate(resolve));
    format.good();
    expect(drive.tape?.partitions.map(({ store }) => store.bytes.size)).to.deep.equal([
      4 * MEBIBYTE - 2_000_000,
      2_000_000,
    ]);
    write(initiator, pattern(10, 1)).good();
    locate(initiator, 0, 1).good();
    write(initiator, pattern(10, 2)).good();
    expect(position(initiator)).to.deep.include({ partition: 1, object: 1 });
    locate(initiator, 0, 0).good();
    expect(read(initiator, 10).bytes).to.deep.equal(pattern(10, 1));
    expect(ended(read(initiator, 10))).to.equal("8/0/5 10");
    rewind(initiator).good();
    const whole = initiator.send("04 00 00 00 00 00");
    await new Promise<void>((resolve) => setImmediate(resolve));
    whole.good();
    expect(initiator.send("1a 08 11 00 20 00", { room: 32 }).data).to.match(/^0f 00 10 00 11 0a 01 00/);
  });

  it("verifies without giving data", async () => {
    const { initiator } = await withFiles();
    expect(ended(initiator.send("13 00 00 00 64 00"))).to.equal("good");
    expect(ended(initiator.send("13 00 00 00 64 00"))).to.equal("0/0/0 ili -100");
    expect(position(initiator).object).to.equal(2);
  });

  it("answers page 0 of MODE SENSE with what stands before the pages, as Linux' st asks", async () => {
    const { initiator } = await withTape();
    setBlockLength(initiator, 1024).good();
    expect(initiator.send("1a 00 00 00 0c 00", { room: 12 }).data).to.equal("0b 00 10 08 e0 00 00 00 00 00 04 00");
    expect(ended(setBlockLength(initiator, 0x80_0001))).to.equal("5/26/0");
  });

  it("counts what it moves, and tells in log pages 0Ch and 2Eh", async () => {
    const { initiator } = await withFiles();
    read(initiator, 100).good();
    const bytes = initiator.send("4d 00 4c 00 00 00 00 01 00 00", { room: 256 }).bytes;
    expect(toHex(bytes.subarray(4, 16))).to.equal("00 00 02 08 00 00 00 00 00 00 06 59");
    expect(bytes[3 + 12 * 2 + 12]).to.equal(100);
    const alerts = initiator.send("4d 00 6e 00 00 00 00 02 00 00", { room: 512 }).bytes;
    expect(alerts.length).to.equal(4 + 64 * 5);
  });

  it("tells of its cartridge by READ ATTRIBUTE (SPC-4 7.4)", async () => {
    const { initiator } = await withTape({ barcode: "PV0001L6", worm: true });
    const bytes = initiator.send("8c 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00", { room: 256 }).bytes;
    expect(toHex(bytes.subarray(0, 17))).to.equal("00 00 00 52 00 00 80 00 08 00 00 00 00 00 00 00 04");
    const from = initiator.send("8c 00 00 00 00 00 00 00 04 08 00 00 01 00 00 00", { room: 256 }).bytes;
    expect(toHex(from.subarray(4, 15))).to.equal("04 08 80 00 01 80 08 06 81 00 20");
    expect(String.fromCharCode(...from.subarray(15)).trim()).to.equal("PV0001L6");
    expect(initiator.send("8c 01 00 00 00 00 00 00 00 00 00 00 01 00 00 00", { room: 256 }).data).to.equal(
      "00 00 00 0a 00 00 00 01 00 02 04 08 08 06",
    );
    expect(initiator.send("8c 03 00 00 00 00 00 00 00 00 00 00 01 00 00 00", { room: 4 }).data).to.equal("00 02 00 01");
    expect(ended(initiator.send("8c 00 00 00 00 00 00 00 00 05 00 00 01 00 00 00", { room: 4 }))).to.equal("5/24/0");
    expect(ended(initiator.send("8c 00 00 00 00 00 00 01 00 00 00 00 01 00 00 00", { room: 4 }))).to.equal("5/24/0");
  });

  it("a reserved bit that is set is refused in every command of its own", async () => {
    const { initiator, drive } = await withFiles();
    for (const { command, usage } of drive.table.rows) {
      for (let bit = 8; bit < 8 * usage.length; bit++) {
        const [byte, mask] = [bit >>> 3, 0x80 >>> (bit & 7)];
        const inAction = byte === 1 && command.serviceAction !== null && (mask & 0x1f) !== 0;
        if ((usage[byte] & mask) !== 0 || inAction || command.opcode === 0x12) continue;
        const cdb = new Uint8Array(usage.length);
        cdb[0] = command.opcode;
        cdb[1] = command.serviceAction ?? 0;
        cdb[byte] |= mask;
        const sent = initiator.send(cdb);
        expect(sent.status, `${command.name} ${toHex(cdb)}`).to.equal(Status.checkCondition);
        expect(toHex(sent.task.sense.subarray(12, 14)), `${command.name} ${toHex(cdb)}`).to.equal("24 00");
      }
    }
    expect(position(initiator).object).to.equal(0);
  });
});
