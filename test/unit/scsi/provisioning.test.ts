import { createDisk, NullStore, SENSE, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { IDENTITY, Initiator, pattern, toHex, withDisk } from "./initiator.js";

const FULL = "2a 00 00 00 00 00 00 00 40 00";

function filled(options = {}) {
  const made = withDisk(options);
  made.initiator.send(FULL, { out: pattern(64 * 512) }).good();
  return made;
}

function read(initiator: Initiator, lba: number, blocks: number): Uint8Array {
  return initiator.send(Uint8Array.of(0x28, 0, 0, 0, 0, lba, 0, 0, blocks, 0), { room: blocks * 512 }).bytes;
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((value) => value === 0);

/** `00 00 00 00 00 00 00 08 | 00 00 00 08 | status` for each descriptor, as `lba+blocks status`. */
function status(initiator: Initiator, lba: number, allocation = 255): string[] {
  const cdb = Uint8Array.of(0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, lba, 0, 0, 0, allocation, 0, 0);
  const { bytes } = initiator.send(cdb, { room: allocation });
  const found: string[] = [];
  for (let at = 8; at + 16 <= bytes.length; at += 16)
    found.push(`${bytes[at + 7]}+${bytes[at + 11]} ${bytes[at + 12]}`);
  return found;
}

describe("UNMAP", () => {
  const unmap = (initiator: Initiator, list: string, length?: number) => {
    const bytes = list.replaceAll(" ", "").length / 2;
    const size = length ?? bytes;
    return initiator.send(Uint8Array.of(0x42, 0, 0, 0, 0, 0, 0, size >> 8, size & 255, 0), { out: list });
  };
  const range = (lba: number, blocks: number) =>
    `${lba.toString(16).padStart(16, "0")} ${blocks.toString(16).padStart(8, "0")} 00000000`;

  it("makes ranges read as zeros, and gives them back", () => {
    const { initiator } = filled();
    unmap(initiator, `0026 0020 00000000 ${range(8, 8)} ${range(33, 2)}`).good();
    expect(isZero(read(initiator, 8, 8))).to.equal(true);
    expect(isZero(read(initiator, 33, 2))).to.equal(true);
    expect(read(initiator, 16, 17)).to.deep.equal(pattern(64 * 512).slice(16 * 512, 33 * 512));
    expect(read(initiator, 35, 1)).to.deep.equal(pattern(64 * 512).slice(35 * 512, 36 * 512));
    expect(status(initiator, 0)).to.deep.equal(["0+8 0", "8+8 1", "16+48 0"]);
  });

  it("takes lists without a range, ranges without a block, and a last descriptor that is cut", () => {
    const { initiator } = filled();
    initiator.send("42 00 00 00 00 00 00 00 00 00").good();
    unmap(initiator, "0006 0000 00000000").good();
    unmap(initiator, `0016 0010 00000000 ${range(64, 0)}`).good();
    unmap(initiator, `001e 0018 00000000 ${range(8, 8)} 0000000000000000`).good();
    expect(isZero(read(initiator, 8, 8))).to.equal(true);
  });

  it("checks all ranges before it unmaps the first", () => {
    const { initiator } = filled();
    unmap(initiator, `0026 0020 00000000 ${range(8, 8)} ${range(60, 5)}`).checked(SENSE.lbaOutOfRange);
    expect(isZero(read(initiator, 8, 1))).to.equal(false);
  });

  it("refuses lists that are cut, and more than the limits of B0h", () => {
    const { initiator, store } = filled();
    unmap(initiator, "0006 0000 000000").checked(SENSE.parameterListLengthError);
    unmap(initiator, `0026 0020 00000000 ${range(8, 8)}`).checked(SENSE.parameterListLengthError);
    unmap(initiator, `0016 0010 00000000 ${range(8, 8)}`, 25).checked(SENSE.parameterListLengthError);
    unmap(initiator, `1016 1010 00000000 ${range(0, 0).repeat(257)}`).checked(
      SENSE.invalidFieldInParameterList,
      "80 00 02",
    );
    store.resize(2 ** 31);
    initiator.settle();
    unmap(initiator, `0026 0020 00000000 ${range(0, 1)} ${range(0, 2 ** 21)}`).checked(
      SENSE.invalidFieldInParameterList,
      "80 00 20",
    );
  });

  it("is not there without thin provisioning", () => {
    const { initiator } = filled({ thin: false });
    unmap(initiator, `0016 0010 00000000 ${range(8, 8)}`).checked(SENSE.invalidOpcode);
    initiator.send("41 08 00 00 00 00 00 00 01 00", { out: pattern(512) }).checked(SENSE.invalidFieldInCdb, "cb 00 01");
  });
});

describe("WRITE SAME", () => {
  it("(10) and (16) repeat one block", () => {
    const { initiator } = withDisk();
    initiator.send("41 00 00 00 00 08 00 00 08 00", { out: pattern(512, 3) }).good();
    initiator.send("93 00 00 00 00 00 00 00 00 10 00 00 00 08 00 00", { out: pattern(512, 3) }).good();
    for (let lba = 8; lba < 24; lba++) expect(read(initiator, lba, 1)).to.deep.equal(pattern(512, 3));
    expect(isZero(read(initiator, 7, 1))).to.equal(true);
    expect(isZero(read(initiator, 24, 1))).to.equal(true);
  });

  it("goes to the end of the medium for no number of blocks", () => {
    const { initiator } = withDisk();
    initiator.send("41 00 00 00 00 30 00 00 00 00", { out: pattern(512, 3) }).good();
    for (const lba of [48, 63]) expect(read(initiator, lba, 1)).to.deep.equal(pattern(512, 3));
    expect(isZero(read(initiator, 47, 1))).to.equal(true);
    initiator.send("41 00 00 00 00 40 00 00 00 00", { out: pattern(512, 3) }).good();
    initiator.send("41 00 00 00 00 41 00 00 00 00", { out: pattern(512, 3) }).checked(SENSE.lbaOutOfRange);
  });

  it("unmaps for UNMAP with zeros, writes what is not zeros", () => {
    const { initiator } = filled();
    initiator.send("41 08 00 00 00 08 00 00 08 00", { out: new Uint8Array(512) }).good();
    initiator.send("93 09 00 00 00 00 00 00 00 20 00 00 00 08 00 00").good();
    expect(status(initiator, 0)).to.deep.equal(["0+8 0", "8+8 1", "16+16 0", "32+8 1", "40+24 0"]);
    initiator.send("41 08 00 00 00 08 00 00 08 00", { out: pattern(512, 3) }).good();
    expect(read(initiator, 15, 1)).to.deep.equal(pattern(512, 3));
    expect(status(initiator, 8)).to.deep.equal(["8+24 0", "32+8 1", "40+24 0"]);
  });

  it("writes zeros without data for NDOB", () => {
    const { initiator } = filled();
    initiator.send("93 01 00 00 00 00 00 00 00 08 00 00 00 08 00 00").good();
    expect(isZero(read(initiator, 8, 8))).to.equal(true);
  });

  it("fills more than one piece of its buffer", () => {
    const { initiator, store } = withDisk();
    store.resize(512 * 1024);
    initiator
      .settle()
      .send("41 00 00 00 00 01 00 03 00 00", { out: pattern(512, 3) })
      .good();
    const all = initiator.send("28 00 00 00 00 00 00 04 00 00", { room: 512 * 1024 }).bytes;
    for (let lba = 0; lba < 1024; lba++) {
      const block = all.subarray(lba * 512, lba * 512 + 512);
      if (lba >= 1 && lba <= 768) expect(block, `block ${lba}`).to.deep.equal(pattern(512, 3));
      else expect(isZero(block), `block ${lba}`).to.equal(true);
    }
  });

  it("refuses ANCHOR, more blocks than its limit, and less or more data than a block", () => {
    const { initiator, store } = withDisk();
    initiator
      .send("93 10 00 00 00 00 00 00 00 08 00 00 00 08 00 00", { out: pattern(512) })
      .checked(SENSE.invalidFieldInCdb, "cc 00 01");
    initiator.send("41 00 00 00 00 08 00 00 08 00", { out: pattern(511) }).checked(SENSE.invalidFieldInInformationUnit);
    initiator
      .send("41 00 00 00 00 08 00 00 08 00", { out: pattern(1024) })
      .checked(SENSE.invalidFieldInInformationUnit);
    store.resize(2 ** 30);
    initiator.settle();
    const long = initiator.send("93 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00", { out: pattern(512) });
    long.checked(SENSE.invalidFieldInCdb, "c0 00 0a");
  });
});

describe("GET LBA STATUS", () => {
  it("begins with the block that was asked for", () => {
    const { initiator } = withDisk();
    initiator.send("2a 00 00 00 00 10 00 00 08 00", { out: pattern(4096) }).good();
    expect(status(initiator, 3)).to.deep.equal(["3+13 1", "16+8 0", "24+40 1"]);
    expect(status(initiator, 17)).to.deep.equal(["17+7 0", "24+40 1"]);
    expect(status(initiator, 63)).to.deep.equal(["63+1 1"]);
    expect(status(initiator, 3, 24)).to.deep.equal(["3+13 1"]);
  });

  it("says how long the whole answer is, byte for byte", () => {
    const { initiator } = withDisk();
    const cdb = "9e 12 00 00 00 00 00 00 00 00 00 00 00 ff 00 00";
    const expected = "00 00 00 14 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 40 01 00 00 00";
    expect(toHex(initiator.send(cdb, { room: 255 }).bytes)).to.equal(expected);
  });

  it("refuses to begin behind the end", () => {
    withDisk()
      .initiator.send("9e 12 00 00 00 00 00 00 00 40 00 00 00 ff 00 00", { room: 255 })
      .checked(SENSE.lbaOutOfRange);
  });

  it("says that all is mapped without thin provisioning, holes or not", () => {
    const { initiator, store } = withDisk({ thin: false });
    expect(status(initiator, 3)).to.deep.equal(["3+61 0"]);
    store.resize(2 ** 50);
    initiator.settle();
    const { data } = initiator.send("9e 12 00 00 00 00 00 00 00 01 00 00 00 ff 00 00", { room: 255 });
    expect(data.slice(24)).to.equal("00 00 00 00 00 00 00 01 ff ff ff ff 00 00 00 00");
  });

  it("looks at no more of a medium in pieces than it can tell, and ends where it has looked", () => {
    const { initiator, store } = withDisk();
    store.resize(8 << 20);
    initiator.settle();
    for (let block = 0; block < 16384; block += 16) {
      const cdb = Uint8Array.of(0x2a, 0, 0, 0, block >> 8, block & 255, 0, 0, 8, 0);
      initiator.send(cdb, { out: pattern(4096) }).good();
    }
    const told: number[] = [];
    const submit = store.submit.bind(store);
    store.submit = (request) => {
      const { completed } = request;
      request.completed = (ended) => {
        request.completed = completed;
        told.push(ended.extents.length);
        completed(ended);
      };
      submit(request);
    };
    const { bytes } = initiator.send("9e 12 00 00 00 00 00 00 00 00 00 00 10 00 00 00", { room: 4096 });
    expect(told).to.deep.equal([256]);
    expect(bytes).to.have.length(8 + 128 * 16);
    expect(toHex(bytes.subarray(-16))).to.equal("00 00 00 00 00 00 03 f8 00 00 00 08 01 00 00 00");
  });

  it("ends where the store's answer does, and never before the block that was asked for", () => {
    const { initiator, store } = withDisk();
    for (const [length, blocks] of [
      [2048, 4],
      [2047, 3],
      [100, 1],
    ]) {
      store.submit = (request) => {
        request.extents = [{ offset: request.offset, length, state: "data" }];
        request.end(null);
      };
      expect(status(initiator, 5)).to.deep.equal([`5+${blocks} 0`]);
    }
  });

  it("says that all is mapped where the store cannot tell", () => {
    const target = new Target();
    target.add(0, createDisk({ ...IDENTITY, store: new NullStore(64 * 512) }));
    expect(status(new Initiator(target).settle(), 0)).to.deep.equal(["0+64 0"]);
  });
});
