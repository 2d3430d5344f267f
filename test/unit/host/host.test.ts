import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatAddress, parseHostConfig } from "@pvscsi/config";
import { type Host, openHost, readHostConfig, readMachineConfig } from "@pvscsi/host";
import { NativeMissing } from "@pvscsi/native";
import { diskName, type OpenedDevice, Target, type UnitEvent } from "@pvscsi/scsi";
import type { Clock, Runnable, Timer } from "@pvscsi/wire";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";
import { Initiator } from "../scsi/initiator.js";
import { Kernel } from "./played-sg.js";
import { refused, temporaryFolder } from "./support.js";

/** Runs its timers when it is told to. */
class StillClock implements Clock {
  readonly armed = new Map<Timer, Runnable>();
  now(): number {
    return 0;
  }
  after(due: number, runnable: Runnable): Timer {
    const timer = { due };
    this.armed.set(timer, runnable);
    return timer;
  }
  cancel(timer: Timer): void {
    this.armed.delete(timer);
  }
  fire(): void {
    const runnables = [...this.armed.values()];
    this.armed.clear();
    for (const runnable of runnables) runnable.run();
  }
}

const HOSTS = `hosts:
  - host: 2
    pci: "0000:03:00.0"
    luns:
      - { address: "2:0:1:0", file: images/a.img, size: 1MiB, create: true, wwn: naa.5000c500a1b2c3d4 }
      - { address: "2:0:0:0", memory: 1MiB }
  - host: 3
    pci: "0000:03:00.0"
    luns:
      - { address: "3:0:0:5", memory: 1MiB, shareable: true, names: { sd: sda } }
      - { address: "3:0:0:6", file: missing.img, names: { by-id: [ scsi-mine ], by-path: [] } }
`;

const MIB = 1024 * 1024;
const GUEST = { domain: 3, virtualDevice: "0:0:0:0" };
const OTHER = { domain: 4, virtualDevice: "1:0:0:0" };

describe("the host's devices", () => {
  const folder = temporaryFolder();
  let clock = new StillClock();
  let host: Host;

  beforeEach(() => {
    clock = new StillClock();
    host = hostOf(HOSTS);
  });

  function hostOf(text: string): Host {
    return openHost(parseHostConfig(text, "host.yaml"), { directory: folder(), clock });
  }

  async function opened(name: string, guest = GUEST): Promise<OpenedDevice> {
    const device = await host.open(name, guest);
    if (typeof device === "string") throw new Error(device);
    return device;
  }

  it("are named as Linux and udev name them, in the order in which Linux finds them", () => {
    const names = host.list().map((d) => [formatAddress(d.address), d.node, d.sg, ...d.byId, ...d.byPath]);
    expect(names[0].slice(0, 3)).to.deep.equal(["2:0:0:0", "sdb", "sg0"]);
    expect(names[0][3]).to.match(/^scsi-33[0-9a-f]{15}$/);
    expect(names[1]).to.deep.equal([
      "2:0:1:0",
      "sdc",
      "sg1",
      "scsi-35000c500a1b2c3d4",
      "scsi-SPVSCSI_VIRTUAL_DISK_5000c500a1b2c3d4",
      "wwn-0x5000c500a1b2c3d4",
      "pci-0000:03:00.0-scsi-0:0:1:0",
    ]);
    expect(names[2].slice(0, 3)).to.deep.equal(["3:0:0:5", "sda", "sg2"]);
    expect(names[2].at(-1)).to.equal("pci-0000:03:00.0-scsi-1:0:0:5");
    expect(names[3]).to.deep.equal(["3:0:0:6", "sdd", "sg3", "scsi-mine"]);
  });

  it("are real ones by their nodes, which are passed through and given back", async () => {
    const kernel = new Kernel();
    const text = "hosts:\n- host: 0\n  luns:\n  - { address: 0:0:0:0, device: /dev/sg5, sgio: filtered }\n";
    const real = openHost(parseHostConfig(text, "host.yaml"), { directory: folder(), clock, sg: async () => kernel });
    const device = (await real.open("0:0:0:0", GUEST)) as OpenedDevice;
    expect(device.logicalUnit.deviceType).to.equal(1);
    expect(await real.grow("0:0:0:0", MIB)).to.equal("0:0:0:0 (/dev/sda) is a real device, which has the size it has");
    const target = new Target();
    target.add(0, device.logicalUnit);
    const initiator = new Initiator(target);
    initiator.send("12 00 00 00 04 00", { room: 4 });
    expect([...kernel.cdb(0)]).to.deep.equal([0x12, 0, 0, 0, 4, 0]);
    kernel.end(0);
    await device.release();
    expect(kernel.closed).to.have.length(1);
  });

  it("are no real ones where nothing native is installed, or the node is missing", async () => {
    const text = "hosts:\n- host: 0\n  luns:\n  - { address: 0:0:0:0, device: /dev/sg5 }\n";
    const config = parseHostConfig(text, "host.yaml");
    const missing = Object.assign(new Kernel(), {
      open: () => {
        throw Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT" });
      },
    });
    const bare = openHost(config, { directory: folder(), clock, sg: () => Promise.reject(new NativeMissing("none")) });
    const without = openHost(config, { directory: folder(), clock, sg: async () => missing });
    expect(refused(await bare.open("0:0:0:0", GUEST))).to.equal("cannot open /dev/sg5: koffi is not installed");
    expect(refused(await without.open("0:0:0:0", GUEST))).to.match(/^cannot open \/dev\/sg5: /);
  });

  it("are counted past sdz as the kernel does", () => {
    expect([0, 25, 26, 51, 52, 701, 702].map(diskName)).to.deep.equal([
      "sda",
      "sdz",
      "sdaa",
      "sdaz",
      "sdba",
      "sdzz",
      "sdaaa",
    ]);
  });

  it("are found by every name", () => {
    const names = [
      "2:0:1:0",
      "/dev/sdc",
      "/dev/sg1",
      "sdc",
      "sdc1",
      "sg1",
      "/dev/disk/by-id/scsi-35000c500a1b2c3d4",
      "/dev/disk/by-id/wwn-0x5000c500a1b2c3d4",
      "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:1:0",
      "naa.5000C500A1B2C3D4:0",
      "35000c500a1b2c3d4",
    ];
    for (const name of names) {
      const device = host.find(name);
      expect(typeof device === "string" ? device : formatAddress(device.address), name).to.equal("2:0:1:0");
    }
  });

  const unknown: ReadonlyArray<readonly [string, string]> = [
    [
      "/dev/sdz",
      "no device /dev/sdz: this host has 2:0:0:0 (/dev/sdb), 2:0:1:0 (/dev/sdc), 3:0:0:5 (/dev/sda), 3:0:0:6 (/dev/sdd)",
    ],
    ["naa.5000c500a1b2c3d4:1", "no device naa.5000c500a1b2c3d4:1: this host has 2:0:0:0 (/dev/sdb), "],
    ["/dev/sda1", "/dev/sda1 is a partition, expecting /dev/sda"],
    ["what?", "invalid 'what?', expecting /dev/..., naa.<16 hex digits>:<lun>, hst:chn:tgt:lun, "],
  ];
  for (const [name, reason] of unknown) {
    it(`are not found as ${name}`, async () => {
      expect(refused(host.find(name))).to.contain(reason);
      expect(refused(await host.open(name, GUEST))).to.contain(reason);
      expect(host.refusal(name)).to.contain(reason);
    });
  }

  it("are given to one guest at a time, and again after it gave them back", async () => {
    const device = await opened("/dev/sdc");
    expect(refused(await host.open("2:0:1:0", OTHER))).to.equal(
      "2:0:1:0 (/dev/sdc) is in use by domain 3 as 0:0:0:0, and not shareable",
    );
    expect(refused(await host.open("sg1", GUEST))).to.contain("is in use by domain 3");
    expect([host.refusal("sdc"), host.refusal("sda")]).to.deep.equal([refused(await host.open("sdc", OTHER)), null]);
    expect(host.list().map((d) => d.users.length)).to.deep.equal([0, 1, 0, 0]);
    await device.release();
    expect(host.refusal("sdc")).to.equal(null);
    await (await opened("2:0:1:0", OTHER)).release();
  });

  it("are given to one of two that ask at the same time", async () => {
    const answers = await Promise.all([host.open("sdc", GUEST), host.open("sdc", OTHER)]);
    expect(answers.map((answer) => typeof answer)).to.deep.equal(["object", "string"]);
    for (const answer of answers) if (typeof answer !== "string") await answer.release();
  });

  it("are given to the next one while the last is still closing", async () => {
    const device = await opened("sdc");
    const released = device.release();
    await (await opened("sdc", OTHER)).release();
    await released;
  });

  it("are given to many when they are shareable: the same logical unit", async () => {
    const first = await opened("sda");
    const second = await opened("sda", OTHER);
    expect(second.logicalUnit).to.equal(first.logicalUnit);
    await first.release();
    expect(host.list()[2].users).to.deep.equal([OTHER]);
    await second.release();
  });

  it("cannot be given back twice", async () => {
    const device = await opened("sdb");
    await device.release();
    const again = await device.release().catch((error: Error) => error.message);
    expect(again).to.contain("given back twice");
  });

  it("are refused, and stay free, when their file is missing", async () => {
    const path = join(folder(), "missing.img");
    expect(refused(await host.open("sdd", GUEST))).to.equal(`cannot open ${path}: no such file`);
    writeFileSync(path, Buffer.alloc(4096));
    await (await opened("sdd", OTHER)).release();
  });

  it("tell their guests when a file has another size, and stop looking when nothing is in use", async () => {
    const device = await opened("sdc");
    const told = new Promise<UnitEvent>((resolve) => device.logicalUnit.listen(resolve));
    truncateSync(join(folder(), "images/a.img"), 2 * 1024 * 1024);
    clock.fire();
    expect(await told).to.equal("capacity-changed");
    await host.refresh();
    await device.release();
    clock.fire();
    await host.refresh();
    expect(clock.armed.size).to.equal(0);
  });

  it("grow for all who have them, and keep what they have grown to", async () => {
    host = hostOf(`hosts: [ { host: 3, luns: [ { address: "3:0:0:5", memory: 1MiB, shareable: true },
      { address: "3:0:0:6", null: 1MiB } ] } ]`);
    const told: string[] = [];
    const users = [await opened("sda"), await opened("sda", OTHER)];
    for (const [index, { logicalUnit }] of users.entries())
      logicalUnit.listen((event) => told.push(`${index} ${event}`));
    expect(await host.grow("3:0:0:5", 2 * MIB)).to.equal(null);
    expect(await host.grow("3:0:0:5", 2 * MIB), "the size it has").to.equal(null);
    expect(told).to.deep.equal(["0 capacity-changed", "1 capacity-changed"]);
    for (const user of users) await user.release();
    await opened("sda");
    expect(await host.grow("sda", MIB)).to.equal("3:0:0:5 (/dev/sda) has 2MiB: a LUN is not made smaller");
    const empty = await opened("sdb");
    expect(await host.grow("sdb", 2 * MIB)).to.equal(null);
    await empty.release();
    expect(await host.grow("sdb", 3 * MIB)).to.equal("3:0:0:6 (/dev/sdb) is not in use");
    expect(await host.grow("sdc", 3 * MIB)).to.contain("no device");
  });

  it("say of themselves what the configuration has: the NAA 6 name, provisioning, DPO and FUA, rotation", async () => {
    host = hostOf(`hosts: [ { host: 0, luns: [ { address: "0:0:0:0", memory: 1MiB, thin: false, fua: false, rotation: 0,
      serial: 01234567-89ab-cdef-0123-456789abcdef, wwn: naa.60014050123456789abcdef012345678 } ] } ]`);
    const { logicalUnit } = await opened("360014050123456789abcdef012345678");
    const target = new Target();
    target.add(0, logicalUnit);
    const initiator = new Initiator(target).settle();
    const page = (code: string, room: number): string => initiator.send(`12 01 ${code} 00 ff 00`, { room }).data;
    expect(page("80", 40).slice(9, 20)).to.equal("24 30 31 32");
    expect(page("83", 24).slice(12)).to.equal("01 03 00 10 60 01 40 50 12 34 56 78 9a bc de f0 12 34 56 78");
    expect(page("b1", 6)).to.equal("00 b1 00 3c 00 00");
    expect(page("b2", 8)).to.equal("00 b2 00 04 00 00 00 00");
    expect(initiator.send("1a 08 0a 00 04 00", { room: 4 }).data).to.equal("0f 00 00 00");
  });

  it("are looked at by one timer, whoever comes and goes while sizes are read", async () => {
    const device = await opened("sdc");
    clock.fire();
    await device.release();
    const again = await opened("sdc");
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(clock.armed.size).to.equal(1);
    await again.release();
    expect(clock.armed.size).to.equal(0);
  });

  it("are refused, and the file let go, when it has not even one block", async () => {
    const path = join(folder(), "missing.img");
    writeFileSync(path, "x".repeat(511));
    for (let tries = 0; tries < 2; tries++) {
      expect(refused(await host.open("sdd", GUEST))).to.equal(
        "cannot use what backs 3:0:0:6 (/dev/sdd): it has 511 bytes, expected a block of 512 at least",
      );
    }
    writeFileSync(path, "x".repeat(512));
    await (await opened("sdd")).release();
  });

  const wrong: ReadonlyArray<readonly [string, string]> = [
    [
      "{ address: '0:0:0:0', memory: 1M, names: { sg: sg1 } }, { address: '0:0:0:1', memory: 1M, names: { sg: sg1 } }",
      "host.yaml:1:83: sg1 is the name of two LUNs, the other at 1:27",
    ],
    [
      "{ address: '0:0:0:0', memory: 1M, wwn: naa.5000c500a1b2c3d4 }, { address: '0:0:0:1', memory: 1M, wwn: 0x5000c500a1b2c3d4 }",
      "host.yaml:1:90: naa.5000c500a1b2c3d4 is the name of two LUNs, the other at 1:27",
    ],
    ["{ address: '0:0:0:0', memory: 1M, faults: [ 'read@5' ] }", 'host.yaml:1:71: fault "read@5" has no ":EFFECT"'],
  ];
  for (const [luns, message] of wrong) {
    it(`are refused as ${luns}`, () => expect(() => hostOf(`hosts: [{ host: 0, luns: [${luns}] }]`)).to.throw(message));
  }
});

describe("configuration files", () => {
  const folder = temporaryFolder();

  async function fault(read: Promise<unknown>): Promise<string> {
    const message = await read.then(
      () => "nothing",
      (error: Error) => `${error.name} ${error.message}`,
    );
    return message.replaceAll(folder(), "");
  }

  it("that cannot be read are faults with a place", async () => {
    mkdirSync(join(folder(), "folder"));
    writeFileSync(join(folder(), "bytes.cfg"), Buffer.from("name = 'x'\na = '\xff'", "latin1"));
    const path = (name: string): string => join(folder(), name);
    expect(await fault(readMachineConfig(path("no.cfg")))).to.equal(
      "ConfigError /no.cfg:1:1: cannot read: no such file",
    );
    expect(await fault(readHostConfig(path("folder")))).to.equal(
      "ConfigError /folder:1:1: cannot read: it is a directory",
    );
    expect(await fault(readMachineConfig(path("bytes.cfg")))).to.equal(
      "ConfigError /bytes.cfg:2:6: not UTF-8, expected a text file",
    );
    expect(await fault(readHostConfig("/dev/zero"))).to.equal("ConfigError /dev/zero:1:1: cannot read: it is no file");
  });

  it("of the repository fit together: three LUNs on two controllers, a spare and a faulty one", async () => {
    const configs = join(repositoryRoot, "configs");
    const machine = await readMachineConfig(join(configs, "domU.cfg"));
    const config = await readHostConfig(join(configs, "host.yaml"));
    const host = openHost(config, { directory: folder(), clock: new StillClock() });
    expect(machine.warnings).to.deep.equal([]);
    expect(machine.controllers.map((c) => [c.devid, c.host, c.devices.length])).to.deep.equal([
      [0, 0, 2],
      [1, 1, 1],
    ]);
    const names = [...machine.vscsi.map((device) => device.physical.text), "/dev/sdd", "/dev/sde"];
    const addresses = names.map((name) => {
      const device = host.find(name);
      return typeof device === "string" ? device : formatAddress(device.address);
    });
    expect(addresses).to.deep.equal(["0:0:0:0", "0:0:1:0", "1:0:0:3", "1:0:0:4", "1:0:0:5"]);
    for (const name of names) {
      const device = await host.open(name, GUEST);
      if (typeof device === "string") throw new Error(device);
      await device.release();
    }
  });
});
