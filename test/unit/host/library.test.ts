// A library over files: its changer carries cartridges to drives that read and write them, and what is where outlives its server.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseHostConfig } from "@pvscsi/config";
import { type Host, openHost } from "@pvscsi/host";
import { type OpenedDevice, SENSE, type Sense, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { realClock } from "../../support/node-platform.js";
import { repositoryRoot } from "../../support/repository.js";
import { Initiator, pattern, type Sent } from "../scsi/initiator.js";
import { DRIVE, moveCdb, PORT, SLOT, statusCdb } from "../scsi/library.js";
import { refused, temporaryFolder } from "./support.js";

const EXAMPLE = readFileSync(join(repositoryRoot, "configs", "library.yaml"), "utf8");
const UNLOAD = "1b 00 00 00 00 00";

async function finished(sent: Sent): Promise<Sent> {
  while (sent.ends === 0) await new Promise((resolve) => setImmediate(resolve));
  return sent;
}

/** WRITE(6) of one block. */
function write(initiator: Initiator, lun: number, data: Uint8Array): Promise<Sent> {
  return finished(
    initiator.send(Uint8Array.of(0x0a, 0, 0, data.length >> 8, data.length & 0xff, 0), { lun, out: data }),
  );
}

/** What READ(6) of one block reads. */
async function read(initiator: Initiator, lun: number, length: number): Promise<Uint8Array> {
  const cdb = Uint8Array.of(0x08, 0, 0, length >> 8, length & 0xff, 0);
  return (await finished(initiator.send(cdb, { lun, room: length }))).bytes;
}

describe("a tape library in a folder", () => {
  const folder = temporaryFolder();
  let opened: OpenedDevice[] = [];
  let host: Host;

  afterEach(leave);

  async function leave(): Promise<void> {
    for (const device of opened) await device.release();
    opened = [];
  }

  /** The changer at LUN 0, the drives at LUNs 1 and 2, as after a start of the server. */
  async function enter(): Promise<Initiator> {
    await leave();
    host = openHost(parseHostConfig(EXAMPLE, "library.yaml"), { directory: folder(), clock: realClock });
    const target = new Target();
    for (const [lun, name] of ["3:0:0:0", "3:0:1:0", "3:0:2:0"].entries()) {
      const device = await host.open(name, { domain: 1, virtualDevice: `0:0:0:${lun}` });
      if (typeof device === "string") throw new Error(device);
      opened.push(device);
      target.add(lun, device.logicalUnit);
    }
    const initiator = new Initiator(target);
    for (const lun of [0, 1, 2]) initiator.settle(lun);
    return initiator;
  }

  async function move(initiator: Initiator, from: number, to: number, sense?: Sense): Promise<void> {
    const sent = await finished(initiator.send(moveCdb(from, to)));
    if (sense === undefined) sent.good();
    else sent.checked(sense);
  }

  const file = (name: string): string => join(folder(), "library", name);

  it("makes its folder at first, and a cartridge's file when a drive first has it", async () => {
    const initiator = await enter();
    expect(readFileSync(file("inventory"), "latin1")).to.contain("element 4096 cartridge A00001L8");
    expect(existsSync(file("A00001L8.tap"))).to.equal(false);
    await move(initiator, SLOT, DRIVE);
    expect(existsSync(file("A00001L8.tap"))).to.equal(true);
  });

  it("has a drive write and read the cartridge that is in it", async () => {
    const initiator = await enter();
    initiator.send("00 00 00 00 00 00", { lun: 1 }).checked(SENSE.mediumNotPresent);
    await move(initiator, SLOT, DRIVE);
    initiator.send("00 00 00 00 00 00", { lun: 1 }).checked(SENSE.mediumMayHaveChanged);
    (await write(initiator, 1, pattern(3000))).good();
    await move(initiator, DRIVE, SLOT, SENSE.removalPreventedByDrive);
    (await finished(initiator.send(UNLOAD, { lun: 1 }))).good();
    await move(initiator, DRIVE, DRIVE + 1);
    initiator.settle(2);
    expect(await read(initiator, 2, 3000)).to.deep.equal(pattern(3000));
    initiator.send("01 00 00 00 00 00", { lun: 1 }).checked(SENSE.mediumNotPresent);
  });

  it("knows after its server's end where everything is, and has it in its drives", async () => {
    let initiator = await enter();
    await move(initiator, SLOT + 1, DRIVE + 1);
    initiator.settle(2);
    (await write(initiator, 2, pattern(512))).good();
    const before = initiator.send(statusCdb({ flags: 0x10, more: 1 }), { room: 8192 }).data;
    initiator = await enter();
    expect(initiator.send(statusCdb({ flags: 0x10, more: 1 }), { room: 8192 }).data).to.equal(before);
    expect(await read(initiator, 2, 512)).to.deep.equal(pattern(512));
  });

  it("names its drives in element status as they name themselves", async () => {
    const initiator = await enter();
    const page = initiator.send("12 01 83 00 ff 00", { room: 255, lun: 1 }).bytes;
    const data = initiator.send(statusCdb({ flags: 0x04, more: 1, count: 1 }), { room: 255 }).bytes;
    const name = Buffer.from(data.subarray(28));
    expect(Buffer.from(page).includes(name.subarray(4))).to.equal(true);
    expect(name.subarray(4).toString("latin1")).to.match(/^PVSCSI {2}VIRTUAL TAPE {4}3/);
  });

  it("lets an operator put a cartridge in and take one out", async () => {
    const initiator = await enter();
    const library = await host.library("3:0:0:0");
    if (typeof library === "string") throw new Error(library);
    expect(await library.putIn("B00001L8")).to.equal(PORT);
    initiator.send("00 00 00 00 00 00").checked(SENSE.importExportAccessed);
    await move(initiator, PORT, DRIVE);
    expect(existsSync(file("B00001L8.tap"))).to.equal(true);
    expect(refused(await host.library("3:0:1:0"))).to.match(/changer/);
    expect(refused(await host.library("3:0:10:0"))).to.match(/no device/);
  });

  it("stands beside a shelf whose slots follow the disks, and a controller", async () => {
    await enter();
    const target = new Target();
    for (const [lun, name] of ["3:0:8:0", "3:0:9:0"].entries()) {
      const device = await host.open(name, { domain: 1, virtualDevice: `0:0:1:${lun}` });
      if (typeof device === "string") throw new Error(device);
      opened.push(device);
      target.add(lun, device.logicalUnit);
    }
    const initiator = new Initiator(target).settle().settle(1);
    const types = [0, 1].map((lun) => initiator.send("12 00 00 00 24 00", { room: 36, lun }).bytes[0]);
    expect(types).to.deep.equal([0x0c, 0x0d]);
    const status = initiator.send("1c 01 02 02 00 00", { room: 512, lun: 1 }).bytes;
    expect([12, 16, 20, 24].map((at) => status[at])).to.deep.equal([1, 5, 5, 5]);
  });

  it("is not opened where its inventory cannot be believed", async () => {
    await enter();
    await leave();
    writeFileSync(file("inventory"), "pvscsi library, version 1\nelement 9999 cartridge A00001L8\nend\n");
    host = openHost(parseHostConfig(EXAMPLE, "library.yaml"), { directory: folder(), clock: realClock });
    const answer = await host.open("3:0:0:0", { domain: 1, virtualDevice: "0:0:0:0" });
    expect(refused(answer)).to.match(/inventory of library 3:0:0:0 in .*: A00001L8 is in element 9999/);
  });
});
