// configs/saveconfig.json as a guest finds it: LIO's INQUIRY data and pages, at the addresses of the portal groups.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatAddress, parseSaveconfig, type VhostController, vhostController } from "@pvscsi/config";
import { openHost, readSaveconfig } from "@pvscsi/host";
import { type OpenedDevice, SENSE, Target } from "@pvscsi/scsi";
import { Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";
import { Initiator } from "../scsi/initiator.js";
import { temporaryFolder } from "./support.js";

const text = (words: string): string =>
  Buffer.from(words, "latin1")
    .toString("hex")
    .replaceAll(/..(?!$)/g, "$& ");

describe("a vhost target of saveconfig.json", () => {
  const folder = temporaryFolder();
  const opened: OpenedDevice[] = [];

  afterEach(async () => {
    for (const device of opened.splice(0)) await device.release();
  });

  /** An initiator for each target id. */
  async function serve(controller: VhostController): Promise<Map<number, Initiator>> {
    const host = openHost(controller.devices, { directory: folder(), clock: new Simulation(seededRandom(1)) });
    const initiators = new Map<number, Initiator>();
    for (const { target: id, luns } of controller.targets) {
      const target = new Target(`0:${id}`, [id + 1]);
      for (const { lun, device } of luns) {
        const found = await host.open(formatAddress(device), { domain: 1, virtualDevice: `0:0:${id}:${lun}` });
        if (typeof found === "string") throw new Error(found);
        opened.push(found);
        target.add(lun, found.logicalUnit);
      }
      initiators.set(id, new Initiator(target));
    }
    return initiators;
  }

  async function example(): Promise<Initiator> {
    const config = await readSaveconfig(join(repositoryRoot, "configs", "saveconfig.json"));
    const initiators = await serve(vhostController(config));
    expect([...initiators.keys()]).to.deep.equal([1]);
    const initiator = initiators.get(1) as Initiator;
    for (const lun of [0, 1]) initiator.settle(lun);
    return initiator;
  }

  it("has disks that say what LIO's say", async () => {
    const initiator = await example();
    const page = (code: string, room: number, lun = 0): string =>
      initiator.send(`12 01 ${code} 00 ff 00`, { lun, room }).data;
    const standard = initiator.send("12 00 00 00 24 00", { room: 36 }).data;
    expect(standard.slice(24)).to.equal(text("LIO-ORG disk0           4.0 "));
    expect(page("80", 64)).to.equal(`00 80 00 24 ${text("2f6b4a7c-90d1-4e5b-8a33-c1d20e9f4b67")}`);
    expect(page("83", 24).slice(12)).to.equal("01 03 00 10 60 01 40 52 f6 b4 a7 c9 0d 14 e5 b8 a3 3c 1d 20");
    expect([page("b1", 6), page("b1", 6, 1)]).to.deep.equal(["00 b1 00 3c 00 00", "00 b1 00 3c 00 01"]);
    expect([page("b2", 8), page("b2", 8, 1)]).to.deep.equal(["00 b2 00 04 00 00 00 00", "00 b2 00 04 00 80 02 00"]);
  });

  it("has MODE SENSE's header as LIO's in Linux' dmesg: 43 00 10 08 with a cache, no FUA without one", async () => {
    const initiator = await example();
    expect(initiator.send("1a 00 3f 00 04 00", { room: 4 }).data).to.equal("43 00 10 08");
    expect(initiator.send("1a 00 3f 00 04 00", { lun: 1, room: 4 }).data).to.equal("43 00 00 08");
    expect(initiator.send("1a 08 08 00 18 00", { room: 7 }).data).to.equal("17 00 10 00 08 12 04");
  });

  it("takes UNMAP where emulate_tpu is on, and nowhere else", async () => {
    const initiator = await example();
    const unmap = (lun: number) => initiator.send("42 00 00 00 00 00 00 00 08 00", { lun, out: "0006 0000 0000 0000" });
    unmap(0).checked(SENSE.invalidOpcode);
    unmap(1).good();
  });

  it("keeps what initiators have made of its target port groups, where the file says so", async () => {
    const groups = [1, 2].map((tag) => ({ name: `gp${tag}`, tg_pt_gp_id: tag, alua_write_metadata: 2 - tag }));
    const storage = { name: "d", plugin: "fileio", dev: "kept.img", size: 1 << 20, alua_tpgs: groups };
    const tpgs = [1, 2].map((tag) => {
      return { tag, luns: [{ index: 0, storage_object: "/backstores/fileio/d", alua_tg_pt_gp_name: `gp${tag}` }] };
    });
    const targets = [{ fabric: "vhost", wwn: "naa.5001405aaaaaaaaa", tpgs }];
    const config = parseSaveconfig(JSON.stringify({ storage_objects: [storage], targets }), "s.json");
    const start = async () => {
      const initiators = await serve(vhostController(config));
      return [1, 2].map((tag) => (initiators.get(tag) as Initiator).settle());
    };
    const [near, far] = await start();
    const sent = near.send("a4 0a 00 00 00 00 00 00 00 08 00 00", { out: "00 00 00 00 02 00 00 02" });
    while (sent.ends === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    sent.good();
    far.settle().send("00 00 00 00 00 00").checked(SENSE.portInStandby);
    for (const device of opened.splice(0)) await device.release();
    expect(readFileSync(join(folder(), "kept.img.alua"), "latin1")).to.include("group 2 state standby cause 1\n");
    const [again, there] = await start();
    again.send("00 00 00 00 00 00").good();
    there.send("00 00 00 00 00 00").checked(SENSE.portInStandby);
    for (const device of opened.splice(0)) await device.release();
    writeFileSync(join(folder(), "kept.img.alua"), "somebody's text\n");
    const refused = await start().then(
      () => "nothing",
      (error: Error) => error.message,
    );
    expect(refused).to.match(/states of target port groups of 0:0:1:0 .*kept\.img\.alua: line 1 is "somebody's text"/);
  });

  it("gives one storage object away at several LUNs of several targets", async () => {
    const luns = (...indices: number[]) => indices.map((index) => ({ index, storage_object: "/backstores/ramdisk/r" }));
    const target = {
      fabric: "vhost",
      wwn: "naa.5001405aaaaaaaaa",
      tpgs: [
        { tag: 1, luns: luns(2, 16383) },
        { tag: 255, luns: luns(0) },
      ],
    };
    const storage = { name: "r", plugin: "ramdisk", size: 65536 };
    const config = parseSaveconfig(JSON.stringify({ storage_objects: [storage], targets: [target] }), "s.json");
    const initiators = await serve(vhostController(config));
    const near = (initiators.get(1) as Initiator).settle(2).settle(16383);
    const far = (initiators.get(255) as Initiator).settle();
    const bytes = new Uint8Array(512).fill(0x5a);
    near.send("2a 00 00 00 00 00 00 00 01 00", { lun: 2, out: bytes }).good();
    const read = "28 00 00 00 00 00 00 00 01 00";
    expect(near.send(read, { lun: 16383, room: 512 }).bytes).to.deep.equal(bytes);
    expect(far.send(read, { room: 512 }).bytes).to.deep.equal(bytes);
  });
});
