import { type AdapterName, findHost, parseHostConfig } from "@pvscsi/config";
import { expect } from "chai";
import { faultOf } from "./support.js";

/** The function of the seed has two hosts; one more is an HBA, and two have nothing to tell them apart. */
const HOSTS = `hosts:
  - { host: 3, pci: "0000:00:1f.2", unique_id: 2, driver: ahci, luns: [] }
  - { host: 7, pci: "0000:00:1f.2", unique_id: 1, driver: ahci, luns: [] }
  - { host: 5, pci: "0000:04:00.0", driver: qla2xxx, wwnn: 20000000C9831B4B, wwpn: 10000000C9831B4B, luns: [] }
  - { host: 8, pci: "0000:05:00.0", luns: [] }
  - { host: 9, pci: "0000:05:00.0", luns: [] }
`;
const WWNS = { wwnn: "20000000c9831b4b", wwpn: "10000000c9831b4b" };

describe("an adapter's name", () => {
  const found = (adapter: AdapterName): number | string => {
    const host = findHost(parseHostConfig(HOSTS, "host.yaml"), adapter);
    return typeof host === "string" ? host : host.host;
  };

  const names: ReadonlyArray<readonly [AdapterName, number | string]> = [
    [{ name: "scsi_host5" }, 5],
    [{ name: "host7" }, 7],
    [{ name: "fc_host5" }, 5],
    [{ parent: "pci_0000_00_1f_2", uniqueId: 2 }, 3],
    [{ parent: "0000:00:1F.2", uniqueId: 1 }, 7],
    // The seed: an omitted unique_id means the host with the smallest one, which is not the one with the smallest number.
    [{ parent: "pci_0000_00_1f_2" }, 7],
    [{ parent: "pci_0000_04_00_0", uniqueId: 0 }, 5],
    [WWNS, 5],
    [{ wwnn: "20000000C9831B4B", wwpn: "10000000C9831B4B" }, 5],
    [{ name: "host" }, "Invalid adapter name 'host' for SCSI pool"],
    [{ name: "sata0" }, "Invalid adapter name 'sata0' for SCSI pool"],
    [
      { name: "scsi_host6" },
      "no SCSI host 'scsi_host6': there are scsi_host3, scsi_host7, scsi_host5, scsi_host8, scsi_host9",
    ],
    [{ parent: "pci_0000_00_1f_8" }, "invalid parent 'pci_0000_00_1f_8', expecting pci_0000_00_1f_2 or 0000:00:1f.2"],
    [{ parent: "0000:00:1f.2", uniqueId: 3 }, "Failed to find scsi_host using PCI '0000:00:1f.2' and unique_id='3'"],
    [{ parent: "pci_0000_07_00_0" }, "Failed to find scsi_host using PCI '0000:07:00.0'"],
    [{ parent: "pci_0000_05_00_0" }, "scsi_host8 and scsi_host9 of PCI '0000:05:00.0' have one unique_id='0'"],
    [{ ...WWNS, wwpn: "10000000c9831b4" }, "Malformed wwn: 10000000c9831b4"],
    [{ ...WWNS, wwpn: WWNS.wwnn }, "Failed to find SCSI host with wwnn='20000000c9831b4b', wwpn='20000000c9831b4b'"],
  ];
  for (const [adapter, answer] of names) {
    it(`${JSON.stringify(adapter)} is of ${answer}`, () => expect(found(adapter)).to.equal(answer));
  }

  const wrong: ReadonlyArray<readonly [string, string]> = [
    [
      'pci: "0000:00:1f.2", unique_id: 1 }\n- { host: 1, luns: [], pci: "0000:00:1f.2", unique_id: 1',
      "a:3:3: unique_id 1 of 0000:00:1f.2 is given twice, first at 2:3",
    ],
    ["unique_id: 1", "a:2:24: unique_id without pci, whose hosts it tells apart"],
    ['pci: "0000:00:1f.2", unique_id: x', "a:2:56: invalid unique_id 'x', expected a number such as 1"],
    ["wwnn: 20000000c9831b4b", "a:2:3: one of wwnn and wwpn, expected both"],
    ["wwnn: 20000000c9831b4b, wwpn: 1", "a:2:54: invalid wwpn '1', expected 16 hex digits"],
    [
      "wwnn: 20000000c9831b4b, wwpn: 10000000c9831b4b }\n- { host: 1, luns: [], wwnn: 20000000c9831b4c, wwpn: 10000000C9831B4B",
      "a:3:3: wwpn 10000000c9831b4b is given twice, first at 2:3",
    ],
  ];
  for (const [keys, message] of wrong) {
    it(`refuses a host with ${JSON.stringify(keys)}`, () => {
      expect(faultOf(() => parseHostConfig(`hosts:\n- { host: 0, luns: [], ${keys} }\n`, "a"))).to.equal(message);
    });
  }
});
