import { createDisk, SENSE, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { IDENTITY, Initiator, withDisk } from "./initiator.js";

const READY = "00 00 00 00 00 00";
const STOP = "1b 00 00 00 00 00";
const START = "1b 00 00 00 01 00";
const EJECT = "1b 00 00 00 02 00";
const LOAD = "1b 00 00 00 03 00";
const PREVENT = "1e 00 00 00 01 00";
const ALLOW = "1e 00 00 00 00 00";
const READ = "28 00 00 00 00 00 00 00 01 00";

describe("START STOP UNIT", () => {
  it("stops the unit until it is started", () => {
    const { initiator } = withDisk();
    initiator.send(STOP).good();
    initiator.send(READY).checked(SENSE.initializingCommandRequired);
    initiator.send(READ, { room: 512 }).checked(SENSE.initializingCommandRequired);
    initiator.send("12 00 00 00 24 00", { room: 36 }).good();
    initiator.send("1a 08 3f 00 ff 00", { room: 255 }).good();
    initiator.send(START).good();
    initiator.send(READY).good();
  });

  it("starts with a reset", () => {
    const { initiator, disk } = withDisk();
    initiator.send(STOP).good();
    disk.reset();
    initiator.settle().send(READY).good();
  });

  it("takes power conditions without an effect", () => {
    const { initiator } = withDisk();
    for (let condition = 1; condition < 16; condition++) {
      initiator.send(Uint8Array.of(0x1b, 0, 0, 0, condition << 4, 0)).good();
    }
    initiator.send(READY).good();
  });

  it("ejects nothing that is fixed", () => {
    withDisk().initiator.send(EJECT).checked(SENSE.invalidFieldInCdb, "c9 00 04");
  });

  it("ejects and loads a removable medium, and the change is told to all others", () => {
    const { initiator, target } = withDisk({ removable: true });
    const other = new Initiator(target).settle();
    initiator.send(EJECT).good();
    initiator.send(READY).checked(SENSE.mediumNotPresent);
    initiator.send(START).checked(SENSE.mediumNotPresent);
    expect(initiator.send("1a 00 0a 00 0c 00", { room: 12 }).data).to.equal("17 00 10 08 00 00 00 00 00 00 02 00");
    other.send("25 00 00 00 00 00 00 00 00 00", { room: 8 }).checked(SENSE.mediumNotPresent);
    initiator.send(LOAD).good();
    other.send(READY).checked(SENSE.mediumMayHaveChanged);
    initiator.send(READY).good();
  });
});

describe("PREVENT ALLOW MEDIUM REMOVAL", () => {
  it("keeps the medium in while any initiator wants it", () => {
    const { initiator, target } = withDisk({ removable: true });
    const other = new Initiator(target).settle();
    initiator.send(PREVENT).good();
    other.send(PREVENT).good();
    initiator.send(ALLOW).good();
    initiator.send(EJECT).checked(SENSE.mediumRemovalPrevented);
    other.send(ALLOW).good();
    initiator.send(EJECT).good();
  });

  it("lets no medium in either, where there is none", () => {
    const { initiator } = withDisk({ removable: true });
    initiator.send(EJECT).good();
    initiator.send(PREVENT).good();
    initiator.send(LOAD).checked(SENSE.mediumRemovalPrevented);
    initiator.send(ALLOW).good();
    initiator.send(LOAD).good();
    initiator.send(PREVENT).good();
    initiator.send(LOAD).good();
  });

  it("holds against an eject that still flushes", () => {
    const store = new HeldStore(64 * 512, { writeBack: true });
    const target = new Target();
    target.add(0, createDisk({ ...IDENTITY, store, removable: true }));
    const initiator = new Initiator(target).settle();
    const ejected = initiator.send(EJECT);
    new Initiator(target).settle().send(PREVENT).good();
    store.release();
    ejected.checked(SENSE.mediumRemovalPrevented);
    initiator.send(READY).good();
  });

  it("ends with the nexus that asked, and with a reset", async () => {
    const { initiator, target, disk } = withDisk({ removable: true });
    const other = new Initiator(target).settle();
    other.send(PREVENT).good();
    initiator.send(EJECT).checked(SENSE.mediumRemovalPrevented);
    await other.nexus.close();
    initiator.send(EJECT).good();
    initiator.send(LOAD).good();
    initiator.settle().send(PREVENT).good();
    disk.reset();
    initiator.settle().send(EJECT).good();
  });

  it("ends with the loss of the nexus that asked, which goes on", () => {
    const { initiator, target } = withDisk({ removable: true });
    const other = new Initiator(target).settle();
    other.send(PREVENT).good();
    initiator.send(PREVENT).good();
    other.nexus.manage({ function: "i-t-nexus-reset", lun: 0, completed: () => {} });
    initiator.send(EJECT).checked(SENSE.mediumRemovalPrevented);
    initiator.send(ALLOW).good();
    initiator.send(EJECT).good();
  });
});
