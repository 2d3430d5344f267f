import { formatAddress, parseHostConfig, renumberHosts } from "@pvscsi/config";
import { type Host, type HostDevice, openHost, wwnOf } from "@pvscsi/host";
import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { temporaryFolder } from "./support.js";

/** One device of each type, and two more disks and a passed one, which the drivers count on their own. */
const HOSTS = `hosts:
  - host: 4
    pci: "0000:05:00.0"
    luns:
      - { address: "4:0:0:0", memory: 1MiB, vendor: ACME, product: ARRAY 2, serial: "A/1  b", wwn: naa.5000c500a1b2c3d4 }
      - { address: "4:0:1:0", file: t.tap, type: tape, size: 1MiB, create: true, serial: T1, wwn: naa.5000c500a1b2c3d5 }
      - { address: "4:0:2:0", empty: true, type: cdrom, wwn: naa.5000c500a1b2c3d6 }
      - { address: "4:0:3:0", memory: 1MiB, wwn: naa.600140500000000000000000000000a1 }
    libraries:
      - { folder: lib, changer: "4:0:4:0", drives: [ "4:0:4:1" ], slots: 2, importExport: 1 }
  - host: 5
    pci: "0000:05:00.0"
    luns:
      - { address: "5:0:0:1", device: /dev/sg5 }
`;

describe("the names of the host's devices", () => {
  const folder = temporaryFolder();
  const hostOf = (text: string): Host => openHost(parseHostConfig(text, "host.yaml"), options());
  const options = () => ({
    directory: folder(),
    clock: { now: () => 0, after: () => ({ due: 0 }), cancel: () => undefined },
  });
  const found = (host: Host, name: string): string => {
    const device = host.find(name);
    return typeof device === "string" ? device : formatAddress(device.address);
  };
  const named = (address: string): HostDevice => {
    const device = hostOf(HOSTS).find(address);
    if (typeof device === "string") throw new Error(device);
    return device;
  };

  it("are counted by each driver on its own, and by sg over all", () => {
    const names = hostOf(HOSTS).list();
    expect(names.map(({ address, node, sg }) => [formatAddress(address), node, sg])).to.deep.equal([
      ["4:0:0:0", "sda", "sg0"],
      ["4:0:1:0", "st0", "sg1"],
      ["4:0:2:0", "sr0", "sg2"],
      ["4:0:3:0", "sdb", "sg3"],
      ["4:0:4:0", "sch0", "sg4"],
      ["4:0:4:1", "st1", "sg5"],
      ["5:0:0:1", "sdc", "sg6"],
    ]);
  });

  it("of a disk are those of 60-persistent-storage.rules and 58-scsi-sg3_symlink.rules", () => {
    const { byId, byPath } = named("4:0:0:0");
    expect(byId).to.deep.equal(["scsi-35000c500a1b2c3d4", "scsi-SACME_ARRAY_2_A_1_b", "wwn-0x5000c500a1b2c3d4"]);
    expect(byPath).to.deep.equal(["pci-0000:05:00.0-scsi-0:0:0:0"]);
    expect(named("4:0:3:0").byId).to.deep.equal([
      "scsi-3600140500000000000000000000000a1",
      "scsi-SPVSCSI_VIRTUAL_DISK_600140500000000000000000000000a1",
      "wwn-0x600140500000000000000000000000a1",
    ]);
  });

  it("of a CD/DVD drive are a disk's", () => {
    expect(named("4:0:2:0")).to.deep.include({
      byId: ["scsi-35000c500a1b2c3d6", "scsi-SPVSCSI_VIRTUAL_CD-ROM_5000c500a1b2c3d6", "wwn-0x5000c500a1b2c3d6"],
      byPath: ["pci-0000:05:00.0-scsi-0:0:2:0"],
    });
  });

  it("of a tape are those of 60-persistent-storage-tape.rules, with -nst of the node that does not rewind", () => {
    expect(named("4:0:1:0")).to.deep.include({
      byId: ["scsi-35000c500a1b2c3d5", "scsi-T1", "scsi-35000c500a1b2c3d5-nst", "scsi-T1-nst"],
      byPath: ["pci-0000:05:00.0-scsi-0:0:1:0", "pci-0000:05:00.0-scsi-0:0:1:0-nst"],
    });
  });

  it("of a changer are in /dev/tape, and lead to its sg node", () => {
    const { byId, byPath, wwn } = named("4:0:4:0");
    const digits = wwn.slice(4);
    expect(byId).to.deep.equal([`scsi-3${digits}`, `scsi-3${digits}-changer`, `scsi-${digits}`]);
    expect(byPath).to.deep.equal(["pci-0000:05:00.0-scsi-0:0:4:0-changer"]);
  });

  it("of one that is passed through say no serial number, which only its device knows", () => {
    const { byId, wwn } = named("5:0:0:1");
    expect(byId).to.deep.equal([`scsi-3${wwn.slice(4)}`, `wwn-0x${wwn.slice(4)}`]);
    expect(named("5:0:0:1").byPath).to.deep.equal(["pci-0000:05:00.0-scsi-1:0:0:1"]);
  });

  it("are p-devs, all of them", () => {
    const host = hostOf(HOSTS);
    for (const [name, address] of [
      ["/dev/nst0", "4:0:1:0"],
      ["nst1", "4:0:4:1"],
      ["sch0", "4:0:4:0"],
      ["/dev/sr0", "4:0:2:0"],
      ["/dev/sg4", "4:0:4:0"],
      ["/dev/bsg/4:0:2:0", "4:0:2:0"],
      ["SACME_ARRAY_2_A_1_b", "4:0:0:0"],
      ["/dev/disk/by-id/scsi-SACME_ARRAY_2_A_1_b", "4:0:0:0"],
      ["/dev/tape/by-id/scsi-35000c500a1b2c3d5-nst", "4:0:1:0"],
      ["/dev/tape/by-path/pci-0000:05:00.0-scsi-0:0:4:0-changer", "4:0:4:0"],
    ]) {
      expect(found(host, name), name).to.equal(address);
    }
    expect(found(host, "/dev/disk/by-id/scsi-35000c500a1b2c3d5")).to.match(/^no device \/dev\/disk\/by-id/);
    expect(found(host, "naa.5000c500a1b2c3ff:0")).to.match(/^no device naa\.5000c500a1b2c3ff:0: this host has 4:0:0:0/);
  });

  it("are given by the key of their driver alone, and no two have one", () => {
    const given = HOSTS.replace("serial: T1", "serial: T1, names: { st: st1 }");
    expect(
      hostOf(given)
        .list()
        .map(({ node }) => node)
        .slice(1, 6),
    ).to.deep.equal(["st1", "sr0", "sdb", "sch0", "st0"]);
    expect(() => hostOf(HOSTS.replace("serial: T1", "serial: T1, names: { sd: sda }"))).to.throw(
      "invalid key sd: a tape is called st",
    );
    const twice = HOSTS.replace("type: cdrom,", "type: cdrom, names: { by-id: [ scsi-35000c500a1b2c3d4 ] },");
    expect(() => hostOf(twice)).to.throw("by-id/scsi-35000c500a1b2c3d4 is the name of two LUNs, the other at 5:9");
  });

  it("survive another start, and numbers do not", () => {
    const more = `${HOSTS}  - { host: 6, pci: "0000:01:00.0", luns: [ { address: "6:0:0:0", memory: 1MiB } ] }
  - { host: 7, pci: "0000:02:00.0", luns: [ { address: "7:0:0:0", memory: 1MiB } ] }
`;
    const first = parseHostConfig(more, "host.yaml");
    const before = byLink(openHost(first, options()));
    const numbers = new Set<string>();
    for (let seed = 0; seed < 8; seed++) {
      const again = renumberHosts(first, seededRandom(seed).below, wwnOf);
      const host = openHost(again, options());
      expect(byLink(host).map(withoutNumbers)).to.deep.equal(before.map(withoutNumbers));
      for (const { byId, byPath, address } of host.list()) {
        const folders = ["disk", "tape"].map((folder) => `/dev/${folder}`);
        for (const link of [...byId.map((name) => `by-id/${name}`), ...byPath.map((name) => `by-path/${name}`)]) {
          expect(folders.map((name) => found(host, `${name}/${link}`))).to.include(formatAddress(address));
        }
      }
      numbers.add(
        byLink(host)
          .map(({ address, node }) => `${formatAddress(address)} ${node}`)
          .join(),
      );
    }
    expect(numbers.size).to.be.greaterThan(2);
  });
});

/** In an order that does not depend on numbers. */
function byLink(host: Host): HostDevice[] {
  return [...host.list()].sort((a, b) => (a.wwn < b.wwn ? -1 : 1));
}

function withoutNumbers({ address: { channel, target, lun }, node: _node, sg: _sg, ...rest }: HostDevice): object {
  return { channel, target, lun, ...rest };
}
