// A Fibre Channel fabric in host.yaml: zones and masks decide what a port sees; what is wrong is refused where it stands.

import { type FabricConfig, parseHostConfig, printHostConfig, visibleLuns } from "@pvscsi/config";
import { expect } from "chai";
import { faultOf, withoutPlaces } from "./support.js";

const TARGETS = `
    targets:
      - wwnn: 50060E8007C3A100
        wwpn: 50060e8007c3a110
        luns:
          - { lun: 0, memory: 1MiB, shareable: true }
          - { lun: 300, memory: 1MiB, type: disk, initiators: [ 10000000C9831B4C ] }
      - wwnn: 50060e8007c3a100
        wwpn: 50060e8007c3a120
        luns: [ { lun: 0, null: 1MiB } ]`;
const HBA = `
  - host: 5
    pci: "0000:05:00.0"
    wwnn: 20000000c9831b4b
    wwpn: 10000000c9831b4b
    fabric: san0
    max_vports: 2`;
const SAN = `hosts:${HBA}
fabrics:
  - name: san0
    wwn: 2000000533f1a2b3${TARGETS}
    zones:
      - { name: one, members: [ 10000000c9831b4b, 50060e8007c3a110 ] }
      - { name: two, members: [ 10000000C9831B4C, 50060E8007C3A110, 50060e8007c3a120 ] }
`;

function sees(fabric: FabricConfig, wwpn: string): string[] {
  return visibleLuns(fabric, wwpn).map(({ target, luns }) => `${target.wwpn}:${luns.map(({ lun }) => lun)}`);
}

describe("a fabric of host.yaml", () => {
  const config = parseHostConfig(SAN, "host.yaml");
  const [fabric] = config.fabrics ?? [];

  it("shows a port what is in a zone with it, but for LUNs that are masked", () => {
    expect(sees(fabric, "10000000c9831b4b")).to.deep.equal(["50060e8007c3a110:0"]);
    expect(sees(fabric, "10000000c9831b4c")).to.deep.equal(["50060e8007c3a110:0,300", "50060e8007c3a120:0"]);
    expect(sees(fabric, "10000000c9831b4d")).to.deep.equal([]);
    const open = { ...fabric, zones: [] };
    expect(sees(open, "10000000c9831b4d")).to.deep.equal(["50060e8007c3a110:0", "50060e8007c3a120:0"]);
  });

  it("is printed so that it reads as an equal one", () => {
    expect(withoutPlaces(parseHostConfig(printHostConfig(config), "x"))).to.deep.equal(withoutPlaces(config));
  });

  const wrong: ReadonlyArray<readonly [string, string, string]> = [
    ["fabric: san0", "fabric: san1", "2:5: no fabric 'san1', expected one of fabrics: san0"],
    ["    fabric: san0\n", "    luns: []\n", "7:5: max_vports without fabric"],
    ["max_vports: 2", "max_vports: 100000", "7:17: invalid max_vports '100000', expected a number such as 64"],
    ["50060e8007c3a120\n", "50060e8007c3a110\n", "17:9: wwpn 50060e8007c3a110 is given twice, first at 12:9"],
    ["50060e8007c3a110\n", "10000000c9831b4b\n", "12:9: wwpn 10000000c9831b4b is given twice, first at 2:5"],
    ["lun: 300", "lun: 0", "16:13: lun 0 is given twice, first at 15:13"],
    ["lun: 300", "lun: 16384", "16:20: invalid lun '16384', expected a number up to 16383"],
    ["[ 10000000C9831B4C ]", "[ c9831b4c ]", "16:65: invalid initiators 'c9831b4c', expected 16 hex digits"],
    ["name: two", "name: one", "22:9: zone one is given twice, first at 21:9"],
    [
      "wwn: 2000000533f1a2b3",
      "wwn: 0x2000000533f1a2b3",
      "10:10: invalid wwn '0x2000000533f1a2b3', expected 16 hex digits",
    ],
    ["    wwnn: 20000000c9831b4b\n    wwpn: 10000000c9831b4b\n", "", "4:5: fabric without wwnn and wwpn, expected all"],
  ];
  for (const [part, other, message] of wrong) {
    it(`is refused: ${message}`, () => {
      expect(faultOf(() => parseHostConfig(SAN.replace(part, other), "h"))).to.equal(`h:${message}`);
    });
  }
});
