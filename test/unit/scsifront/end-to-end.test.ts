// Front end and back end together over one hypervisor: what is written arrives, whatever else happens, and afterwards
// nothing is left.

import { type AdapterEvent, type HostAdapter, type LogicalUnit, MemoryStore } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { Scsifront, type ScsifrontAdapter } from "@pvscsi/scsifront";
import { seededRandom } from "@pvscsi/wire";
import type { DomainDescription, InProcessDomain } from "@pvscsi/xen";
import { expect } from "chai";
import { HoldingUnit, memoryDisk, TestDirectory } from "../../support/scsi-devices.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { XenWorld } from "../../support/xen-world.js";
import { TestCommand, TestManagement } from "./stand.js";
import { WORKLOAD_BYTES, Workload } from "./workload.js";

/** A guest: a domain, its driver, its adapters in the order of their devices, and what they told. */
class Guest {
  readonly adapters: ScsifrontAdapter[] = [];
  readonly events: AdapterEvent[] = [];
  readonly front: Scsifront;

  constructor(
    world: XenWorld,
    readonly domain: InProcessDomain,
  ) {
    const { simulation, probes } = world;
    const attach = (adapter: HostAdapter): void => {
      this.adapters.push(adapter as ScsifrontAdapter);
      adapter.listen(async (event) => {
        this.events.push(event);
        return true;
      });
    };
    this.front = new Scsifront({ domain, clock: simulation, scheduler: simulation, probes, attach });
  }
}

class Stand {
  readonly guests: Guest[] = [];
  readonly failures: string[] = [];
  #before: DomainDescription[] = [];

  private constructor(
    readonly world: XenWorld,
    readonly directory: TestDirectory,
    readonly back: Scsiback,
  ) {}

  static async make(units: { [physical: string]: LogicalUnit }, { guests = 1, seed = 1 } = {}): Promise<Stand> {
    const world = new XenWorld(seed);
    const { simulation, probes } = world;
    const directory = new TestDirectory(units);
    const domain = await world.createDomain(0);
    const parts = { clock: simulation, scheduler: simulation, probes };
    const stand = new Stand(world, directory, new Scsiback({ ...parts, domain, directory }));
    await world.done(stand.back.start());
    for (let id = 1; id <= guests; id++) {
      const guest = new Guest(world, await world.createDomain(id, { memoryPages: 4000 }));
      await world.done(guest.front.start());
      stand.guests.push(guest);
    }
    stand.#before = world.describe();
    return stand;
  }

  async device(guest: number, device: number, luns: ReadonlyArray<readonly [string, string]>): Promise<VscsiNodes> {
    const nodes = await VscsiNodes.create(this.world, { guest, device, luns });
    await this.world.settle();
    expect(await nodes.states()).to.equal(`4 4${" 44".repeat(luns.length)}`);
    return nodes;
  }

  /** Checks that nothing is held when all devices are gone. */
  async end(...devices: VscsiNodes[]): Promise<void> {
    for (const nodes of devices) await nodes.unplug();
    await this.world.advance(10_000);
    for (const nodes of devices) {
      expect(await nodes.states()).to.match(/^6 6/);
      await nodes.remove();
    }
    await this.world.settle();
    expect(this.world.describe()).to.deep.equal(this.#before);
    expect(this.directory.opened).to.deep.equal([]);
    await this.world.done(this.back.close());
    for (const { front } of this.guests) await this.world.done(front.close());
    expect(this.world.hypervisor.leaks()).to.deep.equal([]);
  }
}

function disks(count: number): { [physical: string]: LogicalUnit } {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`disk${index}`, memoryDisk(new MemoryStore(WORKLOAD_BYTES))]),
  );
}

describe("scsifront and scsiback together", () => {
  it("connect, read, and close", async () => {
    const stand = await Stand.make(disks(1));
    const nodes = await stand.device(1, 0, [["disk0", "0:0:0:0"]]);
    const [guest] = stand.guests;
    const [adapter] = guest.adapters;
    expect(guest.events).to.deep.equal([{ kind: "device-added", address: { channel: 0, target: 0, lun: 0 } }]);
    const [page] = adapter.allocate(1);
    const command = new TestCommand([0x12, 0, 0, 0, 36, 0], { direction: "from-device" });
    command.data.add(page, 0, 36);
    adapter.queue(command);
    await stand.world.settle();
    expect(command).to.include({ completions: 1, hostByte: 0, status: 0, residual: 0 });
    expect(Buffer.from(page.subarray(8, 16)).toString()).to.equal("PVSCSI  ");
    adapter.free([page]);
    await stand.end(nodes);
    expect(guest.events.at(-1)).to.deep.equal({ kind: "closed", reason: "the backend has closed" });
  });

  for (const seed of [1, 2, 3]) {
    it(`move what they are given, in sizes up to the limit (seed ${seed})`, async () => {
      const stand = await Stand.make(disks(1), { seed });
      const nodes = await stand.device(1, 0, [["disk0", "0:0:0:0"]]);
      const [adapter] = stand.guests[0].adapters;
      const random = seededRandom(seed, "workload");
      const workload = new Workload(adapter, 0, random);
      for (let step = 0; step < 600; step++) {
        if (workload.underWay < 40) workload.queue();
        for (let i = random.below(8); i > 0 && stand.world.simulation.busy; i--) stand.world.simulation.step();
      }
      await stand.world.settle();
      expect(workload.problems).to.deep.equal([]);
      expect(workload.underWay).to.equal(0);
      expect(workload.completed).to.be.greaterThan(200);
      // One unit attention of power on, and nothing else that failed.
      expect([...workload.hostBytes.keys()]).to.deep.equal([0]);
      await stand.end(nodes);
    });
  }

  it("move data while LUNs come and go", async () => {
    const stand = await Stand.make(disks(4));
    const nodes = await stand.device(1, 0, [["disk0", "0:0:0:0"]]);
    const [
      {
        adapters: [adapter],
        events,
      },
    ] = stand.guests;
    const random = seededRandom(4, "hotplug");
    const steady = new Workload(adapter, 0, random);
    const coming = new Map<number, { workload: Workload; name: string }>();
    for (let round = 0; round < 60; round++) {
      const lun = 1 + random.below(3);
      const known = coming.get(lun);
      if (known === undefined) {
        const name = await nodes.attach(`disk${lun}`, `0:0:0:${lun}`);
        const workload = new Workload(adapter, lun, random);
        coming.set(lun, { workload, name });
        // The model knows nothing of what an earlier one has written.
        workload.problems.length = 0;
      } else {
        for (let i = 0; i < 5; i++) known.workload.queue();
        await nodes.detach(known.name);
        coming.delete(lun);
      }
      for (let step = 0; step < 30; step++) {
        if (steady.underWay < 20) steady.queue();
        if (stand.world.simulation.busy) stand.world.simulation.step();
      }
      await stand.world.settle();
      expect((await nodes.states()).slice(0, 3)).to.equal("4 4");
      expect(known?.workload.underWay ?? 0).to.equal(0);
    }
    expect(steady.problems).to.deep.equal([]);
    expect([...steady.hostBytes.keys()]).to.deep.equal([0]);
    expect(events.filter(({ kind }) => kind === "device-removed").length).to.be.greaterThan(15);
    await stand.end(nodes);
  });

  it("serve several domains with several controllers each", async () => {
    const stand = await Stand.make(disks(6), { guests: 3 });
    const devices: VscsiNodes[] = [];
    for (let guest = 1; guest <= 3; guest++) {
      for (let device = 0; device < 2; device++) {
        devices.push(await stand.device(guest, device, [[`disk${(guest - 1) * 2 + device}`, `${device}:0:0:0`]]));
      }
    }
    const random = seededRandom(5, "several");
    const workloads = stand.guests.flatMap(({ adapters }) =>
      adapters.map((adapter) => new Workload(adapter, 0, random)),
    );
    expect(workloads).to.have.length(6);
    for (let step = 0; step < 1500; step++) {
      const workload = workloads[random.below(6)];
      if (workload.underWay < 10) workload.queue();
      for (let i = 0; i < 4 && stand.world.simulation.busy; i++) stand.world.simulation.step();
      if (step === 800) await devices[3].unplug();
    }
    await stand.world.advance(100);
    for (const [index, { problems, underWay, hostBytes }] of workloads.entries()) {
      expect([problems, underWay]).to.deep.equal([[], 0]);
      expect([...hostBytes.keys()].filter((host) => host !== 0)).to.deep.equal(index === 3 ? [1] : []);
    }
    await stand.end(...devices);
  });

  it("reset a LUN with commands under way, and abort one", async () => {
    const unit = new HoldingUnit();
    const stand = await Stand.make({ unit });
    const nodes = await stand.device(1, 0, [["unit", "0:0:0:0"]]);
    const [adapter] = stand.guests[0].adapters;
    const commands = Array.from({ length: 6 }, () => new TestCommand());
    for (const command of commands) adapter.queue(command);
    await stand.world.settle();
    // The first was told of the power on.
    expect(commands.map(({ completions }) => completions)).to.deep.equal([1, 0, 0, 0, 0, 0]);
    const abort = new TestManagement({ function: "abort", victim: commands[2] });
    adapter.manage(abort);
    await stand.world.settle();
    expect([abort.succeeded, commands[2].hostByte, commands[2].completions]).to.deep.equal([true, 5, 1]);
    const reset = new TestManagement({ function: "device-reset" });
    adapter.manage(reset);
    await stand.world.settle();
    expect([reset.succeeded, unit.resets]).to.deep.equal([true, 1]);
    expect(commands.map(({ hostByte }) => hostByte)).to.deep.equal([0, 8, 5, 8, 8, 8]);
    expect(commands.every(({ completions }) => completions === 1)).to.equal(true);
    await stand.end(nodes);
  });

  it("reach a hung device with an abort although all other slots are taken", async () => {
    const unit = new HoldingUnit();
    const stand = await Stand.make({ unit });
    const nodes = await stand.device(1, 0, [["unit", "0:0:0:0"]]);
    const [adapter] = stand.guests[0].adapters;
    const commands = Array.from({ length: 60 }, () => new TestCommand());
    for (const command of commands) adapter.queue(command);
    await stand.world.settle();
    expect(unit.held).to.have.length(15);
    for (const victim of commands.filter(({ completions }) => completions === 0)) {
      adapter.manage(new TestManagement({ function: "abort", victim }));
    }
    await stand.world.settle();
    expect(commands.every(({ completions }) => completions === 1)).to.equal(true);
    await stand.end(nodes);
  });

  it("close with commands under way: each completes once, when its page is free again", async () => {
    const unit = new HoldingUnit();
    unit.stubborn = true;
    const stand = await Stand.make({ unit });
    const nodes = await stand.device(1, 0, [["unit", "0:0:0:0"]]);
    const [adapter] = stand.guests[0].adapters;
    adapter.queue(new TestCommand());
    await stand.world.settle();
    const pages = adapter.allocate(20);
    const commands = pages.map((page) => {
      const command = new TestCommand([0x12, 0, 0, 0, 36, 0], { direction: "from-device" });
      command.data.add(page, 0, 36);
      adapter.queue(command);
      return command;
    });
    await stand.world.settle();
    expect(unit.held).to.have.length(15);
    const closing = adapter.close();
    await stand.world.settle();
    expect(commands.map(({ completions }) => completions)).to.deep.equal([
      ...new Array(15).fill(0),
      ...new Array(5).fill(1),
    ]);
    while (unit.held.length > 0) unit.end();
    await stand.world.done(closing);
    expect(commands.map(({ completions, hostByte }) => [completions, hostByte])).to.deep.equal(
      new Array(20).fill([1, 1]),
    );
    adapter.free(pages);
    await stand.end(nodes);
  });

  it("can be closed by the listener that hears of a device", async () => {
    const stand = await Stand.make(disks(1));
    const [guest] = stand.guests;
    let closed = 0;
    const push = guest.events.push.bind(guest.events);
    guest.events.push = (event) => {
      void guest.adapters[0].close().then(() => {
        closed += 1;
      });
      return push(event);
    };
    const nodes = await VscsiNodes.create(stand.world, { guest: 1, luns: [["disk0", "0:0:0:0"]] });
    await stand.world.advance(100);
    expect(await nodes.states()).to.match(/^6 6/);
    expect(closed).to.be.greaterThan(0);
    await stand.end(nodes);
  });

  it("take a device that was removed and created again at once", async () => {
    const stand = await Stand.make(disks(2));
    await stand.device(1, 0, [["disk0", "0:0:0:0"]]);
    const { world, guests, directory } = stand;
    const nodes = await VscsiNodes.create(world, { guest: 1, luns: [["disk1", "0:0:0:3"]], replacing: true });
    await world.advance(100);
    expect(await nodes.states()).to.equal("4 4 44");
    expect(directory.opened).to.deep.equal(["disk1"]);
    expect(guests[0].events.map(({ kind }) => kind)).to.have.members(["device-added", "closed", "device-added"]);
    await stand.end(nodes);
  });

  it("outlive a guest that dies with commands under way", async () => {
    const unit = new HoldingUnit();
    const stand = await Stand.make({ unit, ...disks(1) }, { guests: 2 });
    const dying = await stand.device(1, 0, [["unit", "0:0:0:0"]]);
    const living = await stand.device(2, 0, [["disk0", "0:0:0:0"]]);
    const [
      {
        adapters: [adapter],
        domain,
      },
    ] = stand.guests;
    const [page] = adapter.allocate(1);
    for (let i = 0; i < 3; i++) {
      const command = new TestCommand([0x12, 0, 0, 0, 36, 0], { direction: "from-device" });
      command.data.add(page, 0, 36);
      adapter.queue(command);
    }
    await stand.world.settle();
    expect(unit.held).to.have.length(3);
    await stand.world.done(domain.close());
    await dying.remove();
    await stand.world.settle();
    expect(unit.held).to.have.length(0);
    expect(stand.directory.opened).to.deep.equal(["disk0"]);
    expect(stand.world.hypervisor.leaks()).to.deep.equal([]);
    const workload = new Workload(stand.guests[1].adapters[0], 0, seededRandom(1));
    for (let i = 0; i < 20; i++) workload.queue();
    await stand.world.settle();
    expect([workload.underWay, workload.problems]).to.deep.equal([0, []]);
    await living.unplug();
    await stand.world.advance(100);
    expect(stand.world.describe().map(({ mappings, ports }) => [mappings, ports])).to.deep.equal([
      [[], []],
      [[], []],
    ]);
  });
});
