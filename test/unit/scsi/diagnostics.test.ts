// SEND DIAGNOSTIC, RECEIVE DIAGNOSTIC RESULTS, READ BUFFER and WRITE BUFFER: SPC-4 6.42, 6.28, 6.18, 6.49.

import { createDisk, Nexus, SENSE, StoreError, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { BLOCKS, IDENTITY, Initiator, pattern, withDisk } from "./initiator.js";

describe("SEND DIAGNOSTIC", () => {
  it("tests itself by reading, and tells when that fails", () => {
    const store = new HeldStore(BLOCKS * 512);
    const target = new Target();
    target.add(0, createDisk({ ...IDENTITY, store }));
    const initiator = new Initiator(target).settle();
    const passed = initiator.send("1d 04 00 00 00 00");
    expect(store.seen).to.deep.equal(["read"]);
    store.release();
    passed.good();
    const failed = initiator.send("1d 07 00 00 00 00");
    store.release(new StoreError("medium", "gone"));
    failed.checked(SENSE.failedSelfTest);
  });

  it("has no self-test without a medium", () => {
    const { initiator } = withDisk();
    initiator.send("1b 00 00 00 00 00").good();
    initiator.send("1d 04 00 00 00 00").checked(SENSE.initializingCommandRequired);
    initiator.send("1d 00 00 00 00 00").good();
  });

  it("takes the page that lists pages, and RECEIVE DIAGNOSTIC RESULTS answers it", () => {
    const { initiator } = withDisk();
    initiator.send("1d 10 00 00 04 00", { out: "00 00 00 00" }).good();
    for (const cdb of ["1c 00 00 00 ff 00", "1c 01 00 00 ff 00"]) {
      expect(initiator.send(cdb, { room: 255 }).data).to.equal("00 00 00 01 00");
    }
    expect(initiator.send("1c 01 00 00 02 00", { room: 2 }).data).to.equal("00 00");
    initiator.send("1c 01 40 00 ff 00", { room: 255 }).checked(SENSE.invalidFieldInCdb, "c0 00 02");
    initiator.send("1c 00 40 00 ff 00", { room: 255 }).checked(SENSE.invalidFieldInCdb, "c8 00 01");
  });

  it("refuses other pages, lists that are cut or in no page format, and self-tests of other kinds", () => {
    const { initiator } = withDisk();
    const send = (flags: string, length: string, out: string) =>
      initiator.send(`1d ${flags} 00 00 ${length} 00`, { out });
    send("10", "04", "40 00 00 00").checked(SENSE.invalidFieldInParameterList, "80 00 00");
    send("10", "04", "00 00 00 01").checked(SENSE.invalidFieldInParameterList, "80 00 02");
    send("10", "03", "00 00 00").checked(SENSE.parameterListLengthError);
    send("10", "05", "00 00 00 00").checked(SENSE.parameterListLengthError);
    send("00", "04", "00 00 00 00").checked(SENSE.invalidFieldInCdb, "cc 00 01");
    send("14", "04", "00 00 00 00").checked(SENSE.invalidFieldInCdb, "c0 00 03");
    initiator.send("1d 20 00 00 00 00").checked(SENSE.invalidFieldInCdb, "cd 00 01");
    initiator.send("1d 80 00 00 00 00").checked(SENSE.invalidFieldInCdb, "cf 00 01");
  });
});

describe("READ BUFFER and WRITE BUFFER", () => {
  it("keep one buffer for all initiators, at any offset", () => {
    const { initiator, target, disk } = withDisk();
    const other = new Initiator(target, new Nexus(target, { initiator: "other" })).settle();
    expect(initiator.send("3c 03 00 00 00 00 00 00 04 00", { room: 4 }).data).to.equal("00 00 10 00");
    expect(initiator.send("3c 03 01 00 00 00 00 00 04 00", { room: 4 }).data).to.equal("00 00 00 00");
    expect(initiator.send("3c 02 00 00 0f fe 00 00 10 00", { room: 16 }).data).to.equal("00 00");
    initiator.send("3b 02 00 00 0f fd 00 00 03 00", { out: "01 02 03" }).good();
    expect(other.send("3c 02 00 00 0f fc 00 00 10 00", { room: 16 }).data).to.equal("00 01 02 03");
    const data = pattern(4096);
    initiator.send("3b 02 00 00 00 00 00 10 00 00", { out: data }).good();
    expect(other.send("3c 02 00 00 00 00 00 20 00 00", { room: 8192 }).bytes).to.deep.equal(data);
    disk.reset();
    initiator.settle();
    expect(initiator.send("3c 02 00 00 00 00 00 00 02 00", { room: 2 }).data).to.equal("00 00");
  });

  it("keep an echo buffer for each initiator", () => {
    const { initiator, target } = withDisk();
    const other = new Initiator(target, new Nexus(target, { initiator: "other" })).settle();
    const echo = "3c 0a 00 00 00 00 00 00 ff 00";
    expect(initiator.send("3c 0b 00 00 00 00 00 00 ff 00", { room: 255 }).data).to.equal("01 00 10 00");
    initiator.send(echo, { room: 255 }).checked(SENSE.commandSequenceError);
    initiator.send("3b 0a 00 00 00 00 00 00 03 00", { out: "0a 0b 0c" }).good();
    other.send("3b 0a 00 00 00 00 00 00 01 00", { out: "ff" }).good();
    expect(initiator.send(echo, { room: 255 }).data).to.equal("0a 0b 0c");
    expect(other.send(echo, { room: 255 }).data).to.equal("ff");
  });

  it("refuse what is beyond them, other buffers and other modes", () => {
    const { initiator } = withDisk();
    const out = new Uint8Array(4097);
    initiator.send("3b 02 00 00 00 00 00 10 01 00", { out }).checked(SENSE.invalidFieldInCdb, "c0 00 06");
    initiator.send("3b 02 00 00 10 01 00 00 00 00").checked(SENSE.invalidFieldInCdb, "c0 00 03");
    initiator.send("3c 02 00 00 10 01 00 00 10 00", { room: 16 }).checked(SENSE.invalidFieldInCdb, "c0 00 03");
    initiator.send("3b 0a 00 00 00 00 00 10 01 00", { out }).checked(SENSE.invalidFieldInCdb, "c0 00 06");
    initiator.send("3b 02 00 00 00 00 00 00 04 00", { out: "01" }).checked(SENSE.parameterListLengthError);
    for (const cdb of ["3b 02 01 00 00 00 00 00 00 00", "3c 02 01 00 00 00 00 00 00 00"]) {
      initiator.send(cdb).checked(SENSE.invalidFieldInCdb, "c0 00 02");
    }
    // 05h would load firmware.
    for (const cdb of ["3b 05 00 00 00 00 00 00 00 00", "3c 00 00 00 00 00 00 00 00 00"]) {
      initiator.send(cdb).checked(SENSE.invalidFieldInCdb, "cc 00 01");
    }
    for (const cdb of ["3b 02 00 00 00 00 00 00 00 00", "3b 0a 00 00 00 00 00 00 00 00"]) initiator.send(cdb).good();
  });
});
