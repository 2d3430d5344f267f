import { type CdromOptions, createCdrom, MemoryStore, SENSE, StoreRequest, Target } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { IDENTITY, Initiator, pattern, toHex } from "./initiator.js";
import { flipReservedBits, reportedBy } from "./opcode-table.js";

const SECTOR = 2048;
const SECTORS = 400;
/** One sector more than a CD of 80 minutes has. */
const DVD_SECTORS = 80 * 60 * 75 + 1;
const READY = "00 00 00 00 00 00";
const EJECT = "1b 00 00 00 02 00";
const LOAD = "1b 00 00 00 03 00";
const PREVENT = "1e 00 00 00 01 00";
const ALLOW = "1e 00 00 00 00 00";
const CAPACITY = "25 00 00 00 00 00 00 00 00 00";
const TOC = "43 00 00 00 00 00 00 03 24 00";
const MEDIA_EVENT = "4a 01 00 00 10 00 00 00 08 00";

function contents(sectors: number): MemoryStore {
  const store = new MemoryStore(sectors * SECTOR);
  const bytes = pattern(Math.min(sectors, SECTORS) * SECTOR, 7);
  const request = new StoreRequest();
  request.operation = "write";
  request.length = bytes.length;
  request.places = new Places();
  request.places.add(bytes, 0, bytes.length);
  store.submit(request);
  return store;
}

function withDrive(options: Partial<CdromOptions> = {}) {
  const drive = createCdrom({ ...IDENTITY, product: "CD-ROM", store: contents(SECTORS), ...options });
  const target = new Target();
  target.add(0, drive);
  return { drive, target, initiator: new Initiator(target).settle() };
}

const empty = () => withDrive({ store: null });
const dvd = () => withDrive({ store: new MemoryStore(DVD_SECTORS * SECTOR) });

describe("a CD/DVD drive", () => {
  it("says in INQUIRY that it is one, and that its medium is removable (MMC-6)", () => {
    const { initiator } = withDrive();
    const { bytes } = initiator.send("12 00 00 00 60 00", { room: 96 });
    expect(toHex(bytes.subarray(0, 8))).to.equal("05 80 06 02 5b 00 00 02");
    expect(toHex(bytes.subarray(58, 64))).to.equal("00 a0 04 60 04 e0");
    expect(initiator.send("12 01 00 00 ff 00", { room: 255 }).data).to.equal("05 00 00 05 00 80 83 86 87");
  });

  it("has every reserved bit of every command checked", () => {
    const { initiator } = withDrive({ portGroups: [{ id: 1, name: "all", ports: [1] }] });
    expect(flipReservedBits(initiator, reportedBy(initiator))).to.be.greaterThan(700);
  });

  it("neither plays nor writes", () => {
    const { initiator } = withDrive();
    for (const opcode of [0x2a, 0x45, 0x47, 0x48, 0x4b, 0x5b, 0x5d, 0xa5, 0xa1, 0xaa]) {
      const cdb = new Uint8Array(opcode < 0xa0 ? 10 : 12);
      cdb[0] = opcode;
      initiator.send(cdb).checked(SENSE.invalidOpcode);
    }
  });

  it("tells its capacity, and reads what is there", () => {
    const { initiator } = withDrive();
    expect(initiator.send(CAPACITY, { room: 8 }).data).to.equal("00 00 01 8f 00 00 08 00");
    const all = pattern(SECTORS * SECTOR, 7);
    const read10 = initiator.send("28 00 00 00 00 05 00 00 03 00", { room: 3 * SECTOR });
    expect(read10.bytes).to.deep.equal(all.subarray(5 * SECTOR, 8 * SECTOR));
    const read12 = initiator.send("a8 00 00 00 01 8f 00 00 00 01 00 00", { room: SECTOR });
    expect(read12.bytes).to.deep.equal(all.subarray(399 * SECTOR));
    initiator.send("28 00 00 00 01 8f 00 00 02 00", { room: 2 * SECTOR }).checked(SENSE.lbaOutOfRange);
    const short = initiator.send("28 00 00 00 00 05 00 00 03 00", { room: 100 });
    expect(short.bytes).to.deep.equal(all.subarray(5 * SECTOR, 5 * SECTOR + 100));
    expect(short.task.residual).to.equal(100 - 3 * SECTOR);
  });

  it("tells where it was read last", () => {
    const { initiator } = withDrive();
    initiator.send("2b 00 00 00 01 02 00 00 00 00").good();
    const wanted = { room: 64 };
    expect(initiator.send("bd 00 00 00 00 00 00 00 00 08 00 00", wanted).data).to.equal("00 00 00 01 02 00 00 00");
    const position = "00 15 00 0c 01 14 01 01 00 00 01 02 00 00 01 02";
    expect(initiator.send("42 00 40 01 00 00 00 00 40 00", wanted).data).to.equal(position);
    const times = "00 15 00 0c 01 14 01 01 00 00 05 21 00 00 03 21";
    expect(initiator.send("42 02 40 01 00 00 00 00 40 00", wanted).data).to.equal(times);
    expect(initiator.send("42 00 00 00 00 00 00 00 40 00", wanted).data).to.equal("00 15 00 00");
    initiator.send("2b 00 00 00 01 90 00 00 00 00").checked(SENSE.lbaOutOfRange);
  });

  it("remembers a speed and tells it", () => {
    const { initiator } = withDrive();
    const capabilities = () => initiator.send("5a 08 2a 00 00 00 00 00 28 00", { room: 40 }).bytes.subarray(8);
    expect(toHex(capabilities().subarray(0, 16))).to.equal("2a 1e 1f 00 00 00 29 00 1b 90 00 00 00 00 1b 90");
    initiator.send("bb 00 02 c2 00 00 00 00 00 00 00 00").good();
    expect(toHex(capabilities().subarray(8, 16))).to.equal("1b 90 00 00 00 00 02 c2");
    const performance = initiator.send("ac 10 00 00 00 00 00 00 00 01 00 00", { room: 24 });
    expect(performance.data).to.equal("00 00 00 14 00 00 00 00 00 00 00 00 00 00 02 c2 00 00 01 8f 00 00 02 c2");
  });
});

describe("what a drive tells of a disc", () => {
  it("is one data track and a lead-out in the table of contents, as blocks or times (MMC-6)", () => {
    const { initiator } = withDrive();
    const toc = (cdb: string) => initiator.send(cdb, { room: 804 });
    expect(toc(TOC).data).to.equal("00 12 01 01 00 14 01 00 00 00 00 00 00 14 aa 00 00 00 01 90");
    const times = "00 12 01 01 00 14 01 00 00 00 02 00 00 14 aa 00 00 00 07 19";
    expect(toc("43 02 00 00 00 00 01 03 24 00").data).to.equal(times);
    expect(toc("43 02 00 00 00 00 aa 03 24 00").data).to.equal("00 0a 01 01 00 14 aa 00 00 00 07 19");
    toc("43 00 00 00 00 00 02 03 24 00").checked(SENSE.invalidFieldInCdb, "c0 00 06");
    expect(toc("43 00 01 00 00 00 00 03 24 00").data).to.equal("00 0a 01 01 00 14 01 00 00 00 00 00");
    const raw = toc("43 02 02 00 00 00 00 03 24 00").data;
    expect(raw.slice(0, 44)).to.equal("00 2e 01 01 01 14 00 a0 00 00 00 00 01 00 00");
    expect(raw.slice(45, 78)).to.equal("01 14 00 a1 00 00 00 00 01 00 00 ");
    expect(raw.slice(78)).to.equal("01 14 00 a2 00 00 00 00 00 07 19 01 14 00 01 00 00 00 00 00 02 00");
    for (const format of [3, 4, 5, 15]) {
      toc(`43 00 0${format.toString(16)} 00 00 00 00 03 24 00`).checked(SENSE.invalidFieldInCdb, "cb 00 02");
    }
  });

  it("is a complete disc with one session and one track (MMC-6)", () => {
    const { initiator } = withDrive();
    const disc = initiator.send("51 00 00 00 00 00 00 00 22 00", { room: 34 }).data;
    expect(disc.slice(0, 26)).to.equal("00 20 0e 01 01 01 01 20 00");
    for (const cdb of [
      "52 00 00 00 00 05 00 00 24 00",
      "52 01 00 00 00 01 00 00 24 00",
      "52 02 00 00 00 01 00 00 24 00",
    ]) {
      const track = initiator.send(cdb, { room: 36 }).data;
      expect(track.slice(0, 35)).to.equal("00 22 01 01 00 04 01 00 00 00 00 00");
      expect(track.slice(72, 83)).to.equal("00 00 01 90");
    }
    initiator.send("52 00 00 00 01 90 00 00 24 00").checked(SENSE.lbaOutOfRange);
    initiator.send("52 01 00 00 00 00 00 00 24 00").checked(SENSE.invalidFieldInCdb, "c0 00 02");
    initiator.send("51 01 00 00 00 00 00 00 22 00").checked(SENSE.invalidFieldInCdb, "ca 00 01");
  });

  it("is a profile and its features (MMC-6)", () => {
    const { initiator } = withDrive();
    const configuration = (cdb: string, at = initiator) => at.send(cdb, { room: 512 }).data;
    const profiles = "46 02 00 00 00 00 00 02 00 00";
    const list = "00 00 00 10 00 00 00 08 00 00 03 08 00 10 00 00 00 08 01 00";
    expect(configuration(profiles)).to.equal(list);
    expect(configuration(profiles, dvd().initiator)).to.equal(
      "00 00 00 10 00 00 00 10 00 00 03 08 00 10 01 00 00 08 00 00",
    );
    expect(configuration(profiles, empty().initiator)).to.equal(
      "00 00 00 10 00 00 00 00 00 00 03 08 00 10 00 00 00 08 00 00",
    );
    expect(configuration("46 02 00 03 00 00 00 02 00 00")).to.equal("00 00 00 0c 00 00 00 08 00 03 07 04 39 00 00 00");
    const codes = (cdb: string): number[] => {
      const { bytes } = initiator.send(cdb, { room: 512 });
      const found = [];
      for (let at = 8; at < bytes.length; at += 4 + bytes[at + 3]) found.push((bytes[at] << 8) | bytes[at + 1]);
      return found;
    };
    expect(codes("46 00 00 00 00 00 00 02 00 00")).to.deep.equal([
      ...[0x0000, 0x0001, 0x0002, 0x0003, 0x0010, 0x001d, 0x001e, 0x001f, 0x0100, 0x0105, 0x0108],
    ]);
    expect(codes("46 01 00 1d 00 00 00 02 00 00")).to.deep.equal([0x001d, 0x001e, 0x0100, 0x0105, 0x0108]);
    expect(codes("46 02 00 20 00 00 00 02 00 00")).to.deep.equal([]);
    initiator.send("46 03 00 00 00 00 00 02 00 00").checked(SENSE.invalidFieldInCdb, "c9 00 01");
  });

  it("is of a DVD its physical format, and no copyright (MMC-6)", () => {
    const { initiator } = dvd();
    const structure = (format: string) => `ad 00 00 00 00 00 00 ${format} 08 04 00 00`;
    const physical = initiator.send(structure("00"), { room: 2052 }).bytes;
    expect(toHex(physical.subarray(0, 17))).to.equal("08 02 00 00 01 0f 01 00 00 03 00 00 00 08 7e 40 00");
    expect(initiator.send(structure("01"), { room: 8 }).data).to.equal("00 06 00 00 00 00 00 00");
    expect(initiator.send(structure("ff"), { room: 64 }).data).to.equal(
      "00 0e 00 00 00 40 08 04 01 40 00 08 04 40 08 04",
    );
    initiator.send(structure("02"), { room: 64 }).checked(SENSE.invalidFieldInCdb, "c0 00 07");
    withDrive().initiator.send(structure("00"), { room: 64 }).checked(SENSE.incompatibleMedium);
    initiator.send("43 02 02 00 00 00 00 03 24 00", { room: 64 }).checked(SENSE.incompatibleMedium);
  });
});

describe("READ CD", () => {
  const readCd = (selection: string, { type = "00", blocks = "01" } = {}) =>
    `be ${type} 00 00 00 10 00 00 ${blocks} ${selection} 00 00`;
  const user = pattern(SECTORS * SECTOR, 7).subarray(16 * SECTOR, 17 * SECTOR);

  it("gives the parts of a sector that are asked for, in their order (MMC-6)", () => {
    const { initiator } = withDrive();
    const whole = initiator.send(readCd("f8"), { room: 2352 }).bytes.slice();
    expect(whole).to.have.length(2352);
    expect(toHex(whole.subarray(0, 16))).to.equal("00 ff ff ff ff ff ff ff ff ff ff 00 00 02 16 01");
    expect(whole.subarray(16, 2064)).to.deep.equal(user);
    for (const [selection, from, to] of [
      ["10", 16, 2064],
      ["50", 16, 2064],
      ["18", 16, 2352],
      ["20", 12, 16],
      ["30", 12, 2064],
      ["78", 12, 2352],
      ["80", 0, 12],
      ["a0", 0, 16],
      ["b8", 0, 2352],
    ] as const) {
      const { bytes } = initiator.send(readCd(selection, { type: "08" }), { room: 2352 });
      expect(bytes, selection).to.deep.equal(whole.subarray(from, to));
    }
    expect(initiator.send(readCd("00")).good().task.transferLength).to.equal(0);
    for (const selection of ["08", "28", "48", "88", "90", "98", "a8", "d0"]) {
      initiator.send(readCd(selection), { room: 2352 }).checked(SENSE.invalidFieldInCdb, "cf 00 09");
    }
  });

  it("has codes that hold by their definition (ECMA-130, sectors and annex A)", () => {
    const { initiator } = withDrive();
    const { bytes } = initiator.send(readCd("f8", { blocks: "14" }), { room: 20 * 2352 });
    for (let sector = 0; sector < 20; sector++) judge(bytes.slice(sector * 2352, (sector + 1) * 2352));
    const torn = bytes.slice(0, 2352);
    torn[100] ^= 1;
    expect(() => judge(torn)).to.throw();
  });

  it("reads by times, and cuts to the room there is", () => {
    const { initiator } = withDrive();
    const whole = initiator.send(readCd("f8", { blocks: "03" }), { room: 3 * 2352 }).bytes.slice();
    const times = initiator.send("b9 00 00 00 02 10 00 02 13 f8 00 00", { room: 3 * 2352 });
    expect(times.bytes).to.deep.equal(whole);
    const cut = initiator.send(readCd("f8", { blocks: "03" }), { room: 2400 });
    expect(cut.bytes).to.deep.equal(whole.subarray(0, 2400));
    expect(cut.task.transferLength).to.equal(3 * 2352);
    initiator.send("b9 00 00 00 01 10 00 02 13 f8 00 00").checked(SENSE.lbaOutOfRange);
    initiator.send("b9 00 00 00 02 4b 00 03 13 f8 00 00").checked(SENSE.invalidFieldInCdb, "c0 00 03");
    initiator.send("b9 00 00 00 02 10 00 02 0f f8 00 00").checked(SENSE.invalidFieldInCdb, "c0 00 06");
  });

  it("refuses other types of sectors, sub-channels and error pointers", () => {
    const { initiator } = withDrive();
    for (const type of ["04", "0c", "10", "14"]) {
      initiator.send(readCd("10", { type }), { room: SECTOR }).checked(SENSE.illegalModeForTrack);
    }
    initiator.send(readCd("10", { type: "18" })).checked(SENSE.invalidFieldInCdb, "cc 00 01");
    initiator.send(readCd("12")).checked(SENSE.invalidFieldInCdb, "ca 00 09");
    initiator.send("be 00 00 00 00 10 00 00 01 10 01 00").checked(SENSE.invalidFieldInCdb, "ca 00 0a");
    initiator.send("be 00 00 00 01 90 00 00 01 10 00 00").checked(SENSE.lbaOutOfRange);
  });

  it("gives user data alone of a DVD", () => {
    const { initiator } = dvd();
    initiator.send(readCd("10"), { room: SECTOR }).good();
    initiator.send(readCd("f8"), { room: 2352 }).checked(SENSE.incompatibleMedium);
  });
});

/** Throws unless a sector is divided by its generators: bit by bit, not as it was made. */
function judge(sector: Uint8Array): void {
  let rest = 0n;
  for (const byte of sector.subarray(0, 2068)) {
    for (let bit = 0; bit < 8; bit++) {
      rest = (rest << 1n) | BigInt((byte >> bit) & 1);
      if (rest >> 32n) rest ^= 0x1_8001_801bn;
    }
  }
  expect(rest, "detection").to.equal(0n);
  const at = (index: number): number => sector[12 + index];
  for (let word = 0; word < 86; word++) expectWord(Array.from({ length: 26 }, (_, i) => at(word + 86 * i)));
  for (let word = 0; word < 52; word++) {
    const [high, low] = [word >> 1, word & 1];
    const data = Array.from({ length: 43 }, (_, i) => at(2 * ((44 * i + 43 * high) % 1118) + low));
    expectWord([...data, at(2236 + word), at(2236 + 52 + word)]);
  }
}

/** Σ v = 0 and Σ α^(n-1-i) v = 0. */
function expectWord(word: readonly number[]): void {
  let sum = 0;
  let weighed = 0;
  for (const value of word) {
    sum ^= value;
    weighed = (weighed << 1) ^ (weighed & 0x80 ? 0x11d : 0) ^ value;
  }
  expect([sum, weighed], "correction").to.deep.equal([0, 0]);
}

describe("a tray", () => {
  const room = { room: 8 };

  it("that is empty and closed is not ready, and says what it is all the same", () => {
    const { initiator } = empty();
    for (const cdb of [READY, CAPACITY, TOC, "1b 00 00 00 01 00", "be 00 00 00 00 10 00 00 01 10 00 00"]) {
      initiator.send(cdb, room).checked(SENSE.mediumNotPresentTrayClosed);
    }
    expect(initiator.send(MEDIA_EVENT, room).data).to.equal("00 06 04 5e 00 00 00 00");
    expect(initiator.send("03 00 00 00 12 00", { room: 18 }).bytes[13]).to.equal(0x01);
    initiator.send("5a 08 2a 00 00 00 00 00 28 00", { room: 40 }).good();
    initiator.send("1d 04 00 00 00 00").good();
  });

  it("opens and closes as an initiator wants it, and every initiator hears of the disc", () => {
    const { initiator, target } = withDrive();
    const other = new Initiator(target).settle();
    initiator.send(EJECT).good();
    initiator.send(READY).checked(SENSE.mediumNotPresentTrayOpen);
    expect(initiator.send(MEDIA_EVENT, room).data).to.equal("00 06 04 5e 03 03 00 00");
    expect(initiator.send(MEDIA_EVENT, room).data).to.equal("00 06 04 5e 00 03 00 00");
    expect(initiator.send("bd 00 00 00 00 00 00 00 00 08 00 00", room).bytes[1]).to.equal(0x10);
    initiator.send(LOAD).good();
    // What looks for events finds them before the unit attention is reported.
    expect(initiator.send(MEDIA_EVENT, room).data).to.equal("00 06 04 5e 02 02 00 00");
    for (const each of [initiator, other]) {
      each.send(READY).checked(SENSE.mediumMayHaveChanged);
      each.send(READY).good();
    }
    expect(other.send(MEDIA_EVENT, room).data).to.equal("00 06 04 5e 02 02 00 00");
  });

  it("stays shut while an initiator prevents it; the button asks instead (MMC-6, PREVENT ALLOW MEDIUM REMOVAL)", () => {
    const { initiator, drive } = withDrive();
    initiator.send(PREVENT).good();
    initiator.send(EJECT).checked(SENSE.mediumRemovalPrevented);
    expect(initiator.send("5a 08 2a 00 00 00 00 00 28 00", { room: 40 }).bytes[8 + 6]).to.equal(0x2b);
    expect(drive.pressEject()).to.equal(false);
    expect(initiator.send(MEDIA_EVENT, room).data).to.equal("00 06 04 5e 01 02 00 00");
    initiator.send(READY).good();
    initiator.send(ALLOW).good();
    expect(drive.pressEject()).to.equal(true);
    initiator.send(READY).checked(SENSE.mediumNotPresentTrayOpen);
  });

  it("is kept shut for the button alone by persistent prevention, until a reset", () => {
    const { initiator, drive } = withDrive();
    initiator.send("1e 00 00 00 03 00").good();
    expect(drive.pressEject()).to.equal(false);
    initiator.send(EJECT).good();
    initiator.send(LOAD).good();
    initiator.settle().send("1e 00 00 00 02 00").good();
    expect(drive.prevented).to.equal(false);
    initiator.send("1e 00 00 00 03 00").good();
    drive.reset();
    expect(drive.prevented).to.equal(false);
  });

  it("takes another disc at run time, and none", async () => {
    const { initiator, drive } = withDrive();
    await drive.insert(contents(500));
    initiator.send(CAPACITY, room).checked(SENSE.mediumMayHaveChanged);
    expect(initiator.send(CAPACITY, room).data).to.equal("00 00 01 f3 00 00 08 00");
    await drive.takeOut();
    expect(drive.loaded).to.equal(null);
    initiator.send(CAPACITY, room).checked(SENSE.mediumNotPresentTrayOpen);
    expect(initiator.send(MEDIA_EVENT, room).data).to.equal("00 06 04 5e 03 01 00 00");
    initiator.send(LOAD).good();
    initiator.send(READY).checked(SENSE.mediumNotPresentTrayClosed);
    await drive.insert(contents(600));
    initiator.send(READY).checked(SENSE.mediumMayHaveChanged);
    initiator.send(READY).good();
  });

  it("whose disc is taken out in mid-read ends the command, and then closes the store", async () => {
    const store = new HeldStore(SECTORS * SECTOR);
    const { initiator, drive } = withDrive({ store });
    const reads = ["28 00 00 00 00 00 00 00 20 00", "be 00 00 00 00 10 00 00 20 f8 00 00"].map((cdb) =>
      initiator.send(cdb, { room: 32 * 2352 }),
    );
    const takenOut = drive.takeOut();
    expect(store.cancelled).to.have.length(2);
    store.release();
    store.release();
    await takenOut;
    for (const read of reads) read.checked(SENSE.mediumNotPresentTrayOpen);
  });

  it("that has classes of events of which none is asked for says so (MMC-6, GET EVENT STATUS NOTIFICATION)", () => {
    const { initiator } = withDrive();
    expect(initiator.send("4a 01 00 00 80 00 00 00 08 00", room).data).to.equal("00 02 80 5e");
    expect(initiator.send("4a 01 00 00 04 00 00 00 08 00", room).data).to.equal("00 06 02 5e 00 01 00 00");
    initiator.send("4a 00 00 00 10 00 00 00 08 00", room).checked(SENSE.invalidFieldInCdb, "c8 00 01");
    // Room for the header alone forgets nothing.
    initiator.send(EJECT).good();
    expect(initiator.send("4a 01 00 00 1e 00 00 00 04 00", { room: 4 }).data).to.equal("00 06 04 5e");
    expect(initiator.send("4a 01 00 00 1e 00 00 00 08 00", room).data).to.equal("00 06 04 5e 03 03 00 00");
  });
});
