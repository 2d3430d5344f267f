// LOG SENSE and LOG SELECT, SPC-4 6.6, 6.7 and 7.3.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createDisk, LOG_PAGES, NullStore, SENSE, StoreError, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { repositoryRoot } from "../../support/repository.js";
import { BLOCKS, IDENTITY, Initiator, withDisk } from "./initiator.js";

const byte = (value: number): string => value.toString(16).padStart(2, "0");

/** LOG SENSE of a page; cumulative values where nothing else is said. */
const sense = (page: number, { control = 1, subpage = 0, pointer = 0, allocation = 255 } = {}): string =>
  `4d 00 ${byte((control << 6) | page)} ${byte(subpage)} 00 00 ${byte(pointer)} 00 ${byte(allocation)} 00`;

/** The counters of an error counter page: bytes and uncorrected errors. */
function counted(initiator: Initiator, page: number): number[] {
  const { bytes } = initiator.send(sense(page), { room: 255 });
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return [Number(view.getBigUint64(8)), Number(view.getBigUint64(20))];
}

const READ = "28 00 00 00 00 00 00 00 02 00";
const WRITE = "2a 00 00 00 00 00 00 00 03 00";

describe("LOG SENSE", () => {
  const { initiator } = withDisk();
  const ask = (cdb: string) => initiator.send(cdb, { room: 255 });

  it("lists the pages, and the pages with their subpages", () => {
    expect(ask(sense(0)).data).to.equal("00 00 00 06 00 02 03 05 19 2f");
    expect(ask(sense(0, { subpage: 0xff })).data).to.equal("40 ff 00 0e 00 00 00 ff 02 00 03 00 05 00 19 00 2f 00");
    expect(ask(sense(0, { allocation: 5 })).data).to.equal("00 00 00 06 00");
  });

  it("has the pages that its README prints", () => {
    const lines = LOG_PAGES.map(({ code, name }) => `| ${byte(code).toUpperCase()}h | ${name} |`);
    const readme = readFileSync(join(repositoryRoot, "packages/scsi/README.md"), "utf8");
    expect(readme).to.include(["| log page | |", "|---|---|", ...lines, ""].join("\n"));
  });

  it("counts the bytes of reads, writes and verifications, each on its page, since power on", () => {
    const fresh = withDisk().initiator;
    expect([2, 3, 5].map((page) => counted(fresh, page))).to.deep.equal([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
    fresh.send(READ, { room: 1024 }).good();
    fresh.send(WRITE, { out: new Uint8Array(1536) }).good();
    fresh.send("2f 00 00 00 00 00 00 00 04 00").good();
    fresh.send("2e 00 00 00 00 00 00 00 01 00", { out: new Uint8Array(512) }).good();
    expect([2, 3, 5].map((page) => counted(fresh, page)[0])).to.deep.equal([2048, 1024, 2560]);
    expect(fresh.send(sense(3), { room: 255 }).data).to.equal(
      "83 00 00 18 00 05 02 08 00 00 00 00 00 00 04 00 00 06 02 08 00 00 00 00 00 00 00 00",
    );
    expect(fresh.send(sense(3, { control: 3 }), { room: 255 }).bytes[14]).to.equal(0);
  });

  it("counts the commands that read and write, and their blocks, and takes no times", () => {
    const fresh = withDisk().initiator;
    const statistics = () => {
      const { bytes } = fresh.send(sense(0x19), { room: 255 });
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      expect(bytes.length).to.equal(72);
      return Array.from({ length: 8 }, (_, i) => Number(view.getBigUint64(8 + 8 * i)));
    };
    expect(statistics()).to.deep.equal([0, 0, 0, 0, 0, 0, 0, 0]);
    fresh.send(READ, { room: 1024 }).good();
    fresh.send("08 00 00 00 01 00", { room: 512 }).good();
    fresh.send(WRITE, { out: new Uint8Array(1536) }).good();
    fresh.send("2e 00 00 00 00 00 00 00 01 00", { out: new Uint8Array(512) }).good();
    fresh.send("9c 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00", { out: new Uint8Array(512) }).good();
    // Neither reads nor writes what is sent or asked for.
    fresh.send("2f 00 00 00 00 00 00 00 04 00").good();
    fresh.send("41 00 00 00 00 00 00 00 04 00", { out: new Uint8Array(512).fill(1) }).good();
    expect(statistics()).to.deep.equal([2, 3, 5, 3, 0, 0, 0, 0]);
    expect(fresh.send(sense(0x19), { room: 8 }).data).to.equal("99 00 00 44 00 01 02 40");
    fresh.send("4c 02 19 00 00 00 00 00 00 00").good();
    expect(statistics()).to.deep.equal([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("counts on beyond 2^29 bytes", () => {
    const large = withDisk({ store: new NullStore(1 << 30) }).initiator;
    const room = 0xffff * 512;
    const buffer = new Uint8Array(room);
    for (let i = 0; i < 17; i++) large.send("2a 00 00 00 00 00 00 ff ff 00", { out: buffer }).good();
    expect(counted(large, 2)[0]).to.equal(17 * room);
    large.send("4c 02 00 00 00 00 00 00 00 00").good();
    expect(counted(large, 2)[0]).to.equal(0);
  });

  it("counts what failed in the medium, and no error of an initiator", () => {
    const store = new HeldStore(BLOCKS * 512);
    const target = new Target();
    target.add(0, createDisk({ ...IDENTITY, store }));
    const other = new Initiator(target).settle();
    other.send("28 00 00 00 00 40 00 00 01 00", { room: 512 }).checked(SENSE.lbaOutOfRange);
    for (const failure of ["medium", "hardware", "out-of-range"] as const) {
      const sent = other.send(READ, { room: 1024 });
      store.release(new StoreError(failure, "told"));
      expect(sent.status).to.equal(2);
    }
    expect(counted(other, 3)).to.deep.equal([0, 2]);
  });

  it("tells that there was no informational exception, and that the temperature is not known", () => {
    expect(ask(sense(0x2f)).data).to.equal("af 00 00 08 00 00 03 04 00 00 ff 00");
  });

  it("begins with the parameter that is asked for", () => {
    expect(ask(sense(2, { pointer: 6 })).data.slice(0, 17)).to.equal("82 00 00 0c 00 06");
    ask(sense(2, { pointer: 7 })).checked(SENSE.invalidFieldInCdb, "c0 00 05");
    ask(sense(0, { pointer: 1 })).checked(SENSE.invalidFieldInCdb, "c0 00 05");
  });

  it("refuses pages and subpages that are not there, thresholds, and to save", () => {
    ask(sense(0x0d)).checked(SENSE.invalidFieldInCdb, "cd 00 02");
    ask(sense(2, { subpage: 1 })).checked(SENSE.invalidFieldInCdb, "c0 00 03");
    ask(sense(0, { subpage: 1 })).checked(SENSE.invalidFieldInCdb, "c0 00 03");
    ask(sense(2, { control: 0 })).checked(SENSE.invalidFieldInCdb, "cf 00 02");
    ask(sense(2, { control: 2 })).checked(SENSE.invalidFieldInCdb, "cf 00 02");
    ask("4d 01 42 00 00 00 00 00 ff 00").checked(SENSE.invalidFieldInCdb, "c8 00 01");
  });
});

describe("LOG SELECT", () => {
  it("sets one page's counters back, or all, and tells the others", () => {
    const { initiator, target } = withDisk();
    const other = new Initiator(target).settle();
    initiator.send(READ, { room: 1024 }).good();
    initiator.send(WRITE, { out: new Uint8Array(1536) }).good();
    initiator.send("4c 02 03 00 00 00 00 00 00 00").good();
    expect([counted(initiator, 2)[0], counted(initiator, 3)[0]]).to.deep.equal([1536, 0]);
    other.send("00 00 00 00 00 00").checked(SENSE.logParametersChanged);
    initiator.send("4c 00 c0 00 00 00 00 00 00 00").good();
    expect(counted(initiator, 2)[0]).to.equal(0);
    other.settle();
    initiator.send("4c 02 00 00 00 00 00 00 00 00").good();
    other.send("00 00 00 00 00 00").good();
  });

  it("changes nothing without PCR, and takes no list", () => {
    const { initiator } = withDisk();
    initiator.send(READ, { room: 1024 }).good();
    initiator.send("4c 00 40 00 00 00 00 00 00 00").good();
    expect(counted(initiator, 3)[0]).to.equal(1024);
    initiator
      .send("4c 02 03 00 00 00 00 00 04 00", { out: "03 00 00 00" })
      .checked(SENSE.invalidFieldInCdb, "c0 00 07");
    initiator.send("4c 02 0d 00 00 00 00 00 00 00").checked(SENSE.invalidFieldInCdb, "cd 00 02");
    initiator.send("4c 02 03 01 00 00 00 00 00 00").checked(SENSE.invalidFieldInCdb, "c0 00 03");
    initiator.send("4c 03 03 00 00 00 00 00 00 00").checked(SENSE.invalidFieldInCdb, "c8 00 01");
  });
});
