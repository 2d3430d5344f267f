import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MemoryStore, SENSE, VPD_PAGES } from "@pvscsi/scsi";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";
import { withDisk } from "./initiator.js";

const text = (words: string): string =>
  Array.from(words, (character) => character.charCodeAt(0).toString(16).padStart(2, "0")).join(" ");

const upper = (byte: number): string => byte.toString(16).padStart(2, "0").toUpperCase();

describe("INQUIRY of a disk", () => {
  const { initiator } = withDisk();
  const inquire = (cdb: string, room = 255) => initiator.send(cdb, { room });

  it("gives 96 bytes of standard data, SPC-4, with version descriptors", () => {
    const expected = [
      "00 00 06 02 5b 08 00 02",
      text("PVSCSI  MEMORY          0001"),
      "00 ".repeat(22).trim(),
      "00 a0 04 60 04 c0",
      "00 ".repeat(32).trim(),
    ].join(" ");
    expect(inquire("12 00 00 00 ff 00").data).to.equal(expected);
  });

  it("says RMB for a removable disk", () => {
    const removable = withDisk({ removable: true }).initiator;
    expect(removable.send("12 00 00 00 02 00", { room: 2 }).data).to.equal("00 80");
  });

  it("cuts the answer to the allocation length and says what is left over", () => {
    const sent = inquire("12 00 00 00 24 00");
    expect(sent.bytes).to.have.length(36);
    expect(sent.task.residual).to.equal(255 - 36);
    expect(inquire("12 00 00 00 00 00").task.transferLength).to.equal(0);
  });

  it("takes allocation lengths of 16 bits", () => {
    expect(inquire("12 00 00 01 00 00", 4096).bytes).to.have.length(96);
  });

  it("does not look at the LUN that SCSI-2 has in byte 1, and at every other bit", () => {
    expect(inquire("12 e0 00 00 24 00").data).to.equal(inquire("12 00 00 00 24 00").data);
    expect(inquire("12 61 80 00 ff 00").data).to.equal(inquire("12 01 80 00 ff 00").data);
    for (const [byte, bit] of [
      ["02", "c9"],
      ["10", "cc"],
    ]) {
      inquire(`12 ${byte} 00 00 24 00`).checked(SENSE.invalidFieldInCdb, `${bit} 00 01`);
    }
  });

  it("lists its vital product data pages in ascending order", () => {
    expect(inquire("12 01 00 00 ff 00").data).to.equal("00 00 00 09 00 80 83 86 87 8f b0 b1 b2");
  });

  it("answers every page it lists, with its code and length, and no other", () => {
    const listed = inquire("12 01 00 00 ff 00").bytes.slice(4);
    for (let code = 0; code < 256; code++) {
      const sent = inquire(`12 01 ${code.toString(16).padStart(2, "0")} 00 ff 00`);
      if (!listed.includes(code)) sent.checked(SENSE.invalidFieldInCdb, "c0 00 02");
      else {
        expect(sent.bytes[1]).to.equal(code);
        expect((sent.bytes[2] << 8) | sent.bytes[3]).to.equal(sent.bytes.length - 4);
      }
    }
  });

  it("has the pages that its README prints", () => {
    const lines = VPD_PAGES.map(({ code, name }) => `| ${upper(code)}h | ${name} |`);
    const readme = readFileSync(join(repositoryRoot, "packages/scsi/README.md"), "utf8");
    expect(readme).to.include(["| VPD page | |", "|---|---|", ...lines, ""].join("\n"));
  });

  it("gives the serial number (80h)", () => {
    expect(inquire("12 01 80 00 ff 00").data).to.equal(`00 80 00 0c ${text("0123456789ab")}`);
  });

  it("gives the NAA and the T10 vendor id name, and the port that was asked (83h)", () => {
    const expected = `00 83 00 3c 01 03 00 08 50 00 c5 00 12 34 56 78 02 01 00 24 ${text("PVSCSI  MEMORY          0123456789ab")} 01 14 00 04 00 00 00 01`;
    expect(inquire("12 01 83 00 ff 00").data).to.equal(expected);
  });

  it("gives an NAA name of 16 bytes", () => {
    const other = withDisk({ wwn: "6000c50012345678aabbccddeeff0011" }).initiator;
    const page = other.send("12 01 83 00 ff 00", { room: 255 }).data;
    expect(page.slice(12, 12 + 20 * 3 - 1)).to.equal("01 03 00 10 60 00 c5 00 12 34 56 78 aa bb cc dd ee ff 00 11");
  });

  it("tells the task attributes, the cache and the longest sense data (86h)", () => {
    const zeros = " 00".repeat(50);
    expect(inquire("12 01 86 00 ff 00").data).to.equal(`00 86 00 3c 00 07 00 00 00 00 00 00 00 fc${zeros}`);
    const cached = withDisk({ store: new MemoryStore(1 << 20, { writeBack: true }) }).initiator;
    expect(cached.send("12 01 86 00 08 00", { room: 8 }).data).to.equal("00 86 00 3c 00 07 01 00");
  });

  it("says that mode pages are shared (87h)", () => {
    expect(inquire("12 01 87 00 ff 00").data).to.equal("00 87 00 04 3f ff 00 00");
  });

  it("gives the block limits (B0h) the commands keep to", () => {
    const expected = [
      "00 b0 00 3c 00 80 00 08 00 01 00 00 00 00 04 00 00 00 00 00 00 10 00 00 00 00 01 00 00 00 00 08",
      "80 00 00 00 00 00 00 00 00 00 ff ff",
      "00 00 08 00",
      "00 ".repeat(16).trim(),
    ].join(" ");
    expect(inquire("12 01 b0 00 ff 00").data).to.equal(expected);
  });

  it("says how it rotates (B1h)", () => {
    expect(inquire("12 01 b1 00 08 00").data).to.equal("00 b1 00 3c 00 01 00 40");
    const fixed = withDisk({ thin: false }).initiator;
    expect(fixed.send("12 01 b1 00 08 00", { room: 8 }).data).to.equal("00 b1 00 3c 00 01 00 00");
    const rotating = withDisk({ rotation: 7200 }).initiator;
    expect(rotating.send("12 01 b1 00 06 00", { room: 6 }).data).to.equal("00 b1 00 3c 1c 20");
    const silent = withDisk({ rotation: 0 }).initiator;
    expect(silent.send("12 01 b1 00 06 00", { room: 6 }).data).to.equal("00 b1 00 3c 00 00");
  });

  it("says how it is provisioned (B2h)", () => {
    expect(inquire("12 01 b2 00 ff 00").data).to.equal("00 b2 00 04 00 e4 02 00");
    const full = withDisk({ thin: false }).initiator;
    expect(full.send("12 01 b2 00 ff 00", { room: 255 }).data).to.equal("00 b2 00 04 00 00 00 00");
  });

  it("refuses a page code without EVPD", () => {
    inquire("12 00 80 00 ff 00").checked(SENSE.invalidFieldInCdb, "c0 00 02");
  });
});

describe("READ CAPACITY", () => {
  it("gives the last block and the block size, (10)", () => {
    expect(withDisk().initiator.send("25 00 00 00 00 00 00 00 00 00", { room: 8 }).data).to.equal(
      "00 00 00 3f 00 00 02 00",
    );
  });

  it("gives provisioning and blocks per physical block, (16)", () => {
    const expected = `00 00 00 00 00 00 00 3f 00 00 02 00 00 03 c0 00 ${"00 ".repeat(16).trim()}`;
    const cdb = "9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00";
    expect(withDisk().initiator.send(cdb, { room: 32 }).data).to.equal(expected);
    const large = withDisk({ blockSize: 4096, thin: false }).initiator.send(cdb, { room: 32 });
    expect(large.data).to.equal(`00 00 00 00 00 00 00 3f 00 00 10 00 ${"00 ".repeat(20).trim()}`);
  });

  it("tells a medium of 2^32 blocks and more apart", () => {
    const store = { blockSize: 512 as const };
    const { initiator, store: memory } = withDisk(store);
    memory.resize(512 * 0x1_0000_0001);
    initiator.settle();
    expect(initiator.send("25 00 00 00 00 00 00 00 00 00", { room: 8 }).data).to.equal("ff ff ff ff 00 00 02 00");
    const long = initiator.send("9e 10 00 00 00 00 00 00 00 00 00 00 00 0c 00 00", { room: 12 });
    expect(long.data).to.equal("00 00 00 01 00 00 00 00 00 00 02 00");
  });
});
