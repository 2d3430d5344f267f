import { COMMANDS, SENSE } from "@pvscsi/scsi";
import { expect } from "chai";
import { hex, toHex, withDisk } from "./initiator.js";
import { flipReservedBits, reportedBy } from "./opcode-table.js";

describe("the opcode table", () => {
  for (const removable of [false, true]) {
    const { initiator } = withDisk({ removable, portGroups: [{ id: 1, name: "all", ports: [1] }] });
    const rows = reportedBy(initiator);

    it(`has every reserved bit of every command checked, removable ${removable}`, () => {
      expect(flipReservedBits(initiator, rows)).to.be.greaterThan(900);
    });
  }

  const { initiator } = withDisk();
  const rows = reportedBy(initiator);

  it("supports what a disk has, by name", () => {
    const names = rows.map(({ opcode, action, hasAction }) => {
      const known = Object.values(COMMANDS).find(
        (command) => command.opcode === opcode && (command.serviceAction ?? 0) === (hasAction ? action : 0),
      );
      return known?.name;
    });
    expect(names).to.include.members(["READ(10)", "WRITE(16)", "UNMAP", "COMPARE AND WRITE", "GET LBA STATUS"]);
    expect(names).not.to.include("PREVENT ALLOW MEDIUM REMOVAL");
    expect(new Set(names).size).to.equal(rows.length);
    expect(reportedBy(withDisk({ thin: false }).initiator).map(({ opcode }) => opcode)).not.to.include(0x42);
  });

  it("refuses every other opcode, and service actions it does not know", () => {
    const supported = new Set(rows.map(({ opcode }) => opcode));
    for (let opcode = 0; opcode < 256; opcode++) {
      if (supported.has(opcode)) continue;
      initiator.send(Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? opcode : 0))).checked(SENSE.invalidOpcode);
    }
    initiator.send("9e 1f 00 00 00 00 00 00 00 00 00 00 00 00 00 00").checked(SENSE.invalidFieldInCdb, "cc 00 01");
  });

  it("refuses a CDB that is shorter than its command, at the byte that is missing", () => {
    initiator.send("28 00 00 00").checked(SENSE.invalidFieldInCdb, "c0 00 04");
  });

  it("refuses data in the wrong direction, and moves none", () => {
    initiator
      .send("28 00 00 00 00 00 00 00 01 00", { out: new Uint8Array(512) })
      .checked(SENSE.invalidFieldInInformationUnit);
    const write = initiator.send("2a 00 00 00 00 00 00 00 01 00", { room: 512 });
    write.checked(SENSE.invalidFieldInInformationUnit);
    initiator.send("12 00 00 00 24 00", { out: new Uint8Array(36) }).checked(SENSE.invalidFieldInInformationUnit);
  });
});

describe("REPORT SUPPORTED OPERATION CODES", () => {
  const { initiator } = withDisk();
  const one = (options: string, opcode: string, action = "00 00") =>
    initiator.send(`a3 0c ${options} ${opcode} ${action} 00 00 02 00 00 00`, { room: 512 });

  it("gives one command with its usage map", () => {
    expect(one("01", "28").data).to.equal("00 03 00 0a 28 18 ff ff ff ff 1f ff ff 00");
  });

  it("gives the service action as its value in the map", () => {
    expect(one("02", "9e", "00 10").data).to.equal("00 03 00 10 9e 10 00 00 00 00 00 00 00 00 ff ff ff ff 00 00");
  });

  it("adds a timeouts descriptor where RCTD asks for it", () => {
    expect(one("81", "00").data).to.equal("00 83 00 06 00 00 00 00 00 00 00 0a 00 00 00 00 00 00 00 00 00 1e");
    const all = initiator.send("a3 0c 80 00 00 00 00 00 20 00 00 00", { room: 8192 }).bytes;
    expect((all.length - 4) % 20).to.equal(0);
    expect(toHex(all.subarray(4, 24))).to.equal("00 00 00 00 00 02 00 06 00 0a 00 00 00 00 00 00 00 00 00 1e");
  });

  it("says that a command is not supported", () => {
    expect(one("01", "99").data).to.equal("00 01 00 00");
    expect(one("02", "9e", "00 1f").data).to.equal("00 01 00 00");
    expect(one("03", "28", "00 01").data).to.equal("00 01 00 00");
    expect(one("83", "99").data).to.equal("00 01 00 00");
  });

  it("takes either kind of command with option 3", () => {
    expect(one("03", "28").data.slice(0, 11)).to.equal("00 03 00 0a");
    expect(one("03", "9e", "00 12").data.slice(0, 11)).to.equal("00 03 00 10");
  });

  it("refuses options that do not fit the opcode", () => {
    one("01", "9e").checked(SENSE.invalidFieldInCdb, "ca 00 02");
    one("02", "28").checked(SENSE.invalidFieldInCdb, "ca 00 02");
    one("04", "28").checked(SENSE.invalidFieldInCdb, "ca 00 02");
  });

  it("is cut to the allocation length", () => {
    expect(initiator.send("a3 0c 01 28 00 00 00 00 00 04 00 00", { room: 512 }).data).to.equal("00 03 00 0a");
  });
});

describe("REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", () => {
  const { initiator } = withDisk();

  it("says what a nexus can do", () => {
    expect(initiator.send("a3 0d 00 00 00 00 00 00 00 10 00 00", { room: 16 }).data).to.equal("de 07 00 00");
    const long = initiator.send("a3 0d 80 00 00 00 00 00 00 10 00 00", { room: 16 }).data;
    expect(long).to.equal("de 07 00 0c 00 00 00 00 00 00 00 00 00 00 00 00");
  });
});

describe("REQUEST SENSE", () => {
  it("has nothing to say, in either format", () => {
    const { initiator } = withDisk();
    const fixed = initiator.send("03 00 00 00 fc 00", { room: 252 });
    expect(fixed.data).to.equal("70 00 00 00 00 00 00 0a 00 00 00 00 00 00 00 00 00 00");
    expect(initiator.send("03 01 00 00 fc 00", { room: 252 }).data).to.equal("72 00 00 00 00 00 00 00");
    expect(hex("70")).to.deep.equal(initiator.send("03 00 00 00 01 00", { room: 1 }).bytes);
  });

  it("says why the unit is not ready, with GOOD status", () => {
    const { initiator } = withDisk();
    initiator.send("1b 00 00 00 00 00").good();
    expect(initiator.send("03 01 00 00 fc 00", { room: 252 }).data).to.equal("72 02 04 02 00 00 00 00");
  });
});

describe("bits that have no effect here", () => {
  it("group numbers, and the SYNC_NV of older standards, are taken", () => {
    const { initiator } = withDisk();
    initiator.send("28 00 00 00 00 00 1f 00 01 00", { room: 512 }).good();
    initiator.send("2a 00 00 00 00 00 03 00 01 00", { out: new Uint8Array(512) }).good();
    initiator.send("34 02 00 00 00 00 03 00 01 00").good();
    initiator.send("90 00 00 00 00 00 00 00 00 00 00 00 00 01 03 00").good();
    initiator.send("35 06 00 00 00 00 03 00 01 00").good();
    initiator.send("91 04 00 00 00 00 00 00 00 00 00 00 00 01 00 00").good();
    initiator.send("28 00 00 00 00 00 20 00 01 00", { room: 512 }).checked(SENSE.invalidFieldInCdb, "cd 00 06");
  });
});
