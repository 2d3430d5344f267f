// Tests a guest in a process of a Xen host: it has its controller's disks, sees them come and go, and leaves as it came. The
// kernel is played; the back end is ours, in another domain.

import { createHash, randomFillSync } from "node:crypto";
import { existsSync } from "node:fs";
import { MemoryStore, StoreRequest } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { Places } from "@pvscsi/wire";
import type { DomainDescription, InProcessDomain } from "@pvscsi/xen";
import { expect } from "chai";
import { XenGuest } from "pvscsi";
import { HeldStore } from "../../support/held-store.js";
import { memoryDisk, TestDirectory } from "../../support/scsi-devices.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { XenKernel } from "../../support/xen-kernel.js";
import { XenWorld } from "../../support/xen-world.js";
import { pvscsi } from "./command.js";

const SIZE = 1 << 20;
const GUEST = 1;

function storeOf(bytes: Uint8Array): MemoryStore {
  const store = new MemoryStore(bytes.length);
  const request = new StoreRequest();
  request.operation = "write";
  request.length = bytes.length;
  request.places = new Places();
  request.places.add(bytes, 0, bytes.length);
  store.submit(request);
  return store;
}

describe("pvscsi xen guest", () => {
  const folder = temporaryFolder();
  const contents = randomFillSync(new Uint8Array(SIZE));
  let world: XenWorld;
  let domain: InProcessDomain;
  let kernel: XenKernel;
  let back: Scsiback;
  let before: DomainDescription[];
  let nodes: VscsiNodes;
  let held: HeldStore;

  beforeEach(async () => {
    world = new XenWorld();
    const dom0 = await world.createDomain(0);
    domain = await world.createDomain(GUEST, { memoryPages: 400 });
    await world.write({ [`/local/domain/${GUEST}/domid`]: String(GUEST), [`/local/domain/${GUEST}/name`]: "far" });
    kernel = new XenKernel({ domain, xenstored: world.xenstored, scheduler: world.simulation });
    held = new HeldStore(SIZE, { holding: false });
    const { simulation, probes } = world;
    const directory = new TestDirectory({
      disk: memoryDisk(storeOf(contents)),
      more: memoryDisk(new MemoryStore(SIZE)),
      held: memoryDisk(held),
    });
    back = new Scsiback({ domain: dom0, directory, clock: simulation, scheduler: simulation, probes });
    await world.done(back.start());
    before = world.describe();
    nodes = await VscsiNodes.create(world, { guest: GUEST, luns: [["disk", "0:0:0:0"]] });
  });

  const attach = (device: number | null = null, waits = false): Promise<XenGuest> => {
    const { simulation } = world;
    return world.done(XenGuest.start({ device, waits }, { calls: kernel, clock: simulation, scheduler: simulation }));
  };
  const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const controllersLeave = async (...more: readonly VscsiNodes[]): Promise<void> => {
    for (const one of more) {
      await one.unplug();
      await one.remove();
    }
  };
  const run = async (guest: XenGuest, ...command: readonly string[]): Promise<string> => {
    const { output, errors, status } = await world.done(guest.run(command, "/"));
    expect([errors, status], command.join(" ")).to.deep.equal(["", 0]);
    return output;
  };
  const nothingIsLeft = async (): Promise<void> => {
    expect(kernel.openFiles).to.equal(0);
    await nodes.unplug();
    await nodes.remove();
    await world.settle();
    expect(world.describe()).to.deep.equal(before);
    await world.done(back.close());
  };

  it("has the disks of its controller, and gives everything back", async () => {
    const guest = await attach();
    expect(guest.guest.name).to.equal("far");
    expect(await run(guest, "lsscsi")).to.match(/^\[0:0:0:0\] +disk +PVSCSI +test disk +1 +\/dev\/sda/);
    expect(await run(guest, "sha256sum", "/dev/sda")).to.contain(hashOf(contents));
    expect(await nodes.states()).to.equal("4 4 44");
    await world.done(guest.close());
    expect(await nodes.states()).to.equal("6 6 44");
    await nothingIsLeft();
  });

  it("lets its back end go first, which is told by Closing", async () => {
    const guest = await attach();
    const states: string[] = [];
    await world.done(
      world.tool.watch(`${nodes.front}/state`, async () => {
        states.push((await world.tool.read(`${nodes.front}/state`)) ?? "-");
      }),
    );
    await world.done(guest.close());
    expect(states).to.deep.equal(["4", "5", "6"]);
    await nothingIsLeft();
  });

  it("sees a disk come and go", async () => {
    const guest = await attach();
    const name = await nodes.attach("more", "0:0:0:1");
    await world.settle();
    expect(await run(guest, "dd", "if=/dev/sda", "of=/dev/sdb", "bs=64k", "oflag=direct", "status=none")).to.equal("");
    const [one, other] = [await run(guest, "sha256sum", "/dev/sda"), await run(guest, "sha256sum", "/dev/sdb")];
    expect(other.split(" ")[0]).to.equal(one.split(" ")[0]);
    await nodes.detach(name);
    await world.settle();
    expect(await run(guest, "lsscsi")).to.match(/^.*sda\s*$/);
    await world.done(guest.close());
    await nothingIsLeft();
  });

  it("outlives its controller, and goes 4 to 6 as Linux does when the toolstack takes it away", async () => {
    const guest = await attach();
    await nodes.unplug();
    await world.settle();
    expect(await nodes.states()).to.equal("6 6 44");
    expect([guest.controllers, await run(guest, "lsscsi")]).to.deep.equal([[], ""]);
    await world.done(guest.close());
    await nothingIsLeft();
  });

  for (const limit of [64, 3]) {
    it(`makes do with ${limit} pages, which the kernel may lower to`, async () => {
      const others = domain.allocatePages(400 - limit);
      const guest = await attach();
      await nodes.attach("more", "0:0:0:1");
      await world.settle();
      await run(guest, "dd", "if=/dev/sda", "of=/dev/sdb", "bs=256k", "oflag=direct", "status=none");
      const [one, other] = [await run(guest, "sha256sum", "/dev/sda"), await run(guest, "sha256sum", "/dev/sdb")];
      expect(one).to.contain(hashOf(contents));
      expect(other.split(" ")[0]).to.equal(one.split(" ")[0]);
      await world.done(guest.close());
      domain.freePages(others);
      await nothingIsLeft();
    });
  }

  it("takes a controller that comes while another works with all the pages there are for data", async () => {
    const others = domain.allocatePages(400 - 64);
    const guest = await attach();
    await nodes.attach("held", "0:0:0:1");
    await world.settle();
    held.holding = true;
    const begun = guest.run(["dd", "if=/dev/sda", "of=/dev/sdb", "bs=1M", "oflag=direct", "status=none"], "/");
    await world.settle();
    const second = await VscsiNodes.create(world, { guest: GUEST, device: 1, luns: [["more", "0:0:0:0"]] });
    await world.settle();
    expect([await second.states(), guest.controllers.length], "no page yet to look at its disk").to.deep.equal([
      "4 3 3-",
      1,
    ]);
    held.holding = false;
    while (held.held.length > 0) held.release();
    expect((await world.done(begun)).status).to.equal(0);
    await world.settle();
    expect(guest.controllers).to.deep.equal(["device/vscsi/0", "device/vscsi/1"]);
    await run(guest, "dd", "if=/dev/sdb", "of=/dev/sdc", "bs=1M", "oflag=direct", "status=none");
    expect(await run(guest, "sha256sum", "/dev/sdc")).to.contain(hashOf(contents));
    await world.done(guest.close());
    domain.freePages(others);
    await controllersLeave(second);
    await nothingIsLeft();
  });

  it("refuses a disk that it has no page to look at, and takes one when there are some again", async () => {
    const others = domain.allocatePages(398);
    const guest = await attach();
    expect([await nodes.states(), await run(guest, "lsscsi")]).to.deep.equal(["4 4 46", ""]);
    domain.freePages(others);
    await nodes.attach("more", "0:0:0:1");
    await world.settle();
    expect(await run(guest, "lsscsi")).to.match(/^\[0:0:0:1\].*sda\s*$/);
    await world.done(guest.close());
    await nothingIsLeft();
  });

  it("has the disks of all its controllers, which may be of several back ends, as they come and go", async () => {
    const driver = await world.createDomain(2);
    const { simulation, probes } = world;
    const directory = new TestDirectory({ far: memoryDisk(storeOf(contents)) });
    const other = new Scsiback({ domain: driver, directory, clock: simulation, scheduler: simulation, probes });
    await world.done(other.start());
    const second = await VscsiNodes.create(world, { guest: GUEST, device: 3, luns: [["more", "0:0:0:0"]] });
    const guest = await attach();
    expect(guest.controllers).to.deep.equal(["device/vscsi/0", "device/vscsi/3"]);
    const third = await VscsiNodes.create(world, { guest: GUEST, device: 1, backend: 2, luns: [["far", "0:0:0:0"]] });
    await world.settle();
    expect(await third.states()).to.equal("4 4 44");
    expect((await run(guest, "lsscsi")).split("\n").filter((line) => line.includes("/dev/sd"))).to.have.length(3);
    await run(guest, "dd", "if=/dev/sdc", "of=/dev/sdb", "bs=64k", "oflag=direct", "status=none");
    expect(await run(guest, "sha256sum", "/dev/sdb")).to.contain(hashOf(contents));
    await controllersLeave(second);
    await world.settle();
    expect(await run(guest, "lsscsi")).to.match(/sda\s*\n.*sdc\s*$/);
    await world.done(guest.close());
    expect([await nodes.states(), await third.states()]).to.deep.equal(["6 6 44", "6 6 44"]);
    await controllersLeave(third);
    await world.done(other.close());
    await world.done(driver.close());
    await nothingIsLeft();
  });

  it("gives pages of one back end's to another's, where there are few", async () => {
    const driver = await world.createDomain(2);
    const { simulation, probes } = world;
    const directory = new TestDirectory({ far: memoryDisk(storeOf(contents)) });
    const other = new Scsiback({ domain: driver, directory, clock: simulation, scheduler: simulation, probes });
    await world.done(other.start());
    const others = domain.allocatePages(400 - 20);
    const second = await VscsiNodes.create(world, { guest: GUEST, device: 1, backend: 2, luns: [["far", "0:0:0:0"]] });
    const guest = await attach();
    for (const name of ["sda", "sdb", "sda"]) {
      expect(await run(guest, "sha256sum", `/dev/${name}`)).to.contain(hashOf(contents));
    }
    const both = ["sda", "sdb"].map((name) => guest.run(["sha256sum", `/dev/${name}`], "/"));
    for (const { output } of await world.done(Promise.all(both))) expect(output).to.contain(hashOf(contents));
    await world.done(guest.close());
    domain.freePages(others);
    await controllersLeave(second);
    await world.done(other.close());
    await world.done(driver.close());
    await nothingIsLeft();
  });

  it("has one controller where it is told which, and waits for the first where it is told to", async () => {
    const second = await VscsiNodes.create(world, { guest: GUEST, device: 1, luns: [["more", "0:0:0:0"]] });
    const one = await attach(1);
    expect([one.controllers, await nodes.states()]).to.deep.equal([["device/vscsi/1"], "2 1 1-"]);
    await world.done(one.close());
    await controllersLeave(nodes, second);
    await world.settle();
    const guest = await attach(null, true);
    expect([guest.controllers, await run(guest, "lsscsi")]).to.deep.equal([[], ""]);
    nodes = await VscsiNodes.create(world, { guest: GUEST, luns: [["disk", "0:0:0:0"]] });
    await world.settle();
    expect(await run(guest, "sha256sum", "/dev/sda")).to.contain(hashOf(contents));
    await world.done(guest.close());
    await nothingIsLeft();
  });

  it("lets alone who has taken the place of a controller that was removed", async () => {
    const guest = await attach();
    const states: string[] = [];
    await world.done(
      world.tool.watch(`${nodes.front}/state`, async () => {
        states.push((await world.tool.read(`${nodes.front}/state`)) ?? "-");
      }),
    );
    await world.done(world.tool.remove(nodes.back));
    nodes = await VscsiNodes.create(world, { guest: GUEST, replacing: true, luns: [["more", "0:0:0:0"]] });
    await world.advance(20_000);
    expect(states).not.to.include.members(["5"]);
    expect([await nodes.states(), guest.controllers]).to.deep.equal(["4 4 44", ["device/vscsi/0"]]);
    expect(await run(guest, "lsscsi")).to.match(/^.*sda\s*$/);
    await world.done(guest.close());
    await nothingIsLeft();
  });

  it("serves a disk to clients of NBD, until it leaves", async () => {
    const guest = await attach();
    const socket = folder.path("nbd.sock");
    expect(guest.isServing).to.equal(false);
    expect(await run(guest, "nbd", "sda", "--socket", socket)).to.match(/^nbd\+unix:/);
    expect([guest.isServing, existsSync(socket)]).to.deep.equal([true, true]);
    await world.done(guest.close());
    expect(existsSync(socket)).to.equal(false);
    await nothingIsLeft();
  });

  it("takes no controller that is not there, or is another driver's", async () => {
    for (const [device, state, reason] of [
      [7, "1", "this domain has no device/vscsi/7"],
      [0, "4", /^device\/vscsi\/0 is Connected: its driver is another, or it has had one/],
      [null, "4", /^device\/vscsi\/0 is Connected: its driver is another, or it has had one/],
    ] as const) {
      await world.write({ [`${nodes.front}/state`]: state });
      const error = await attach(device).then(
        () => expect.fail("attached"),
        ({ message }: Error) => message,
      );
      if (typeof reason === "string") expect(error).to.equal(reason);
      else expect(error).to.match(reason);
      expect(kernel.openFiles).to.equal(0);
    }
  });

  it("gives up a back end that does not come, after 30 seconds, and leaves", async () => {
    await world.done(back.close());
    await world.write({ [`${nodes.back}/state`]: "1" });
    const begin = world.simulation.now();
    const error = await attach().then(
      () => expect.fail("attached"),
      ({ message }: Error) => message,
    );
    expect(error).to.match(/^\/local\/domain\/0\/backend\/vscsi\/1\/0 is Initialising and does not connect/);
    expect(world.simulation.now() - begin).to.be.within(30_000, 45_000);
    expect([kernel.openFiles, await world.read(`${nodes.front}/state`)]).to.deep.equal([0, "6"]);
  });

  it("is used wrongly with status 2, and says what is missing on a machine that is no domain of Xen: 1", async () => {
    expect(await pvscsi(["xen", "guest", "--device", "x"])).to.deep.include({ status: 2, output: "" });
    if (existsSync("/dev/xen/xenbus")) return;
    const { status, errors } = await pvscsi(["xen", "guest", "--", "lsscsi"]);
    expect(status).to.equal(1);
    expect(errors).to.match(/^pvscsi: (\/dev\/xen\/xenbus: no such device|the optional package)/);
  });
});
