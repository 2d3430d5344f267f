// A medium changer by the clauses of SMC-3: what READ ELEMENT STATUS says byte by byte, what moves, and what is refused with which sense.

import { SENSE, Status } from "@pvscsi/scsi";
import { expect } from "chai";
import { Initiator } from "./initiator.js";
import { BARCODES, DRIVE, exchangeCdb, MemoryKeeper, moveCdb, PORT, SLOT, statusCdb, withLibrary } from "./library.js";
import { flipReservedBits, reportedBy } from "./opcode-table.js";

const ADDRESS_POINTER = { transport: "c0 00 02", from: "c0 00 04", to: "c0 00 06" };

describe("a medium changer", () => {
  it("says what it is, and where its elements are", async () => {
    const { initiator } = await withLibrary();
    expect(initiator.send("12 00 00 00 24 00", { room: 36 }).data).to.match(/^08 80 06 02 5b/);
    initiator.send("00 00 00 00 00 00").good();
    const addresses = initiator.send("1a 08 1d 00 ff 00", { room: 255 }).data;
    expect(addresses).to.equal("17 00 00 00 1d 12 00 01 00 01 10 00 00 06 00 10 00 02 01 00 00 02 00 00");
    expect(initiator.send("1a 08 1e 00 ff 00", { room: 255 }).data).to.equal("07 00 00 00 1e 02 00 00");
    const capabilities = initiator.send("1a 08 1f 00 ff 00", { room: 255 }).data;
    expect(capabilities).to.equal("17 00 00 00 1f 12 0e 00 00 0e 0e 0e 00 00 00 00 00 0e 0e 0e 00 00 00 00");
  });

  it("reports each element with its cartridge, its label and where it came from", async () => {
    const { initiator } = await withLibrary();
    await initiated(initiator, moveCdb(SLOT, DRIVE + 1));
    const drives = initiator.send(statusCdb({ flags: 0x14 }), { room: 512 }).data;
    const empty = `01 00 08 ${zeros(49)}`;
    const full = `01 01 09 ${zeros(6)} 80 10 00 41 30 30 30 30 31 4c 38 ${blanks(24)} ${zeros(8)}`;
    expect(drives).to.equal(`01 00 00 02 00 00 00 70 04 80 00 34 00 00 00 68 ${empty} ${full}`);
    const slots = initiator.send(statusCdb({ flags: 0x02, count: 2 }), { room: 512 }).data;
    expect(slots).to.equal(
      `10 00 00 02 00 00 00 28 02 00 00 10 00 00 00 20 10 00 08 ${zeros(13)} 10 01 09 ${zeros(13)}`,
    );
    const ports = initiator.send(statusCdb({ flags: 0x03, count: 1 }), { room: 512 }).data;
    expect(ports).to.equal(`00 10 00 01 00 00 00 18 03 00 00 10 00 00 00 10 00 10 38 ${zeros(13)}`);
    const transport = initiator.send(statusCdb({ flags: 0x01 }), { room: 512 }).data;
    expect(transport).to.equal(`00 01 00 01 00 00 00 18 01 00 00 10 00 00 00 10 00 01 00 ${zeros(13)}`);
  });

  it("names its drives as their own page 83h does", async () => {
    const { initiator } = await withLibrary();
    const data = initiator.send(statusCdb({ flags: 0x04, more: 0x01, count: 1 }), { room: 512 }).bytes;
    expect(data.length).to.equal(16 + 12 + 4 + 28);
    expect([...data.subarray(28, 32)]).to.deep.equal([0x02, 0x01, 0x00, 28]);
    expect(String.fromCharCode(...data.subarray(32))).to.equal("ACME    DRIVE           1111");
  });

  it("reports all kinds in ascending order of their addresses, and only whole descriptors", async () => {
    const { initiator } = await withLibrary();
    const all = initiator.send(statusCdb({}), { room: 4096 }).bytes;
    expect([...all.subarray(0, 8)]).to.deep.equal([0, 1, 0, 11, 0, 0, 0, 11 * 16 + 4 * 8]);
    for (const room of [8, 15, 16, 31, 32, 40, 55, 56, 57]) {
      const cut = initiator.send(statusCdb({ room }), { room: 4096 }).bytes;
      expect([...cut]).to.deep.equal([...all.subarray(0, cut.length)]);
      expect(cut.length, `of ${room}`).to.equal(
        [8, 8, 16, 16, 32, 40, 40, 56, 56][[8, 15, 16, 31, 32, 40, 55, 56, 57].indexOf(room)],
      );
    }
    expect(initiator.send(statusCdb({ room: 7 }), { room: 7 }).data).to.equal("00 01 00 0b 00 00 00");
    expect(initiator.send(statusCdb({ start: 0xfff0 }), { room: 64 }).data).to.equal(zeros(8));
    expect(initiator.send(statusCdb({ flags: 2, start: SLOT + 4 }), { room: 64 }).bytes[3]).to.equal(2);
    initiator.send(statusCdb({ flags: 5 }), { room: 64 }).checked(SENSE.invalidFieldInCdb, "cb 00 01");
  });

  it("carries a cartridge to a drive and back", async () => {
    const { initiator, drives, library } = await withLibrary();
    await initiated(initiator, moveCdb(SLOT + 1, DRIVE));
    expect(drives[0].seen).to.deep.equal([`insert ${BARCODES[1]}`]);
    await initiated(initiator, moveCdb(DRIVE, PORT));
    expect(drives[0].seen).to.deep.equal([`insert ${BARCODES[1]}`, `remove ${BARCODES[1]}`]);
    expect(library.find(BARCODES[1])).to.include({ address: PORT, source: SLOT + 1, imported: false });
    await initiated(initiator, moveCdb(PORT, PORT));
    await initiated(initiator, moveCdb(PORT, SLOT + 5, 1));
    expect(library.find(BARCODES[1])).to.include({ address: SLOT + 5, source: PORT });
  });

  it("exchanges cartridges, also with the element they come from", async () => {
    const { initiator, library, drives } = await withLibrary();
    await initiated(initiator, moveCdb(SLOT, DRIVE));
    await initiated(initiator, exchangeCdb(SLOT + 1, DRIVE, SLOT));
    expect(library.find(BARCODES[0])?.address).to.equal(SLOT);
    expect(drives[0].barcode).to.equal(BARCODES[1]);
    await initiated(initiator, exchangeCdb(SLOT, DRIVE, SLOT));
    expect(library.find(BARCODES[1])?.address).to.equal(SLOT);
    expect(drives[0].barcode).to.equal(BARCODES[0]);
    initiator.send(exchangeCdb(SLOT, SLOT, SLOT + 1)).checked(SENSE.invalidFieldInCdb, "c0 00 06");
    initiator.send(exchangeCdb(SLOT, DRIVE, DRIVE)).checked(SENSE.invalidFieldInCdb, "c0 00 08");
    await refused(initiator, exchangeCdb(SLOT, DRIVE, SLOT + 2), SENSE.destinationElementFull);
    await refused(initiator, exchangeCdb(SLOT, DRIVE + 1, SLOT + 5), SENSE.sourceElementEmpty);
  });

  it("refuses addresses that nobody has, empty sources and full destinations", async () => {
    const { initiator } = await withLibrary();
    initiator.send(moveCdb(SLOT + 6, DRIVE)).checked(SENSE.invalidElementAddress, ADDRESS_POINTER.from);
    initiator.send(moveCdb(SLOT, DRIVE + 2)).checked(SENSE.invalidElementAddress, ADDRESS_POINTER.to);
    initiator.send(moveCdb(SLOT, DRIVE, SLOT)).checked(SENSE.invalidElementAddress, ADDRESS_POINTER.transport);
    initiator.send(moveCdb(1, DRIVE)).checked(SENSE.invalidFieldInCdb, ADDRESS_POINTER.from);
    await refused(initiator, moveCdb(SLOT + 4, DRIVE), SENSE.sourceElementEmpty);
    await refused(initiator, moveCdb(SLOT, SLOT + 1), SENSE.destinationElementFull);
    initiator.send("a5 00 00 00 10 00 01 00 00 00 01 00").checked(SENSE.invalidFieldInCdb, "c8 00 0a");
  });

  it("does not tear a cartridge from a drive that has not unloaded it", async () => {
    const { initiator, drives } = await withLibrary();
    drives[0].threads = true;
    await initiated(initiator, moveCdb(SLOT, DRIVE));
    await refused(initiator, moveCdb(DRIVE, SLOT), SENSE.removalPreventedByDrive);
    expect(initiator.send(statusCdb({ flags: 4, count: 1 }), { room: 64 }).bytes[18]).to.equal(0x01);
    drives[0].holds = false;
    await initiated(initiator, moveCdb(DRIVE, SLOT));
  });

  it("says that a drive cannot use its cartridge, which is in it", async () => {
    const { initiator, drives, library } = await withLibrary();
    drives[0].broken = true;
    await refused(initiator, moveCdb(SLOT, DRIVE), SENSE.loadOrEjectFailed);
    expect(library.find(BARCODES[0])?.address).to.equal(DRIVE);
    const data = initiator.send(statusCdb({ flags: 4, count: 1 }), { room: 64 }).bytes;
    expect([...data.subarray(18, 22)]).to.deep.equal([0x0d, 0, 0x53, 0]);
    await initiated(initiator, moveCdb(DRIVE, SLOT));
    expect(initiator.send(statusCdb({ flags: 4, count: 1 }), { room: 64 }).bytes[18]).to.equal(0x08);
  });

  it("moves nothing that could not be kept", async () => {
    const keeper = new MemoryKeeper();
    const { initiator, drives, library } = await withLibrary({ keeper });
    await initiated(initiator, moveCdb(SLOT, DRIVE));
    keeper.fails = true;
    await refused(initiator, moveCdb(DRIVE, DRIVE + 1), SENSE.internalTargetFailure);
    expect(library.find(BARCODES[0])?.address).to.equal(DRIVE);
    expect(drives[0].barcode).to.equal(BARCODES[0]);
    expect(drives[1].seen).to.deep.equal([]);
  });

  it("positions, looks, and lets operators have its import/export elements", async () => {
    const { initiator, library } = await withLibrary();
    for (const cdb of ["07 00 00 00 00 00", "37 01 10 00 00 00 00 02 00 00", "37 00 ff ff 00 00 00 00 00 00"]) {
      await initiated(initiator, cdb);
    }
    initiator.send("37 01 ff ff 00 00 00 00 00 00").checked(SENSE.invalidElementAddress, "c0 00 02");
    await initiated(initiator, "2b 00 00 00 10 00 00 00 00 00");
    initiator.send("2b 00 00 00 20 00 00 00 00 00").checked(SENSE.invalidElementAddress, "c0 00 04");
    initiator.send("2b 00 00 00 10 00 00 00 01 00").checked(SENSE.invalidFieldInCdb, "c8 00 08");
    await initiated(initiator, moveCdb(SLOT, PORT));
    await initiated(initiator, "1b 00 00 10 00 00");
    expect(initiator.send(statusCdb({ flags: 3, count: 1 }), { room: 64 }).bytes[18]).to.equal(0x31);
    await refused(initiator, moveCdb(PORT, SLOT), SENSE.mediumMagazineNotAccessible);
    await refused(initiator, moveCdb(SLOT + 1, PORT), SENSE.destinationElementFull);
    await initiated(initiator, "1b 00 00 10 01 00");
    await initiated(initiator, moveCdb(PORT, SLOT));
    initiator.send("1b 00 10 00 00 00").checked(SENSE.invalidFieldInCdb, "c0 00 02");
    initiator.send("1b 00 00 10 02 00").checked(SENSE.invalidFieldInCdb, "cc 00 04");
    expect(library.elementAt(PORT)?.open).to.equal(false);
  });

  it("keeps operators out where an initiator wants that, and tells when one was there", async () => {
    const { initiator, library, target } = await withLibrary();
    const other = new Initiator(target).settle();
    other.send("1e 00 00 00 01 00").good();
    initiator.send("1b 00 00 10 00 00").checked(SENSE.mediumRemovalPrevented);
    expect(await library.putIn("NEW001L8")).to.match(/prevents/);
    other.send("1e 00 00 00 00 00").good();
    expect(await library.putIn("NEW001L8")).to.equal(PORT);
    for (const told of [initiator, other]) told.send("00 00 00 00 00 00").checked(SENSE.importExportAccessed);
    const port = initiator.send(statusCdb({ flags: 0x13, count: 1 }), { room: 128 }).bytes;
    expect([port[18], port[25]]).to.deep.equal([0x3b, 0]);
    expect(await library.putIn("NEW001L8")).to.match(/already/);
    expect(await library.putIn("NEW002L8")).to.equal(PORT + 1);
    expect(await library.putIn("NEW003L8")).to.match(/no import/);
    initiator.settle();
    await initiated(initiator, moveCdb(PORT, SLOT + 3));
    expect(await library.takeOut("NEW001L8")).to.match(/4099/);
    expect(await library.takeOut("NEW002L8")).to.equal(PORT + 1);
    expect(await library.takeOut("NEW002L8")).to.match(/not in the library/);
  });

  it("ends a move that waits for another at once when it is aborted, and one that was begun when it is done", async () => {
    const { initiator, library } = await withLibrary();
    const first = initiator.send(moveCdb(SLOT, DRIVE));
    const second = initiator.send(moveCdb(SLOT + 1, DRIVE + 1));
    initiator.nexus.manage({ function: "abort-task", lun: 0, tag: second.task.tag, completed: () => {} });
    expect(second.ends).to.equal(1);
    await library.idle();
    first.good();
    expect(library.find(BARCODES[1])?.address).to.equal(SLOT + 1);
  });

  it("has every reserved bit of every command checked", async () => {
    const { initiator } = await withLibrary();
    expect(flipReservedBits(initiator, reportedBy(initiator))).to.be.above(1000);
  });

  it("is shut to others by a reservation, but for what asks for data that is known", async () => {
    const { initiator, target } = await withLibrary();
    const other = new Initiator(target).settle();
    initiator.send("16 00 00 00 00 00").good();
    expect(other.send(moveCdb(SLOT, DRIVE)).status).to.equal(Status.reservationConflict);
    expect(other.send(statusCdb({}), { room: 8 }).status).to.equal(Status.reservationConflict);
    other.send(statusCdb({ more: 0x02 }), { room: 8 }).good();
  });
});

/** Ends well, when the robot has done it. */
async function initiated(initiator: Initiator, cdb: Uint8Array | string): Promise<void> {
  const sent = initiator.send(cdb);
  while (sent.ends === 0) await Promise.resolve();
  sent.good();
}

async function refused(
  initiator: Initiator,
  cdb: Uint8Array,
  sense: Parameters<ReturnType<Initiator["send"]>["checked"]>[0],
) {
  const sent = initiator.send(cdb);
  while (sent.ends === 0) await Promise.resolve();
  sent.checked(sense);
}

const zeros = (count: number): string => Array(count).fill("00").join(" ");
const blanks = (count: number): string => Array(count).fill("20").join(" ");
