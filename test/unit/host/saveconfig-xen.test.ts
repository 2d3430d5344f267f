// The p-devs of saveconfig.json's xen-pvscsi targets, as a back end asks the host for them.

import { parseSaveconfig, xenDevices } from "@pvscsi/config";
import { openHost } from "@pvscsi/host";
import { Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";

describe("a xen-pvscsi target of saveconfig.json", () => {
  it("has its LUNs under the target's name and under the alias of its group", () => {
    const wwn = "naa.5001405aaaaaaaaa";
    const luns = [{ index: 3, storage_object: "/backstores/ramdisk/a" }];
    const config = {
      storage_objects: [{ name: "a", plugin: "ramdisk", size: 1 << 20 }],
      targets: [{ fabric: "xen-pvscsi", wwn, tpgs: [{ tag: 1, luns, parameters: { alias: "blue" } }] }],
    };
    const { devices } = xenDevices(parseSaveconfig(JSON.stringify(config), "s.json"));
    const host = openHost(devices, { directory: ".", clock: new Simulation(seededRandom(1)) });
    for (const name of [`${wwn}:3`, "naa.5001405AAAAAAAAA:3", "blue:3", "0:0:0:3"]) {
      expect(host.find(name), name).to.deep.include({ address: { host: 0, channel: 0, target: 0, lun: 3 } });
    }
    expect(host.find("blue:4")).to.be.a("string");
    expect(host.find(`${wwn}:4`)).to.be.a("string");
  });
});
