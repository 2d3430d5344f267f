import { existsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostOfLunWords } from "@pvscsi/config";
import { type Host, openHost } from "@pvscsi/host";
import { type OpenedDevice, SENSE, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { realClock } from "../../support/node-platform.js";
import { Initiator } from "../scsi/initiator.js";
import { temporaryFolder } from "./support.js";

const DRIVE = "0:0:0:0";
const GUEST = { domain: 3, virtualDevice: DRIVE };
const READY = "00 00 00 00 00 00";
const CAPACITY = "25 00 00 00 00 00 00 00 00 00";

describe("a CD/DVD drive of the host", () => {
  const folder = temporaryFolder();
  let device: OpenedDevice | null = null;

  afterEach(leave);

  async function leave(): Promise<void> {
    await device?.release();
    device = null;
  }

  function image(name: string, sectors: number): string {
    const path = join(folder(), name);
    writeFileSync(path, "");
    truncateSync(path, sectors * 2048);
    return path;
  }

  const hostOf = (word: string): Host => openHost(hostOfLunWords([word]), { directory: folder(), clock: realClock });

  async function use(host: Host): Promise<Initiator> {
    const found = await host.open(DRIVE, GUEST);
    if (typeof found === "string") throw new Error(found);
    device = found;
    const target = new Target();
    target.add(0, found.logicalUnit);
    return new Initiator(target).settle();
  }

  const sectors = (initiator: Initiator): string => initiator.send(CAPACITY, { room: 8 }).data.slice(0, 11);

  it("has the image as its disc, which stays as it is, with nothing beside it", async () => {
    const path = image("a.iso", 256);
    const initiator = await use(hostOf("a.iso,type=cdrom"));
    expect(sectors(initiator)).to.equal("00 00 00 ff");
    expect(initiator.send("12 00 00 00 24 00", { room: 36 }).bytes[0]).to.equal(0x05);
    initiator.send("2a 00 00 00 00 00 00 00 01 00", { out: new Uint8Array(2048) }).checked(SENSE.invalidOpcode);
    await leave();
    expect(existsSync(`${path}.reservations`)).to.equal(false);
  });

  it("gets discs and gives them back, also while nobody uses it, and has the last one when it is used again", async () => {
    image("b.iso", 16);
    image("c.iso", 32);
    const host = hostOf("empty:,type=cdrom");
    let initiator = await use(host);
    initiator.send(READY).checked(SENSE.mediumNotPresentTrayClosed);
    expect(await host.insert(DRIVE, "b.iso")).to.equal(null);
    expect(sectors(initiator.settle())).to.equal("00 00 00 0f");
    await leave();
    initiator = await use(host);
    expect(sectors(initiator)).to.equal("00 00 00 0f");
    await leave();
    expect(await host.insert(DRIVE, "c.iso")).to.equal(null);
    initiator = await use(host);
    expect(sectors(initiator)).to.equal("00 00 00 1f");
    expect(await host.eject(DRIVE)).to.equal(null);
    initiator.send(READY).checked(SENSE.mediumNotPresentTrayOpen);
    await leave();
    (await use(host)).send(READY).checked(SENSE.mediumNotPresentTrayClosed);
  });

  it("keeps its disc while a guest wants that, who is told; and says what cannot be put in", async () => {
    image("d.iso", 16);
    image("e.iso", 32);
    image("f.iso", 0);
    const host = hostOf("d.iso,type=cdrom");
    const initiator = await use(host);
    initiator.send("1e 00 00 00 01 00").good();
    const kept = "0:0:0:0 (/dev/sr0) is kept shut by who uses it, who was told that its disc is wanted";
    expect(await host.insert(DRIVE, "e.iso")).to.equal(kept);
    expect(await host.eject(DRIVE)).to.equal(kept);
    expect(initiator.send("4a 01 00 00 10 00 00 00 08 00", { room: 8 }).data).to.equal("00 06 04 5e 01 02 00 00");
    expect(sectors(initiator)).to.equal("00 00 00 0f");
    initiator.send("1e 00 00 00 00 00").good();
    expect(await host.insert(DRIVE, "e.iso")).to.equal(null);
    expect(await host.insert(DRIVE, "none.iso")).to.match(/cannot open .*none.iso: /);
    expect(await host.insert(DRIVE, "f.iso")).to.match(/it has 0 bytes, expected a sector of 2048 at least$/);
    expect(sectors(initiator.settle())).to.equal("00 00 00 1f");
    expect(await hostOf("mem:1MiB").insert(DRIVE, "e.iso")).to.equal("0:0:0:0 (/dev/sda) is no CD/DVD drive");
    expect(await host.grow(DRIVE, 1 << 20)).to.match(/is a drive, which has the size it has/);
  });
});
