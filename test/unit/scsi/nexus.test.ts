import { createDisk, MemoryStore, Nexus, REPORT_LUNS_UNIT, SENSE, type Sense, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { BLOCKS, IDENTITY, Initiator, pattern, toHex, withDisk } from "./initiator.js";

const READY = "00 00 00 00 00 00";
const SENSE_FIXED = "03 00 00 00 fc 00";

function disk(size = BLOCKS * 512) {
  return createDisk({ ...IDENTITY, store: new MemoryStore(size) });
}

function luns(initiator: Initiator, lun = 0, select = "00"): number[] {
  const { bytes } = initiator.send(`a0 00 ${select} 00 00 00 00 03 00 00 00 00`, { lun, room: 0x3_0000 });
  expect((bytes[1] << 16) | (bytes[2] << 8) | bytes[3]).to.equal(bytes.length - 8);
  return Array.from({ length: bytes.length / 8 - 1 }, (_, i) => ((bytes[8 + 8 * i] & 0x3f) << 8) | bytes[9 + 8 * i]);
}

/** The unit attentions pending at a LUN, each reported by a TEST UNIT READY. */
function attentions(initiator: Initiator, lun = 0): string[] {
  const found: string[] = [];
  for (let sent = initiator.send(READY, { lun }); sent.status === 2; sent = initiator.send(READY, { lun })) {
    found.push(`${toHex(sent.task.sense.subarray(12, 14))}`);
  }
  return found;
}

const code = ({ asc, ascq }: Sense): string => toHex(Uint8Array.of(asc, ascq));

describe("a LUN without a logical unit", () => {
  const initiator = new Initiator(new Target());

  it("answers INQUIRY with qualifier 011b and device type 1Fh", () => {
    const zeros = "00 ".repeat(28).trim();
    expect(initiator.send("12 00 00 00 24 00", { lun: 5, room: 36 }).data).to.equal(`7f 00 06 02 1f 00 00 00 ${zeros}`);
    initiator.send("12 01 00 00 24 00", { lun: 5, room: 36 }).checked(SENSE.invalidFieldInCdb, "c8 00 01");
  });

  it("answers INQUIRY with a LUN in byte 1 as well, as SCSI-2 has it", () => {
    const answers = ["00", "a0"].map((byte) => initiator.send(`12 ${byte} 00 00 24 00`, { lun: 5, room: 36 }).data);
    expect(answers[1]).to.equal(answers[0]);
  });

  it("answers REPORT LUNS for the whole target", () => {
    const target = new Target();
    target.add(3, disk());
    expect(luns(new Initiator(target), 0)).to.deep.equal([3]);
    expect(luns(initiator, 9)).to.deep.equal([]);
  });

  it("says in REQUEST SENSE that it is not supported", () => {
    expect(initiator.send(SENSE_FIXED, { room: 18 }).data).to.equal(
      "70 00 05 00 00 00 00 0a 00 00 00 00 25 00 00 00 00 00",
    );
  });

  it("refuses everything else", () => {
    for (const cdb of [READY, "28 00 00 00 00 00 00 00 01 00", "99 00 00 00 00 00", "1a 00 3f 00 ff 00"]) {
      initiator.send(cdb, { lun: 1 }).checked(SENSE.logicalUnitNotSupported);
    }
  });
});

describe("a LUN that an initiator may only read", () => {
  /** One unit for two initiators: the one may write it at LUN 1, the other only read it at LUN 4. */
  function shared() {
    const unit = disk();
    const [open, guarded] = [new Target("0:0", [1]), new Target("0:1", [2])];
    open.add(1, unit);
    guarded.add(4, unit, { protected: true });
    return { unit, guarded, writer: new Initiator(open).settle(1), reader: new Initiator(guarded).settle(4) };
  }

  const write = { lun: 4, out: new Uint8Array(512) };

  it("is protected from its commands, and from no other's", () => {
    const { writer, reader } = shared();
    writer.send("2a 00 00 00 00 00 00 00 01 00", { lun: 1, out: new Uint8Array(512).fill(7) }).good();
    for (const cdb of [
      "2a 00 00 00 00 00 00 00 01 00",
      "2e 00 00 00 00 00 00 00 01 00",
      "41 00 00 00 00 00 00 00 01 00",
      "89 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00",
    ]) {
      reader.send(cdb, write).checked(SENSE.writeProtected);
    }
    const { bytes } = reader.send("28 00 00 00 00 00 00 00 01 00", { lun: 4, room: 512 });
    expect(bytes.every((byte) => byte === 7)).to.equal(true);
  });

  it("has WP in its mode parameter header, and only there", () => {
    const { writer, reader } = shared();
    expect(reader.send("1a 08 08 00 04 00", { lun: 4, room: 4 }).bytes[2] & 0x80).to.equal(0x80);
    expect(writer.send("1a 08 08 00 04 00", { lun: 1, room: 4 }).bytes[2] & 0x80).to.equal(0);
  });

  it("is a LUN like others when something else is put there", async () => {
    const { guarded, reader } = shared();
    await guarded.remove(4);
    guarded.add(4, disk());
    reader.settle(4).send("2a 00 00 00 00 00 00 00 01 00", write).good();
  });
});

describe("the REPORT LUNS well-known logical unit", () => {
  const at = { lun: REPORT_LUNS_UNIT };
  function reached(): Initiator {
    const target = new Target();
    for (const lun of [2, 300]) target.add(lun, disk());
    return new Initiator(target, new Nexus(target, { wellKnown: true }));
  }

  it("answers INQUIRY with device type 1Eh and no name", () => {
    const blanks = "20 ".repeat(28).trim();
    const initiator = reached();
    expect(initiator.send("12 00 00 00 24 00", { ...at, room: 36 }).data).to.equal(`1e 00 06 02 1f 00 00 00 ${blanks}`);
    initiator.send("12 01 83 00 24 00", { ...at, room: 36 }).checked(SENSE.invalidFieldInCdb, "c8 00 01");
  });

  it("reports its unit attention, and is ready then", () => {
    const initiator = reached();
    initiator.send(READY, at).checked(SENSE.powerOn);
    initiator.send(READY, at).good();
    expect(initiator.send(SENSE_FIXED, { ...at, room: 18 }).data).to.match(/^70 00 00 /);
    expect(attentions(initiator, 2)).to.deep.equal([code(SENSE.powerOn)]);
  });

  it("lists the units, itself where well-known ones are asked for, or all", () => {
    const initiator = reached();
    const list = (select: string, lun: number) =>
      initiator.send(`a0 00 ${select} 00 00 00 00 00 01 00 00 00`, { lun, room: 256 }).data.slice(24);
    for (const lun of [REPORT_LUNS_UNIT, 2, 7]) {
      const [two, far, own] = ["00 02", "41 2c", "c1 01"].map((bytes) => `${bytes} 00 00 00 00 00 00`);
      expect(list("00", lun)).to.equal(`${two} ${far}`);
      expect(list("01", lun)).to.equal(own);
      expect(list("02", lun)).to.equal(`${two} ${far} ${own}`);
    }
  });

  it("refuses every other command", () => {
    const initiator = reached().settle(REPORT_LUNS_UNIT);
    for (const cdb of ["28 00 00 00 00 00 00 00 01 00", "1a 00 3f 00 ff 00", "a3 0c 00 00 00 00 00 00 ff 00 00 00"]) {
      initiator.send(cdb, at).checked(SENSE.invalidOpcode);
    }
  });

  it("is neither listed nor there for an initiator whose wire cannot name it", () => {
    const initiator = new Initiator(new Target());
    expect(luns(initiator, 0, "01")).to.deep.equal([]);
    initiator.send(READY, at).checked(SENSE.logicalUnitNotSupported);
  });
});

describe("REPORT LUNS", () => {
  it("is in ascending order, peripheral addressing below 256 and flat above", () => {
    const target = new Target();
    for (const lun of [16383, 256, 255, 1, 0]) target.add(lun, disk());
    const initiator = new Initiator(target);
    const expected = [
      "00 00 00 28 00 00 00 00",
      "00 00 00 00 00 00 00 00",
      "00 01 00 00 00 00 00 00",
      "00 ff 00 00 00 00 00 00",
      "41 00 00 00 00 00 00 00",
      "7f ff 00 00 00 00 00 00",
    ].join(" ");
    expect(initiator.send("a0 00 00 00 00 00 00 00 10 00 00 00", { room: 4096 }).data).to.equal(expected);
    expect(initiator.send("a0 00 00 00 00 00 00 00 00 10 00 00", { room: 4096 }).bytes).to.have.length(16);
  });

  it("lists 300 LUNs, and all 16384, whatever the order they came in, and cuts the list anywhere (CVE-2013-4344)", async () => {
    for (const count of [300, 16384]) {
      const target = new Target();
      const unit = disk();
      // 7 is prime to both counts: every LUN comes once, far from the one before.
      for (let i = 0; i < count; i++) target.add((i * 7) % count, unit);
      const initiator = new Initiator(target);
      const all = luns(initiator);
      expect(all).to.deep.equal(Array.from({ length: count }, (_, i) => i));
      for (const room of [0, 7, 8, 2055, 2056, 2057, 8 + 8 * count]) {
        const length = room.toString(16).padStart(8, "0");
        const sent = initiator.send(`a0 00 00 00 00 00 ${length} 00 00`, { room: 8 + 8 * count });
        expect(sent.bytes).to.have.length(room);
        if (room >= 4) expect((sent.bytes[1] << 16) | (sent.bytes[2] << 8) | sent.bytes[3]).to.equal(8 * count);
        expect(sent.buffer.subarray(room).every((byte) => byte === 0)).to.equal(true);
      }
      for (const lun of [count - 1, 255]) await target.remove(lun);
      expect(luns(initiator)).to.deep.equal(all.filter((lun) => lun !== count - 1 && lun !== 255));
    }
  });

  it("knows the select reports 0, 1 and 2", () => {
    const { initiator } = withDisk();
    expect(luns(initiator, 0, "02")).to.deep.equal([0]);
    expect(luns(initiator, 0, "01")).to.deep.equal([]);
    initiator.send("a0 00 03 00 00 00 00 00 20 00 00 00", { room: 64 }).checked(SENSE.invalidFieldInCdb, "c0 00 02");
  });
});

describe("unit attentions", () => {
  it("begin with power on, once for each nexus and LUN", () => {
    const target = new Target();
    target.add(0, disk());
    target.add(1, disk());
    const first = new Initiator(target);
    expect(attentions(first)).to.deep.equal([code(SENSE.powerOn)]);
    expect(attentions(first, 1)).to.deep.equal([code(SENSE.powerOn)]);
    expect(attentions(new Initiator(target))).to.deep.equal([code(SENSE.powerOn)]);
    expect(attentions(first)).to.deep.equal([]);
  });

  it("are reported before the command is looked at, byte for byte", () => {
    const target = new Target();
    target.add(0, disk());
    const sent = new Initiator(target).send("ff 00 00 00 00 00");
    expect(sent.sense).to.equal("70 00 06 00 00 00 00 0a 00 00 00 00 29 00 00 00 00 00");
  });

  it("let INQUIRY and REPORT LUNS pass and stay", () => {
    const target = new Target();
    target.add(0, disk());
    const initiator = new Initiator(target);
    initiator.send("12 00 00 00 24 00", { room: 36 }).good();
    expect(luns(initiator)).to.deep.equal([0]);
    expect(attentions(initiator)).to.deep.equal([code(SENSE.powerOn)]);
  });

  it("are taken by REQUEST SENSE, with GOOD status, but not by a wrong one", () => {
    const target = new Target();
    target.add(0, disk());
    const initiator = new Initiator(target);
    initiator.send("03 80 00 00 fc 00", { room: 18 }).checked(SENSE.invalidFieldInCdb);
    expect(initiator.send(SENSE_FIXED, { room: 18 }).data).to.equal(
      "70 00 06 00 00 00 00 0a 00 00 00 00 29 00 00 00 00 00",
    );
    expect(attentions(initiator)).to.deep.equal([]);
  });

  it("tell of a new capacity, once for many changes", () => {
    const { initiator, store } = withDisk();
    store.resize(65 * 512);
    store.resize(66 * 512);
    expect(attentions(initiator)).to.deep.equal([code(SENSE.capacityChanged)]);
    store.resize(66 * 512 + 100);
    expect(attentions(initiator), "not a block more").to.deep.equal([]);
    expect(initiator.send("25 00 00 00 00 00 00 00 00 00", { room: 8 }).data).to.equal("00 00 00 41 00 00 02 00");
  });

  it("tell the other LUNs when one comes or goes; REPORT LUNS at any of them clears that at all", async () => {
    const target = new Target();
    target.add(0, disk());
    target.add(1, disk());
    const initiator = new Initiator(target).settle(0).settle(1);
    target.add(2, disk());
    expect(attentions(initiator, 0)).to.deep.equal([code(SENSE.reportedLunsChanged)]);
    expect(attentions(initiator, 2)).to.deep.equal([code(SENSE.powerOn)]);
    expect(luns(initiator, 0)).to.deep.equal([0, 1, 2]);
    expect(attentions(initiator, 1)).to.deep.equal([]);
    await target.remove(1);
    expect(attentions(initiator, 0)).to.deep.equal([code(SENSE.reportedLunsChanged)]);
    expect(attentions(initiator, 2)).to.deep.equal([code(SENSE.reportedLunsChanged)]);
    initiator.send(READY, { lun: 1 }).checked(SENSE.logicalUnitNotSupported);
    expect(luns(initiator)).to.deep.equal([0, 2]);
  });

  it("wait in order, resets first, and power on says more than a reset", () => {
    const { initiator, store, disk: unit, target } = withDisk();
    store.resize(65 * 512);
    unit.reset();
    unit.reset();
    expect(attentions(initiator)).to.deep.equal([code(SENSE.resetOccurred), code(SENSE.capacityChanged)]);
    const fresh = new Initiator(target);
    unit.reset();
    expect(attentions(fresh)).to.deep.equal([code(SENSE.powerOn)]);
  });

  it("go to every nexus on its own", () => {
    const { initiator, store, target } = withDisk();
    const other = new Initiator(target).settle();
    store.resize(65 * 512);
    expect(attentions(initiator)).to.deep.equal([code(SENSE.capacityChanged)]);
    expect(attentions(other)).to.deep.equal([code(SENSE.capacityChanged)]);
  });
});

describe("a nexus", () => {
  it("runs a long chain of commands, each submitted by the completion of the one before", () => {
    const { initiator } = withDisk();
    const { task } = initiator.send("28 00 00 00 00 00 00 00 01 00", { room: 512 });
    let left = 100_000;
    task.completed = () => {
      left -= 1;
      if (left > 0) initiator.nexus.submit(task);
    };
    initiator.nexus.submit(task);
    expect(left).to.equal(0);
    expect(initiator.nexus.underWay).to.equal(0);
  });

  it("refuses a task twice", () => {
    const { initiator } = withDisk();
    const { task } = initiator.send(READY);
    task.completed = () => {};
    task.begin();
    expect(() => initiator.nexus.submit(task)).to.throw("submitted twice");
  });

  it("gives back aborted what comes after it was closed", async () => {
    const { initiator } = withDisk();
    await initiator.nexus.close();
    const sent = initiator.send("2a 00 00 00 00 00 00 00 01 00", { out: pattern(512) });
    expect(sent.ends).to.equal(1);
    expect(sent.task.aborted).to.equal(true);
    expect(initiator.nexus.underWay).to.equal(0);
  });

  it("is one of several, whose LUNs are the target's", () => {
    const { target } = withDisk();
    expect(target.nexuses).to.have.length(1);
    expect(new Nexus(target).name).to.equal("0:0");
    expect(() => target.add(0, disk())).to.throw("taken");
    expect(() => target.add(16384, disk())).to.throw("16383");
  });
});
