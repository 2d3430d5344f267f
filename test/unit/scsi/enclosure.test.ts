// Enclosure services by the clauses of SES-3, and a controller of a storage array.

import { createController, createEnclosure, SENSE, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { hex, IDENTITY, Initiator } from "./initiator.js";
import { flipReservedBits, reportedBy } from "./opcode-table.js";

function withEnclosure() {
  const occupants: (string | null)[] = ["5000c500a1b2c3d4", null];
  const slots = occupants.map((_, index) => ({ name: `Slot 0${index + 1}`, occupant: () => occupants[index] }));
  const shape = { slots, powerSupplies: 1, fans: [4500], temperatures: [31] };
  const enclosure = createEnclosure({ ...IDENTITY, shape });
  const target = new Target();
  target.add(0, enclosure);
  return { enclosure, occupants, initiator: new Initiator(target).settle() };
}

const page = (initiator: Initiator, code: string, room = 512): string =>
  initiator.send(`1c 01 ${code} 02 00 00`, { room }).data;

describe("an enclosure", () => {
  it("says that it is one", () => {
    const { initiator } = withEnclosure();
    const data = initiator.send("12 00 00 00 24 00", { room: 36 }).bytes;
    expect([data[0], data[6] & 0x40]).to.deep.equal([0x0d, 0x40]);
    initiator.send("00 00 00 00 00 00").good();
    expect(page(initiator, "00")).to.equal("00 00 00 05 00 01 02 07 0a");
    expect(initiator.send("1c 00 00 02 00 00", { room: 512 }).data).to.equal("00 00 00 05 00 01 02 07 0a");
    initiator.send("1c 01 05 02 00 00", { room: 512 }).checked(SENSE.invalidFieldInCdb, "c0 00 02");
    initiator.send("1c 00 02 02 00 00", { room: 512 }).checked(SENSE.invalidFieldInCdb, "c8 00 01");
    expect(page(initiator, "02", 6).length).to.equal(17);
  });

  it("says what it consists of", () => {
    const { initiator } = withEnclosure();
    const data = initiator.send("1c 01 01 02 00 00", { room: 512 }).bytes;
    expect([...data.subarray(0, 12)]).to.deep.equal([1, 0, 0, data.length - 4, 0, 0, 0, 0, 0x11, 0, 4, 36]);
    expect([...data.subarray(12, 20)]).to.deep.equal([...hex(IDENTITY.wwn)]);
    const headers = [...data.subarray(48, 64)];
    expect(headers).to.deep.equal([0x17, 2, 0, 18, 0x02, 1, 0, 14, 0x03, 1, 0, 4, 0x04, 1, 0, 19]);
    const text = String.fromCharCode(...data.subarray(64));
    expect(text).to.equal("Array device slotsPower suppliesFansTemperature sensors");
    expect(page(initiator, "07")).to.match(/00 00 00 07 53 6c 6f 74 20 30 31 00 00 00 07 53 6c 6f 74 20 30 32/);
  });

  it("says how its elements are, and follows what is in its slots", () => {
    const { initiator, occupants } = withEnclosure();
    const slots = "00 00 00 00 01 00 00 00 05 00 00 00";
    const rest = "00 00 00 00 01 00 00 20 00 00 00 00 01 01 c2 24 00 00 00 00 01 00 33 00";
    expect(page(initiator, "02")).to.equal(`02 00 00 28 00 00 00 00 ${slots} ${rest}`);
    occupants[1] = "5000c500a1b2c3e5";
    expect(page(initiator, "02")).to.contain("00 00 00 00 01 00 00 00 01 00 00 00");
    const additional = initiator.send("1c 01 0a 02 00 00", { room: 512 }).bytes;
    expect(additional.length).to.equal(8 + 2 * 36);
    expect([...additional.subarray(8, 16)]).to.deep.equal([0x16, 34, 0, 0, 1, 0, 0, 0]);
    expect([...additional.subarray(28, 36)]).to.deep.equal([...hex("5000c500a1b2c3d4")]);
    occupants[0] = null;
    expect(initiator.send("1c 01 0a 02 00 00", { room: 512 }).bytes[8]).to.equal(0x96);
  });

  it("keeps what shall light, for those that are selected alone, through a reset", () => {
    const { initiator, enclosure } = withEnclosure();
    const none = "00 00 00 00";
    const rest = `${none} 80 80 00 00 ${none} ${none} ${none} ${none}`;
    const send = (slots: string) =>
      initiator.send("1d 10 00 00 2c 00", { out: `02 00 00 28 00 00 00 00 ${none} ${slots} ${rest}` });
    send(`${none} 80 00 02 20`).good();
    const lit = /^02 00 00 28 00 00 00 00 00 00 00 00 01 00 00 00 05 00 02 20 00 00 00 00 01 80 00 20/;
    expect(page(initiator, "02")).to.match(lit);
    send(`00 00 02 00 00 00 00 00`).good();
    enclosure.reset();
    initiator.settle();
    expect(page(initiator, "02")).to.match(lit);
    send(`80 00 02 00 80 00 00 00`).good();
    expect(page(initiator, "02")).to.match(/^02 00 00 28 00 00 00 00 00 00 00 00 01 00 02 00 05 00 00 00/);
    const all = `02 00 00 28 00 00 00 00 80 00 00 20 ${none} 80 00 02 00 ${rest}`;
    initiator.send("1d 10 00 00 2c 00", { out: all }).good();
    expect(page(initiator, "02")).to.match(/^02 00 00 28 00 00 00 00 00 00 00 00 01 00 00 20 05 00 02 00/);
  });

  it("has every reserved bit of every command checked", () => {
    const { initiator } = withEnclosure();
    expect(flipReservedBits(initiator, reportedBy(initiator))).to.be.above(700);
  });

  it("refuses pages that are cut, of another generation, and those that can only be read", () => {
    const { initiator } = withEnclosure();
    const send = (out: string) => {
      const length = hex(out).length.toString(16).padStart(2, "0");
      return initiator.send(`1d 10 00 00 ${length} 00`, { out });
    };
    const zeros = (count: number): string => " 00".repeat(count);
    send(`02 00 00 24 00 00 00 00${zeros(32)}`).checked(SENSE.invalidFieldInParameterList, "80 00 02");
    send(`02 00 00 24 00 00 00 00${zeros(36)}`).checked(SENSE.invalidFieldInParameterList, "80 00 02");
    send(`02 00 00 28 00 00 00 01${zeros(36)}`).checked(SENSE.invalidFieldInParameterList, "80 00 04");
    send("01 00 00 00").checked(SENSE.invalidFieldInParameterList, "80 00 00");
    send("02 00 00 00").checked(SENSE.invalidFieldInParameterList, "80 00 02");
  });
});

describe("a controller of a storage array", () => {
  it("says who it is and which LUNs there are, and has nothing else", () => {
    const target = new Target();
    target.add(0, createController({ ...IDENTITY, vendor: "HP", product: "P420i" }));
    target.add(1, createController({ ...IDENTITY, wwn: "5000c50012345679" }));
    const initiator = new Initiator(target).settle();
    expect(initiator.send("12 00 00 00 24 00", { room: 36 }).bytes[0]).to.equal(0x0c);
    initiator.send("00 00 00 00 00 00").good();
    expect(initiator.send("a0 00 00 00 00 00 00 00 00 20 00 00", { room: 32 }).bytes[3]).to.equal(16);
    initiator.send("28 00 00 00 00 00 00 00 01 00", { room: 512 }).checked(SENSE.invalidOpcode);
    initiator.send("26 00 00 00 00 00 00 00 00 00", { room: 512 }).checked(SENSE.invalidOpcode);
  });
});
