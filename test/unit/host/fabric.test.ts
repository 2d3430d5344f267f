// Fabrics and virtual ports: a host that comes and goes with what its port sees, one LUN behind all its paths, and what the kernel refuses.

import { formatAddress, parseHostConfig } from "@pvscsi/config";
import { type Host, openHost, vportsOf } from "@pvscsi/host";
import { type OpenedDevice, SENSE, Target } from "@pvscsi/scsi";
import { Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { Initiator } from "../scsi/initiator.js";
import { refused } from "./support.js";

const SAN = `hosts:
  - host: 5
    driver: lpfc
    pci: "0000:05:00.0"
    wwnn: 20000000c9831b4b
    wwpn: 10000000c9831b4b
    fabric: san0
    max_vports: 2
  - { host: 6, luns: [] }
fabrics:
  - name: san0
    wwn: 2000000533f1a2b3
    targets:
      - wwnn: 50060e8007c3a100
        wwpn: 50060e8007c3a110
        luns:
          - { lun: 0, memory: 1MiB, shareable: true, wwn: naa.50060e8007c3a111 }
          - { lun: 1, memory: 1MiB, initiators: [ 1000000000000001 ] }
          - { lun: 300, memory: 1MiB, initiators: [ 1000000000000001 ] }
`;
const ONE = { wwnn: "2000000000000001", wwpn: "1000000000000001" };
const TWO = { wwnn: "2000000000000002", wwpn: "1000000000000002" };
const THREE = { wwnn: "2000000000000003", wwpn: "1000000000000003" };
const GUEST = { domain: 1, virtualDevice: "0:0:0:0" };
const OTHER = { domain: 2, virtualDevice: "0:0:0:0" };

describe("a host in a fabric", () => {
  let host: Host;
  beforeEach(() => {
    const clock = new Simulation(seededRandom(1));
    host = openHost(parseHostConfig(SAN, "host.yaml"), { directory: "/", clock });
  });

  const addresses = (): string[] => host.list().map(({ address, node }) => `${formatAddress(address)} ${node}`);

  async function opened(name: string, guest = GUEST): Promise<OpenedDevice> {
    const device = await host.open(name, guest);
    if (typeof device === "string") throw new Error(device);
    return device;
  }

  it("has what its port sees, and a virtual port is a host with what its own sees", () => {
    expect(addresses()).to.deep.equal(["5:0:0:0 sda"]);
    const vport = host.addVport(5, ONE);
    expect(vport).to.include({ host: 0, driver: "lpfc", vportOf: 5, uniqueId: 1, ...ONE });
    expect(addresses()).to.deep.equal(["0:0:0:0 sdb", "0:0:0:1 sdc", "0:0:0:300 sdd", "5:0:0:0 sda"]);
    expect(vportsOf(host.hosts, host.hosts[1]).map(({ wwpn }) => wwpn)).to.deep.equal([ONE.wwpn]);
    const links = host.list().map(({ byPath }) => byPath[0]);
    expect(links).to.deep.equal([
      "pci-0000:05:00.0-fc-0x50060e8007c3a110-lun-0",
      "pci-0000:05:00.0-fc-0x50060e8007c3a110-lun-1",
      "pci-0000:05:00.0-fc-0x50060e8007c3a110-lun-0x012c000000000000",
      "pci-0000:05:00.0-fc-0x50060e8007c3a110-lun-0",
    ]);
  });

  it("gives one LUN by all paths, whose names lead to the path that stays", async () => {
    host.addVport(5, ONE);
    const first = await opened("5:0:0:0");
    const second = await opened("0:0:0:0", OTHER);
    expect(host.find("/dev/disk/by-id/wwn-0x50060e8007c3a111")).to.have.nested.property("address.host", 5);
    const writer = initiator(first);
    writer.send("2a 00 00 00 00 00 00 00 01 00", { out: new Uint8Array(512).fill(7) }).good();
    const read = initiator(second).send("28 00 00 00 00 00 00 00 01 00", { room: 512 });
    expect(read.bytes).to.deep.equal(new Uint8Array(512).fill(7));
    await first.release();
    await second.release();
  });

  it("has no virtual port more once it is taken away, and its LUNs are none for who still has them", async () => {
    host.addVport(5, ONE);
    const mine = await opened("0:0:0:1");
    const wire = initiator(mine);
    const kept = new Uint8Array(512).fill(9);
    expect(wire.send("2a 00 00 00 00 00 00 00 01 00", { out: kept }).status).to.equal(0);
    expect(host.removeVport(5, TWO)).to.equal("ENODEV");
    expect(host.removeVport(5, ONE)).to.equal(null);
    expect(addresses()).to.deep.equal(["5:0:0:0 sda"]);
    const lost = wire.send("28 00 00 00 00 00 00 00 01 00", { room: 512 });
    lost.checked(SENSE.logicalUnitNotSupported);
    expect(refused(await host.open("0:0:0:1", GUEST))).to.match(/^no device 0:0:0:1: /);
    await mine.release();
    // In memory it outlives its paths, as a LUN of an array does.
    host.addVport(5, ONE);
    const again = initiator(await opened("0:0:0:1"));
    expect(again.send("28 00 00 00 00 00 00 00 01 00", { room: 512 }).bytes).to.deep.equal(kept);
  });

  it("refuses what the kernel refuses", () => {
    expect(host.addVport(6, ONE)).to.equal("ENODEV");
    expect(host.addVport(7, ONE)).to.equal("ENODEV");
    expect(host.addVport(5, { ...ONE, wwpn: "0x1000000000000001" })).to.equal("EINVAL");
    expect(host.addVport(5, { ...ONE, wwpn: "10000000C9831B4B" })).to.equal("ENOTUNIQ");
    expect(host.addVport(5, ONE)).to.be.an("object");
    expect(host.addVport(5, ONE)).to.equal("ENOTUNIQ");
    expect(host.addVport(5, TWO)).to.be.an("object");
    expect(host.addVport(5, THREE)).to.equal("ENOSPC");
  });
});

function initiator({ logicalUnit }: OpenedDevice): Initiator {
  const target = new Target();
  target.add(0, logicalUnit);
  return new Initiator(target).settle();
}
