import { posix } from "node:path";
import { type SysfsDevice, type SysfsHost, type SysfsTree, sysfsTree } from "@pvscsi/scsi";
import { expect } from "chai";

const HOST: SysfsHost = {
  host: 3,
  parent: "pci0000:04/0000:04:00.0",
  driver: "qla2xxx",
  uniqueId: 1,
  canQueue: 16,
  commandsPerLun: 3,
  tableSize: 128,
  fibre: { wwnn: "2000000000000001", wwpn: "1000000000000001", id: 0x010200 },
};

const DISK: SysfsDevice = {
  host: 3,
  channel: 0,
  target: 1,
  lun: 2,
  type: 0,
  vendor: "ACME",
  product: "ARRAY",
  revision: "1",
  version: 6,
  removable: false,
  node: "sdq",
  generic: 17,
  size: 1 << 20,
  blockSize: 4096,
  wwid: "naa.50060e8007c3a103",
  pages: new Map([
    [0x80, Uint8Array.of(0, 0x80, 0, 1, 0x37)],
    [0xc0, Uint8Array.of(0, 0xc0, 0, 0)],
  ]),
  queueDepth: 32,
};

const of = (change: Partial<SysfsDevice>): SysfsDevice => ({ ...DISK, size: undefined, ...change });
const FOLDER = "devices/pci0000:04/0000:04:00.0/host3/target3:0:1/3:0:1:2";

/** What a path leads to, through every link on its way. */
function resolve(tree: SysfsTree, path: string): string {
  let place = "";
  for (const name of path.split("/")) {
    place = posix.join(place, name);
    const entry = tree.get(place);
    if (entry !== undefined && "link" in entry) place = resolve(tree, posix.join(posix.dirname(place), entry.link));
  }
  return place;
}

function read(tree: SysfsTree, path: string): string | undefined {
  const entry = tree.get(resolve(tree, path));
  return entry !== undefined && "content" in entry ? String(entry.content) : undefined;
}

describe("sysfs as files", () => {
  it("has each class lead to the device, and back", () => {
    const tree = sysfsTree([HOST], [DISK]);
    for (const path of [
      "bus/scsi/devices/3:0:1:2",
      "class/scsi_device/3:0:1:2/device",
      "class/scsi_generic/sg17/device",
      "class/block/sdq/device",
      "class/scsi_disk/3:0:1:2/device",
      "dev/block/65:0/device",
      "dev/char/21:17/device",
    ]) {
      expect(resolve(tree, path), path).to.equal(FOLDER);
    }
    expect(resolve(tree, "bus/scsi/devices/3:0:1:2/generic")).to.equal(`${FOLDER}/scsi_generic/sg17`);
    expect(resolve(tree, "class/fc_host/host3/device")).to.equal("devices/pci0000:04/0000:04:00.0/host3");
    expect(resolve(tree, "bus/scsi/devices/target3:0:1")).to.equal(posix.dirname(FOLDER));
  });

  it("fills attributes as the kernel does", () => {
    const tree = sysfsTree([HOST], [DISK]);
    const device = (name: string) => read(tree, `class/scsi_device/3:0:1:2/device/${name}`);
    expect(["vendor", "model", "rev", "type", "scsi_level", "wwid"].map(device)).to.deep.equal([
      "ACME    \n",
      "ARRAY           \n",
      "1   \n",
      "0\n",
      "7\n",
      "naa.50060e8007c3a103\n",
    ]);
    expect(device("block/sdq/size")).to.equal("2048\n");
    expect(device("block/sdq/queue/logical_block_size")).to.equal("4096\n");
    expect(tree.get(`${FOLDER}/vpd_pg80`)).to.deep.equal({ content: Uint8Array.of(0, 0x80, 0, 1, 0x37) });
    // Linux keeps no page that it does not know.
    expect(tree.has(`${FOLDER}/vpd_pgc0`)).to.equal(false);
    expect(read(tree, "class/scsi_host/host3/unique_id")).to.equal("1\n");
    expect(read(tree, "class/fc_host/host3/port_id")).to.equal("0x010200\n");
  });

  it("has the nodes of every driver, by their numbers", () => {
    const tree = sysfsTree(
      [{ ...HOST, fibre: undefined }],
      [
        of({ lun: 0, type: 1, node: "st33", generic: 0 }),
        of({ lun: 1, type: 5, node: "sr1", generic: 1 }),
        of({ lun: 2, type: 8, node: "sch2", generic: 2 }),
        of({ lun: 3, type: 13, node: null, generic: 3 }),
        of({ lun: 4, type: 12, node: null, generic: null }),
      ],
    );
    const dev = (path: string) => read(tree, `class/${path}/dev`)?.trim();
    expect(dev("scsi_tape/st33")).to.equal("9:257");
    expect(dev("scsi_tape/nst33")).to.equal("9:385");
    expect(dev("block/sr1")).to.equal("11:1");
    expect(dev("scsi_changer/sch2")).to.equal("86:2");
    expect(resolve(tree, "class/scsi_device/3:0:1:0/device/tape")).to.match(/scsi_tape\/st33$/);
    expect(resolve(tree, "class/enclosure/3:0:1:3/device")).to.match(/3:0:1:3$/);
    expect(read(tree, "class/scsi_device/3:0:1:0/device/timeout")).to.equal("900\n");
    expect([...tree.keys()].filter((path) => /fc_|3:0:1:4\/(?:generic|scsi_generic|block)/.test(path))).to.deep.equal(
      [],
    );
  });

  it("puts a target behind its remote port", () => {
    const port = { wwnn: "5006000000000001", wwpn: "5006000000000002", id: 0x010300 };
    const tree = sysfsTree(
      [HOST],
      [
        { ...DISK, port },
        { ...DISK, lun: 3, node: "sdr", generic: 18, port },
      ],
    );
    expect(read(tree, "class/fc_transport/target3:0:1/port_name")).to.equal("0x5006000000000002\n");
    expect(resolve(tree, "class/fc_remote_ports/rport-3:0-1/device")).to.match(/\/host3\/rport-3:0-1$/);
    expect(resolve(tree, "bus/scsi/devices/3:0:1:3")).to.match(/\/rport-3:0-1\/target3:0:1\/3:0:1:3$/);
  });

  it("numbers disks beyond the first 256 as sd does", () => {
    const dev = (node: string) => read(sysfsTree([HOST], [{ ...DISK, node }]), `class/block/${node}/dev`)?.trim();
    expect(["sda", "sdp", "sdq", "sdiv", "sdiw", "sdjm"].map(dev)).to.deep.equal([
      "8:0",
      "8:240",
      "65:0",
      "135:240",
      "8:256",
      "65:256",
    ]);
  });

  it("refuses a device of no host, and a name that no driver gives", () => {
    expect(() => sysfsTree([], [DISK])).to.throw(RangeError, "no host 3");
    expect(() => sysfsTree([HOST], [{ ...DISK, node: "hda" }])).to.throw(RangeError, "hda");
  });
});
