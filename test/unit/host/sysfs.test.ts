import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatAddress, parseHostConfig, printHostConfig } from "@pvscsi/config";
import { type Host, type HostDevice, joinRealHosts, openHost } from "@pvscsi/host";
import type { OpenedDevice } from "@pvscsi/scsi";
import { expect } from "chai";
import { Kernel } from "./played-sg.js";
import { refused, temporaryFolder } from "./support.js";

const GUEST = { domain: 3, virtualDevice: "0:0:0:0" };
const SAS = "devices/pci0000:00/0000:00:03.0/0000:03:00.0";
const AHCI = "devices/pci0000:00/0000:00:1f.2/ata1";

/** What a real device's folder has beside its identity. */
type Files = { readonly [path: string]: string };

/** A sysfs in files, as Linux has it: classes are links to devices. */
class Machine {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  host(parent: string, host: number, files: Files): void {
    const place = join(parent, `host${host}/scsi_host/host${host}`);
    for (const [name, text] of Object.entries(files)) this.#file(join(place, name), `${text}\n`);
    this.#link(join("class/scsi_host", `host${host}`), place);
  }

  device(parent: string, address: string, identity: readonly string[], files: Files): void {
    const [host, channel, target] = address.split(":");
    const place = join(parent, `host${host}/target${host}:${channel}:${target}`, address);
    const [type, vendor, model, rev] = identity;
    const attributes = { type, vendor: vendor.padEnd(8), model: model.padEnd(16), rev: rev.padEnd(4) };
    for (const [name, text] of Object.entries(attributes)) this.#file(join(place, name), `${text}\n`);
    for (const [name, text] of Object.entries(files)) this.#file(join(place, name), text);
    mkdirSync(join(this.root, place, "scsi_device", address), { recursive: true });
    symlinkSync(join(this.root, place), join(this.root, place, "scsi_device", address, "device"));
    this.#link(join("class/scsi_device", address), join(place, "scsi_device", address));
  }

  #file(path: string, text: string): void {
    mkdirSync(join(this.root, dirname(path)), { recursive: true });
    writeFileSync(join(this.root, path), text, "latin1");
  }

  #link(name: string, place: string): void {
    mkdirSync(join(this.root, dirname(name)), { recursive: true });
    symlinkSync(join(this.root, place), join(this.root, name));
  }
}

describe("the machine's own SCSI devices", () => {
  const folder = temporaryFolder();
  const clock = { now: () => 0, after: () => ({ due: 0 }), cancel: () => undefined };

  function machine(): Machine {
    const made = new Machine(join(folder(), "sys"));
    made.host(SAS, 10, { proc_name: "mpt3sas", unique_id: "0" });
    made.host(SAS, 11, { proc_name: "mpt3sas", unique_id: "1" });
    made.host(AHCI, 2, { proc_name: "ahci", unique_id: "1" });
    made.device(SAS, "11:0:1:0", ["0", "SEAGATE", "ST4000 NM", "E001"], {
      wwid: "naa.5000C500a1b2c3d4\n",
      vpd_pg80: "\x00\x80\x00\x0cZA10XYZ0    ",
      "block/sdb/size": "8388608\n",
      "scsi_generic/sg4/dev": "21:4\n",
    });
    made.device(SAS, "10:0:0:0", ["1", "IBM", "ULT3580-TD8", "N9M2"], {
      wwid: "naa.5000c500a1b2c3d5\n",
      "scsi_tape/st0/dev": "9:0\n",
      "scsi_tape/nst0/dev": "9:128\n",
      "scsi_generic/sg2/dev": "21:2\n",
    });
    made.device(SAS, "10:0:0:1", ["8", "IBM", "3573-TL", "F.11"], {
      "scsi_changer/sch0/dev": "86:0\n",
      "scsi_generic/sg3/dev": "21:3\n",
    });
    made.device(AHCI, "2:0:0:0", ["5", "HL-DT-ST", "DVDRAM GH24", "LG00"], {
      wwid: "t10.ATA     HL-DT-ST\n",
      "block/sr0/size": "2097151\n",
      "scsi_generic/sg1/dev": "21:1\n",
    });
    // sg has no node for it.
    made.device(AHCI, "2:0:1:0", ["0", "ATA", "QEMU HARDDISK", "2.5+"], {});
    return made;
  }

  async function hostOf(text: string, sg = new Kernel()): Promise<Host> {
    const config = await joinRealHosts(parseHostConfig(text, "host.yaml"));
    return openHost(config, { directory: folder(), clock, sg: async () => sg });
  }

  const nodes = ({ address, node, sg, type }: HostDevice) => [formatAddress(address), node, sg, type];

  it("join those of host.yaml, with the names that the machine has for them", async () => {
    const text = `sysfs: ${machine().root}\nhosts:\n- { host: 0, luns: [ { address: "0:0:0:0", memory: 1MiB } ] }\n`;
    const host = await hostOf(text);
    expect(host.list().map(nodes)).to.deep.equal([
      ["0:0:0:0", "sda", "sg0", "disk"],
      ["2:0:0:0", "sr0", "sg1", "cdrom"],
      ["10:0:0:0", "st0", "sg2", "tape"],
      ["10:0:0:1", "sch0", "sg3", "changer"],
      ["11:0:1:0", "sdb", "sg4", "disk"],
    ]);
    expect(host.list()[4]).to.deep.include({
      driver: "mpt3sas",
      vendor: "SEAGATE",
      product: "ST4000 NM",
      revision: "E001",
      wwn: "naa.5000c500a1b2c3d4",
      size: 4 * 2 ** 30,
      byId: ["scsi-35000c500a1b2c3d4", "scsi-SSEAGATE_ST4000_NM_ZA10XYZ0", "wwn-0x5000c500a1b2c3d4"],
      byPath: ["pci-0000:03:00.0-scsi-1:0:1:0"],
    });
    expect(host.list()[2].byId).to.deep.equal(["scsi-35000c500a1b2c3d5", "scsi-35000c500a1b2c3d5-nst"]);
    // A name in another form than NAA, and a transport with paths of its own.
    expect(host.list()[1]).to.deep.include({ byId: [], byPath: [] });
  });

  it("are passed through by their nodes of sg", async () => {
    const kernel = new Kernel();
    const opens: string[] = [];
    kernel.open = (path?: string) => opens.push(path ?? "");
    const host = await hostOf(`sysfs: ${machine().root}\nhosts: []\n`, kernel);
    const opened = (await host.open("/dev/tape/by-id/scsi-35000c500a1b2c3d5-nst", GUEST)) as OpenedDevice;
    expect(opens).to.deep.equal(["/dev/sg2"]);
    expect(opened.logicalUnit.deviceType).to.equal(1);
    expect(refused(await host.open("10:0:0:0", { domain: 4, virtualDevice: "1:0:0:0" }))).to.match(
      /in use by domain 3/,
    );
    await opened.release();
  });

  it("may be one LUN by several paths, which is found by the first of them", async () => {
    const made = machine();
    made.device(SAS, "10:0:7:0", ["0", "SEAGATE", "ST4000 NM", "E001"], {
      wwid: "naa.5000c500a1b2c3d4\n",
      "block/sdc/size": "8388608\n",
      "scsi_generic/sg9/dev": "21:9\n",
    });
    const host = await hostOf(`sysfs: ${made.root}\nhosts: []\n`);
    expect(nodes(host.find("/dev/disk/by-id/wwn-0x5000c500a1b2c3d4") as HostDevice)[0]).to.equal("10:0:7:0");
    expect(nodes(host.find("/dev/sdb") as HostDevice)[0]).to.equal("11:0:1:0");
  });

  it("keep their numbers and names from those of host.yaml", async () => {
    const { root } = machine();
    const taken = `sysfs: ${root}\nhosts:\n- { host: 2, luns: [] }\n`;
    const fault = await hostOf(taken).catch((error: Error) => error.message);
    expect(fault).to.equal("host.yaml:3:3: host 2 is one of this machine, by ahci, expected another number");
    const named = `sysfs: ${root}\nhosts:\n- { host: 0, luns: [ { address: "0:0:0:0", memory: 1MiB, names: { sd: sdb } } ] }\n`;
    const clash = await hostOf(named).catch((error: Error) => error.message);
    expect(clash).to.match(/sdb is the name of two LUNs, the other at 3:/);
  });

  it("are none where there is no SCSI, or host.yaml does not ask for them, and are never printed", async () => {
    expect((await hostOf(`sysfs: ${folder()}/none\nhosts: []\n`)).list()).to.deep.equal([]);
    expect(refused((await hostOf("sysfs: /nowhere\nhosts: []\n")).find("/dev/sda"))).to.equal(
      "no device /dev/sda: this host has none",
    );
    const text = `sysfs: ${machine().root}\nhosts: []\n`;
    const config = await joinRealHosts(parseHostConfig(text, "a"));
    expect(config.hosts).to.have.length(3);
    expect(printHostConfig(config)).to.equal(text);
  });

  it("are told of by nothing that is no text, no number and no name", async () => {
    const made = machine();
    made.device(SAS, "10:0:8:0", ["zero", "\x01\x02", "X".repeat(5000), "1"], {
      wwid: "naa.xyz\n",
      vpd_pg80: "\x00\x80\xff\xff",
      "block/..sdz/size": "1\n",
      "block/sdz/size": "-1\n",
      "scsi_generic/sg10/dev": "\n",
    });
    mkdirSync(join(made.root, "class/scsi_device/x:y"));
    const found = (await hostOf(`sysfs: ${made.root}\nhosts: []\n`)).find("10:0:8:0") as HostDevice;
    expect(found).to.deep.include({ vendor: "PVSCSI", node: "sdz", size: undefined, byId: [], type: "controller" });
  });
});
