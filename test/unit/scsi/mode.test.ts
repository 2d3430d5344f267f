import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createDisk, MemoryStore, MODE_PAGES, SENSE, StoreError, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { repositoryRoot } from "../../support/repository.js";
import { type Data, IDENTITY, Initiator, withDisk } from "./initiator.js";

const RECOVERY = "01 0a c0 00 00 00 00 00 00 00 00 00";
const CACHING_OFF = `08 12 00 ${"00 ".repeat(17).trim()}`;
const CACHING_ON = `08 12 04 ${"00 ".repeat(17).trim()}`;
const CONTROL = "0a 0a 00 10 00 00 00 00 00 00 00 00";
const EXTENSION = `4a 01 00 1c 00 00 fc ${"00 ".repeat(25).trim()}`;
const EXCEPTIONS = "1c 0a 08 00 00 00 00 00 00 00 00 00";

function cachedDisk() {
  const target = new Target();
  target.add(0, createDisk({ ...IDENTITY, store: new MemoryStore(64 * 512, { writeBack: true }) }));
  return { target, initiator: new Initiator(target).settle() };
}

describe("MODE SENSE", () => {
  const { initiator } = withDisk();
  const sense = (cdb: string) => initiator.send(cdb, { room: 255 });

  it("(6) gives all pages behind a block descriptor", () => {
    const expected = `43 00 10 08 00 00 00 40 00 00 02 00 ${RECOVERY} ${CACHING_OFF} ${CONTROL} ${EXCEPTIONS}`;
    expect(sense("1a 00 3f 00 ff 00").data).to.equal(expected);
    const subpages = `63 00 10 08 00 00 00 40 00 00 02 00 ${RECOVERY} ${CACHING_OFF} ${CONTROL} ${EXTENSION} ${EXCEPTIONS}`;
    expect(sense("1a 00 3f ff ff 00").data).to.equal(subpages);
  });

  it("(6) leaves the block descriptor out for DBD", () => {
    expect(sense("1a 08 08 00 ff 00").data).to.equal(`17 00 10 00 ${CACHING_OFF}`);
  });

  it("(10) has longer headers, and a long descriptor for LLBAA", () => {
    expect(sense("5a 08 0a 00 00 00 00 00 ff 00").data).to.equal(`00 12 00 10 00 00 00 00 ${CONTROL}`);
    expect(sense("5a 00 0a 00 00 00 00 00 ff 00").data).to.equal(
      `00 1a 00 10 00 00 00 08 00 00 00 40 00 00 02 00 ${CONTROL}`,
    );
    const long = `00 22 00 10 01 00 00 10 00 00 00 00 00 00 00 40 00 00 00 00 00 00 02 00 ${CONTROL}`;
    expect(sense("5a 10 0a 00 00 00 00 00 ff 00").data).to.equal(long);
  });

  it("tells what can be changed, and what it is at first", () => {
    const zeros = "00 00 00 00 00 00 00 00 00 00";
    expect(sense("1a 08 4a 00 ff 00").data).to.equal("0f 00 10 00 0a 0a 04 06 08 40 00 00 00 00 00 00");
    expect(sense("1a 08 48 00 ff 00").data).to.equal(`17 00 10 00 08 12 ${zeros} 00 00 00 00 00 00 00 00`);
    expect(sense("1a 08 8a 00 ff 00").data).to.equal(`0f 00 10 00 ${CONTROL}`);
  });

  it("gives a page's subpages, one or all", () => {
    expect(sense("1a 08 0a 01 ff 00").data).to.equal(`23 00 10 00 ${EXTENSION}`);
    expect(sense("1a 08 0a ff ff 00").data).to.equal(`2f 00 10 00 ${CONTROL} ${EXTENSION}`);
    expect(sense("1a 08 08 ff ff 00").data).to.equal(`17 00 10 00 ${CACHING_OFF}`);
    expect(sense("1a 08 4a 01 ff 00").data).to.equal(`23 00 10 00 4a 01 00 1c ${"00 ".repeat(28).trim()}`);
  });

  it("has the pages that its README prints", () => {
    const byte = (value: number): string => `${value.toString(16).padStart(2, "0").toUpperCase()}h`;
    const lines = MODE_PAGES.map(({ code, subpage, name }) => {
      return `| ${byte(code)}${subpage === 0 ? "" : `, ${byte(subpage)}`} | ${name} |`;
    });
    const readme = readFileSync(join(repositoryRoot, "packages/scsi/README.md"), "utf8");
    expect(readme).to.include(["| mode page | |", "|---|---|", ...lines, ""].join("\n"));
  });

  it("shows WCE, and that it can be changed, over a store with a cache", () => {
    const cached = cachedDisk().initiator;
    expect(cached.send("1a 08 08 00 ff 00", { room: 255 }).data).to.equal(`17 00 10 00 ${CACHING_ON}`);
    expect(cached.send("1a 08 48 00 ff 00", { room: 255 }).bytes[6]).to.equal(0x04);
  });

  it("refuses saved values and pages and subpages there are none of", () => {
    sense("1a 08 ca 00 ff 00").checked(SENSE.savingParametersNotSupported);
    sense("1a 08 19 00 ff 00").checked(SENSE.invalidFieldInCdb, "cd 00 02");
    sense("1a 08 0a 02 ff 00").checked(SENSE.invalidFieldInCdb, "c0 00 03");
    sense("1a 08 08 01 ff 00").checked(SENSE.invalidFieldInCdb, "c0 00 03");
    sense("1a 08 3f 01 ff 00").checked(SENSE.invalidFieldInCdb, "c0 00 03");
    sense("1a 08 19 01 ff 00").checked(SENSE.invalidFieldInCdb, "cd 00 02");
  });
});

describe("MODE SELECT", () => {
  const control = (flags: string, header = "00 00 00 00") => `${header} 0a 0a ${flags} 00 00 00 00 00 00 00`;

  it("switches to descriptor sense, and back", () => {
    const { initiator } = withDisk();
    initiator.send("15 10 00 00 10 00", { out: control("04 10 00") }).good();
    const sent = initiator.send("28 00 00 00 00 40 00 00 01 00", { room: 512 });
    expect(sent.sense).to.equal("72 05 21 00 00 00 00 00");
    const pointed = initiator.send("28 20 00 00 00 00 00 00 01 00", { room: 512 });
    expect(pointed.sense).to.equal("72 05 24 00 00 00 00 08 02 06 00 00 cd 00 01 00");
    initiator.send("55 10 00 00 00 00 00 00 14 00", { out: control("00 10 00", "00 00 00 00 00 00 00 00") }).good();
    initiator.send("28 00 00 00 00 40 00 00 01 00", { room: 512 }).checked(SENSE.lbaOutOfRange);
  });

  it("protects the medium by software", () => {
    const { initiator } = withDisk();
    initiator.send("15 10 00 00 10 00", { out: control("00 10 08") }).good();
    initiator.send("2a 00 00 00 00 00 00 00 01 00", { out: new Uint8Array(512) }).checked(SENSE.softwareWriteProtected);
    expect(initiator.send("1a 08 0a 00 04 00", { room: 4 }).bytes[2]).to.equal(0x90);
    initiator.send("15 10 00 00 10 00", { out: control("00 10 00") }).good();
    initiator.send("2a 00 00 00 00 00 00 00 01 00", { out: new Uint8Array(512) }).good();
  });

  it("tells the other initiators, not the one that did it, and nobody when nothing changed", () => {
    const { initiator, target } = withDisk();
    const other = new Initiator(target).settle();
    initiator.send("15 10 00 00 10 00", { out: control("00 10 00") }).good();
    other.send("00 00 00 00 00 00").good();
    initiator.send("15 10 00 00 10 00", { out: control("04 10 00") }).good();
    initiator.send("00 00 00 00 00 00").good();
    expect(other.send("00 00 00 00 00 00").sense).to.equal("72 06 2a 01 00 00 00 00");
  });

  it("takes back what MODE SENSE gave, with its block descriptor", () => {
    const { initiator } = cachedDisk();
    const given = initiator.send("1a 00 3f ff ff 00", { room: 255 }).bytes;
    given[0] = 0;
    given[2] = 0;
    initiator.send(Uint8Array.of(0x15, 0x10, 0, 0, given.length, 0), { out: given }).good();
    const long = initiator.send("5a 10 3f 00 00 00 00 00 ff 00", { room: 255 }).bytes;
    initiator.send(Uint8Array.of(0x55, 0x10, 0, 0, 0, 0, 0, 0, long.length, 0), { out: long }).good();
  });

  it("refuses a change of anything else, at the byte and bit, and changes nothing", () => {
    const { initiator } = withDisk();
    const select = (list: string, length: string) => initiator.send(`15 10 00 00 ${length} 00`, { out: list });
    select(control("04 30 00"), "10").checked(SENSE.invalidFieldInParameterList, "8d 00 07");
    select(`00 00 00 00 ${CACHING_ON}`, "18").checked(SENSE.invalidFieldInParameterList, "8a 00 06");
    select("00 00 00 00 19 06 00 00 00 00 00 00", "0c").checked(SENSE.invalidFieldInParameterList, "80 00 04");
    select("00 00 00 00 0a 09 00 10 00 00 00 00 00 00 00 00", "10").checked(
      SENSE.invalidFieldInParameterList,
      "80 00 05",
    );
    select(`00 00 00 08 00 00 00 40 00 00 10 00 ${CONTROL}`, "18").checked(
      SENSE.invalidFieldInParameterList,
      "80 00 09",
    );
    select(`00 00 00 08 00 00 00 41 00 00 02 00 ${CONTROL}`, "18").checked(
      SENSE.invalidFieldInParameterList,
      "80 00 04",
    );
    select(`00 00 00 07 ${CONTROL}`, "10").checked(SENSE.invalidFieldInParameterList, "80 00 03");
    const header = "00 00 00 00";
    const other = EXTENSION.replace("fc", "fb");
    select(`${header} ${other}`, "24").checked(SENSE.invalidFieldInParameterList, "8a 00 0a");
    select(`${header} ${EXTENSION.replace("1c", "1b")}`, "24").checked(SENSE.invalidFieldInParameterList, "80 00 06");
    select(`${header} ${EXTENSION.replace("01", "02")}`, "24").checked(SENSE.invalidFieldInParameterList, "80 00 04");
    select(`${header} 4a 00 00 0a`, "08").checked(SENSE.invalidFieldInParameterList, "80 00 04");
    select(`${header} 8a 0a ${CONTROL.slice(6)}`, "10").checked(SENSE.invalidFieldInParameterList, "80 00 04");
    expect(initiator.send("1a 08 0a 00 ff 00", { room: 255 }).data).to.equal(`0f 00 10 00 ${CONTROL}`);
  });

  it("refuses a list that is cut, or longer than its data", () => {
    const { initiator } = withDisk();
    initiator.send("15 10 00 00 0f 00", { out: control("04 10 00") }).checked(SENSE.parameterListLengthError);
    initiator.send("15 10 00 00 03 00", { out: "000000" }).checked(SENSE.parameterListLengthError);
    initiator.send("15 10 00 00 11 00", { out: control("04 10 00") }).checked(SENSE.parameterListLengthError);
    initiator.send("15 10 00 00 08 00", { out: "00 00 00 08 00 00 00 00" }).checked(SENSE.parameterListLengthError);
    initiator.send("15 10 00 00 00 00").good();
  });

  it("refuses to save, and lists that are not in page format", () => {
    const { initiator } = withDisk();
    initiator.send("15 11 00 00 10 00", { out: control("04 10 00") }).checked(SENSE.invalidFieldInCdb, "c8 00 01");
    initiator.send("15 00 00 00 10 00", { out: control("04 10 00") }).checked(SENSE.invalidFieldInCdb, "cc 00 01");
  });

  it("flushes when it switches the cache off, behind the writes under way, and tells when that fails", () => {
    const off = `00 00 00 00 ${CACHING_OFF}`;
    const store = new HeldStore(64 * 512, { writeBack: true });
    const target = new Target();
    target.add(0, createDisk({ ...IDENTITY, store }));
    const initiator = new Initiator(target).settle();
    const write = "2a 00 00 00 00 00 00 00 01 00";
    const cached = initiator.send(write, { out: new Uint8Array(512) });
    const selected = initiator.send("15 10 00 00 18 00", { out: off });
    expect(store.seen).to.deep.equal(["write"]);
    store.release();
    cached.good();
    expect(store.seen).to.deep.equal(["write", "flush"]);
    expect(selected.ends).to.equal(0);
    store.release(new StoreError("medium", "gone"));
    selected.checked(SENSE.writeError);
    initiator.send(write, { out: new Uint8Array(512) });
    expect(store.seen).to.deep.equal(["write", "flush", "write+fua"]);
  });

  it("says that DPO and FUA are taken, and is believed: where they are not, their bits are refused", () => {
    const plain = withDisk({ fua: false }).initiator;
    expect(plain.send("1a 08 0a 00 04 00", { room: 4 }).data).to.equal("0f 00 00 00");
    const commands: [string, Data][] = [
      ["28 F 00 00 00 00 00 00 01 00", { room: 512 }],
      ["aa F 00 00 00 00 00 00 00 01 00 00", { out: new Uint8Array(512) }],
      ["8a F 00 00 00 00 00 00 00 00 00 00 00 01 00 00", { out: new Uint8Array(512) }],
      ["2f F 00 00 00 00 00 00 01 00", {}],
      ["89 F 00 00 00 00 00 00 00 00 00 00 00 01 00 00", { out: new Uint8Array(1024) }],
    ];
    for (const [cdb, data] of commands) {
      plain.send(cdb.replace("F", "10"), data).checked(SENSE.invalidFieldInCdb, "cc 00 01");
      plain.send(cdb.replace("F", "00"), data).good();
      withDisk().initiator.send(cdb.replace("F", "10"), data).good();
    }
    plain.send("2a 08 00 00 00 00 00 00 01 00", { out: new Uint8Array(512) }).checked(SENSE.invalidFieldInCdb);
  });

  it("is undone by a reset", () => {
    const { initiator, disk } = withDisk();
    initiator.send("15 10 00 00 10 00", { out: control("04 10 08") }).good();
    disk.reset();
    initiator.send("00 00 00 00 00 00").checked(SENSE.resetOccurred);
    expect(initiator.send("1a 08 0a 00 ff 00", { room: 255 }).data).to.equal(`0f 00 10 00 ${CONTROL}`);
  });
});
