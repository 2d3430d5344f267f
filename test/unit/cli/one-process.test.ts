import type { DeviceDirectory, LogicalUnit, Task } from "@pvscsi/scsi";
import { expect } from "chai";
import { failure, lun, machine, transfer, World } from "./world.js";

const DISK = "0:0:0:0,0:0:0:0";

describe("a whole system in one process", () => {
  let world: World;
  let empty: string;

  beforeEach(async () => {
    world = await World.start();
    empty = world.things();
  });

  it("gives a guest its disks, and takes them back with the domain", async () => {
    const domain = await world.create([DISK, "1:0:0:0,5:0:3:7"]);
    expect(world.disks(domain)).to.deep.equal(["0:0:0:0 sda", "1:0:3:7 sdb"]);
    expect(world.taken()).to.deep.equal([`sda ${domain} 0:0:0:0`, `sdf ${domain} 5:0:3:7`]);
    await world.destroy(domain);
    expect(world.things()).to.equal(empty);
    expect(world.taken()).to.deep.equal([]);
  });

  it("attaches and detaches LUNs while the guest runs", async () => {
    const domain = await world.create([DISK]);
    const before = world.system.xenstored.dump("/local");
    await world.attach(domain, "0:0:1:0", "0:0:0:1");
    await world.attach(domain, "1:0:0:0", "1:0:0:0");
    expect(world.disks(domain)).to.deep.equal(["0:0:0:0 sda", "0:0:0:1 sdb", "1:0:0:0 sdc"]);
    await world.detach(domain, "0:0:0:1");
    await world.detach(domain, "1:0:0:0");
    expect(world.disks(domain)).to.deep.equal(["0:0:0:0 sda"]);
    expect(world.taken()).to.deep.equal([`sda ${domain} 0:0:0:0`]);
    expect(world.system.xenstored.dump("/local")).to.equal(before);
    await world.attach(domain, "0:0:1:0", "0:0:0:1");
    const names = world.system.xenstored.dump("/local/domain/0/backend/vscsi").match(/dev-\d+/g);
    expect(names, "dev-1 is not used again").to.deep.equal(["dev-0", "dev-2"]);
  });

  it("loses the controller with its last LUN, and a new one takes its place", async () => {
    const domain = await world.create([]);
    const without = world.things();
    for (const _ of [1, 2, 3]) {
      await world.attach(domain, "0:0:0:0", "7:0:0:0");
      expect(world.disks(domain)).to.deep.equal(["0:0:0:0 sda"]);
      await world.detach(domain, "7:0:0:0");
      expect(world.things()).to.equal(without);
      expect(world.guest(domain).hosts).to.deep.equal([]);
    }
  });

  describe("leaves nothing of a LUN", () => {
    for (const [what, words, message] of [
      ["that cannot be opened", ["0:0:4:0", "0:0:0:1"], /^vdev '0:0:0:1': cannot open a.img: no such file$/],
      ["that cannot be opened, on a new controller", ["0:0:4:0", "3:0:0:1"], /^vdev '3:0:0:1': cannot open/],
      [
        "that another guest has",
        ["0:0:1:0", "0:0:0:1"],
        /^vdev '0:0:0:1': 0:0:1:0 \(\/dev\/sdb\) is in use by domain 1 as/,
      ],
      ["that the guest itself has", ["0:0:0:0", "0:0:0:1"], /is in use by domain 2 as 0:0:0:0, and not shareable$/],
      ["that the guest cannot reach", ["0:0:2:0", "0:0:64:0"], /^vdev '0:0:64:0': the guest could not attach it$/],
    ] as const) {
      it(what, async () => {
        await world.create(["0:0:1:0,0:0:0:0"], "other");
        const domain = await world.create([DISK]);
        const before = world.system.xenstored.dump("/local");
        const taken = world.taken();
        expect(await failure(world.attach(domain, ...words))).to.match(message);
        expect(world.system.xenstored.dump("/local")).to.equal(before);
        expect(world.taken()).to.deep.equal(taken);
        expect(world.disks(domain)).to.deep.equal(["0:0:0:0 sda"]);
        await world.attach(domain, "0:0:3:0", words[1] === "0:0:64:0" ? "0:0:63:0" : words[1]);
        expect(world.disks(domain)).to.have.length(2);
      });
    }
  });

  describe("leaves nothing of a guest that cannot be created", () => {
    for (const [what, vscsi, message] of [
      ["one LUN is in use", [DISK, "0:0:1:0,0:0:0:1"], /^vdev '0:0:0:1': 0:0:1:0 \(\/dev\/sdb\) is in use/],
      ["the second controller's LUN has no file", [DISK, "0:0:4:0,1:0:0:1"], /^vdev '1:0:0:1': cannot open/],
      ["one device is named twice", [DISK, "/dev/sda,1:0:0:1"], /is in use by domain 2/],
      ["the guest cannot reach a LUN", [DISK, "0:0:2:0,0:0:0:255"], /the guest could not attach it$/],
      [
        "a device is unknown",
        [DISK, "9:9:9:9,0:0:0:1"],
        /^domU.cfg:3:31: pdev '9:9:9:9': no device 9:9:9:9: this host has/,
      ],
    ] as const) {
      it(what, async () => {
        await world.create(["0:0:1:0,0:0:0:0"], "other");
        const before = world.things();
        const taken = world.taken();
        expect(await failure(world.create(vscsi))).to.match(message);
        expect(world.things()).to.equal(before);
        expect(world.taken()).to.deep.equal(taken);
      });
    }
  });

  it("lets two attach at the same time: one of them has to come again, and nothing is mixed up", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const other = await World.start(seed);
      const domain = await other.create([DISK]);
      const outcomes = await other.done(
        Promise.allSettled(
          ["0:0:1:0", "0:0:2:0"].map((physical, index) =>
            other.system.vscsi.attach(domain, lun(physical, `0:0:0:${index + 1}`)),
          ),
        ),
      );
      const done = outcomes.filter(({ status }) => status === "fulfilled").length;
      expect(done, `seed ${seed}`).to.equal(1);
      expect(other.disks(domain), `seed ${seed}`).to.have.length(2);
      expect(other.taken(), `seed ${seed}`).to.have.length(2);
    }
  });

  it("attaches at once, with whatever handshake is under way, on different controllers and in different guests", async () => {
    const first = await world.create([DISK]);
    const second = await world.create(["1:0:0:0,0:0:0:0"], "second");
    const { vscsi } = world.system;
    await world.done(
      Promise.all([
        vscsi.attach(first, lun("0:0:1:0", "0:0:0:1")),
        vscsi.attach(first, lun("0:0:2:0", "4:0:0:0")),
        vscsi.attach(first, lun("0:0:3:0", "3:0:0:0")),
        vscsi.attach(second, lun("1:0:0:1", "0:0:0:1")),
      ]),
    );
    expect([world.disks(first).length, world.disks(second).length]).to.deep.equal([4, 2]);
  });

  it("destroys a guest in the midst of its I/O: every command ends, nothing is left", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const other = await World.start(seed);
      const before = other.things();
      const domain = await other.create([DISK]);
      const store = other.guest(domain).store(other.guest(domain).disk("sda") ?? expect.fail());
      const transfers = Array.from({ length: 40 }, (_, index) =>
        transfer(store, index % 2 === 0 ? "write" : "read", index * 4096, new Uint8Array(8192)),
      );
      for (let step = 0; step < seed * 3; step++) other.simulation.step();
      await other.destroy(domain);
      const outcomes = await other.done(Promise.all(transfers));
      expect(outcomes, `seed ${seed}`).to.have.length(40);
      expect(other.things(), `seed ${seed}`).to.equal(before);
      expect(other.taken(), `seed ${seed}`).to.deep.equal([]);
    }
  });

  it("destroys a guest whose command never ends, after the time that a back end has", async () => {
    const stuck: Task[] = [];
    const other = await World.start(1, (directory) => hanging(directory, stuck));
    const domain = await other.create([DISK]);
    const store = other.guest(domain).store(other.guest(domain).disk("sda") ?? expect.fail());
    const written = transfer(store, "write", 0, new Uint8Array(4096));
    await other.settle();
    expect(stuck).to.have.length(1);
    const began = other.simulation.now();
    await other.destroy(domain);
    expect(other.simulation.now() - began).to.be.within(10_000, 15_000);
    expect(await other.done(written)).not.to.equal(null);
    expect(other.system.xenstored.dump("/local/domain/1")).to.equal("");
    stuck[0].end(0);
    await other.settle();
    expect(other.taken()).to.deep.equal([]);
  });

  it("creates and destroys 50 times without growing", async () => {
    const sizes = new Set<string>();
    for (let round = 0; round < 50; round++) {
      const domain = await world.create([DISK, "0:0:1:0,0:0:0:1", "1:0:0:0,1:0:0:0"]);
      expect(world.disks(domain)).to.have.length(3);
      await world.attach(domain, "0:0:2:0", "1:0:0:5");
      await world.destroy(domain);
      sizes.add(world.things());
    }
    expect([...sizes]).to.deep.equal([empty]);
    expect(world.system.hypervisor.leaks()).to.deep.equal([]);
    expect(world.system.guests.size).to.equal(0);
    expect(world.system.scsiback.controllers.size).to.equal(0);
  });

  it("ends with guests still running, and with guests that were built only", async () => {
    await world.create([DISK]);
    await world.done(world.system.build(machine([], "built")));
    await world.done(world.system.close());
    expect(world.system.hypervisor.describe()).to.deep.equal([]);
    expect(world.taken()).to.deep.equal([]);
  });

  it("tells of a domain that does not run here", async () => {
    expect(() => world.system.guest(9)).to.throw("domain 9 does not run here");
    expect(await failure(world.system.unpause(9))).to.equal("domain 9 was not built");
    await world.done(world.system.destroy(9));
  });

  it("writes what the guest's driver says into the guest's log", async () => {
    const domain = await world.create([DISK]);
    expect(world.guest(domain).log.lines.join("\n")).to.include("vscsi vscsi-0: using up to 128 SG entries");
  });
});

/** A directory whose disks never end a WRITE; the tasks are kept for the test to end. */
function hanging(directory: DeviceDirectory, stuck: Task[]): DeviceDirectory {
  return {
    async open(physicalDevice, opener) {
      const opened = await directory.open(physicalDevice, opener);
      if (typeof opened === "string") return opened;
      const { logicalUnit, release } = opened;
      const unit: LogicalUnit = {
        deviceType: logicalUnit.deviceType,
        taskSet: logicalUnit.taskSet,
        execute(task) {
          if (task.cdb[0] === 0x2a) stuck.push(task);
          else logicalUnit.execute(task);
        },
        abort() {},
        reset: () => logicalUnit.reset(),
        listen: (listener) => logicalUnit.listen(listener),
        close: () => logicalUnit.close(),
      };
      return { logicalUnit: unit, release };
    },
  };
}
