import { SENSE } from "@pvscsi/scsi";
import { expect } from "chai";
import { withDisk } from "./initiator.js";

describe("READ DEFECT DATA", () => {
  it("(10) has empty lists, both or either, in the format that was asked for", () => {
    const { initiator } = withDisk();
    const read = (lists: string): string => initiator.send(`37 00 ${lists} 00 00 00 00 00 20 00`, { room: 32 }).data;
    expect(read("00")).to.equal("00 00 00 00");
    expect(read("18")).to.equal("00 18 00 00");
    expect(read("0b")).to.equal("00 0b 00 00");
    expect(read("15")).to.equal("00 15 00 00");
  });

  it("(12) has empty lists too, from any index on", () => {
    const { initiator } = withDisk();
    const read = (lists: string, index: string): string =>
      initiator.send(`b7 ${lists} ${index} 00 00 00 20 00 00`, { room: 32 }).data;
    expect(read("00", "00 00 00 00")).to.equal("00 00 00 00 00 00 00 00");
    expect(read("1c", "00 00 00 00")).to.equal("00 1c 00 00 00 00 00 00");
    expect(read("08", "ff ff ff ff")).to.equal("00 08 00 00 00 00 00 00");
  });

  it("is cut to the allocation length", () => {
    const { initiator } = withDisk();
    expect(initiator.send("37 00 18 00 00 00 00 00 02 00", { room: 32 }).data).to.equal("00 18");
    expect(initiator.send("b7 18 00 00 00 00 00 00 00 00 00 00", { room: 32 }).data).to.equal("");
  });

  it("refuses the reserved format, and needs a medium", () => {
    const { initiator } = withDisk();
    initiator.send("37 00 1f 00 00 00 00 00 20 00", { room: 32 }).checked(SENSE.invalidFieldInCdb, "ca 00 02");
    initiator.send("b7 1f 00 00 00 00 00 00 00 20 00 00", { room: 32 }).checked(SENSE.invalidFieldInCdb, "ca 00 01");
    initiator.send("1b 00 00 00 00 00").good();
    initiator.send("37 00 18 00 00 00 00 00 20 00", { room: 32 }).checked(SENSE.initializingCommandRequired);
  });
});
