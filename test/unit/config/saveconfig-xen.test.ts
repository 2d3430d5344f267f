// What Xen guests find of LIO's configuration by xen-pvscsi: p-devs, and the devices behind them.

import { parseSaveconfig, xenDevices } from "@pvscsi/config";
import { expect } from "chai";
import { faultOf } from "./support.js";

const WWN = "naa.5001405aaaaaaaaa";
const lun = (index: number, name: string): object => ({ index, storage_object: `/backstores/ramdisk/${name}` });

function serve(...tpgs: readonly object[]): ReturnType<typeof xenDevices> {
  const storage_objects = ["a", "b"].map((name) => ({ name, plugin: "ramdisk", size: 1 << 20 }));
  const targets = [
    { fabric: "xen-pvscsi", wwn: WWN, tpgs },
    { fabric: "vhost", wwn: WWN, tpgs: [] },
  ];
  return xenDevices(parseSaveconfig(JSON.stringify({ storage_objects, targets }), "s.json"));
}

describe("xen-pvscsi of a saveconfig.json", () => {
  it("has p-devs by the target, and by the alias of a group", () => {
    const { devices, warnings } = serve(
      { tag: 1, luns: [lun(0, "a")], parameters: { alias: "blue" } },
      { tag: 2, luns: [lun(1, "a"), lun(2, "b")] },
    );
    const found = devices.hosts[0].luns.map(({ address, portNames }) => [address.target, address.lun, portNames]);
    expect(found).to.deep.equal([
      [0, 0, [`${WWN}:0`, "blue:0", `${WWN}:1`]],
      [1, 2, [`${WWN}:2`]],
    ]);
    expect(warnings.map(({ reason }) => reason)).to.deep.equal([
      `target ${WWN} of fabric vhost is not served: only xen-pvscsi is`,
    ]);
  });

  it("refuses a p-dev of two LUNs, an alias that Linux has not, and a file without such a group", () => {
    const twice = () => serve({ tag: 1, luns: [lun(0, "a")] }, { tag: 2, luns: [lun(0, "b")] });
    expect(faultOf(twice)).to.include(`${WWN}:0 is the p-dev of two LUNs`);
    const long = () => serve({ tag: 1, luns: [], parameters: { alias: "x".repeat(64) } });
    expect(faultOf(long)).to.include("an alias that is no text of 1 to 63 printable ASCII characters");
    expect(faultOf(() => serve({ tag: 1, enable: false }))).to.include("no portal group of fabric xen-pvscsi");
  });
});
