// What the drivers make visible, and when: over two memories that share nothing but what is published, and range by
// range.

import { type HostAdapter, MemoryStore } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { Scsifront, type ScsifrontAdapter } from "@pvscsi/scsifront";
import { type Places, seededRandom } from "@pvscsi/wire";
import type { Domain, InProcessDomain } from "@pvscsi/xen";
import { expect } from "chai";
import { MirroringDomains } from "../../support/mirroring-domains.js";
import { memoryDisk, TestDirectory } from "../../support/scsi-devices.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { XenWorld } from "../../support/xen-world.js";
import { TestCommand } from "./stand.js";
import { WORKLOAD_BYTES, Workload } from "./workload.js";

interface Drivers {
  readonly world: XenWorld;
  readonly nodes: VscsiNodes;
  readonly adapter: ScsifrontAdapter;
  readonly guest: InProcessDomain;
  readonly dom0: InProcessDomain;
}

async function connect(
  wrap: (guest: InProcessDomain, dom0: InProcessDomain) => { front: Domain; back: Domain },
): Promise<Drivers> {
  const world = new XenWorld();
  const dom0 = await world.createDomain(0);
  const guest = await world.createDomain(1, { memoryPages: 4000 });
  const { front, back } = wrap(guest, dom0);
  const parts = { clock: world.simulation, scheduler: world.simulation, probes: world.probes };
  const directory = new TestDirectory({ disk: memoryDisk(new MemoryStore(WORKLOAD_BYTES)) });
  await world.done(new Scsiback({ ...parts, domain: back, directory }).start());
  const adapters: HostAdapter[] = [];
  const attach = (adapter: HostAdapter): void => {
    adapters.push(adapter);
    adapter.listen(async () => true);
  };
  await world.done(new Scsifront({ ...parts, domain: front, attach }).start());
  const nodes = await VscsiNodes.create(world, { guest: 1, luns: [["disk", "0:0:0:0"]] });
  await world.settle();
  expect(await nodes.states()).to.equal("4 4 44");
  return { world, nodes, guest, dom0, adapter: adapters[0] as ScsifrontAdapter };
}

describe("scsifront and scsiback over memories that are not shared", () => {
  it("move the same data, direct, indirect and bidirectional", async () => {
    const { world, nodes, adapter } = await connect((guest, dom0) => new MirroringDomains(guest, dom0));
    const workload = new Workload(adapter, 0, seededRandom(9));
    for (let step = 0; step < 600; step++) {
      if (workload.underWay < 30) workload.queue();
      for (let i = 0; i < 4 && world.simulation.busy; i++) world.simulation.step();
    }
    await world.settle();
    expect([workload.problems, workload.underWay, [...workload.hostBytes.keys()]]).to.deep.equal([[], 0, [0]]);
    expect(workload.completed).to.be.greaterThan(200);
    await nodes.unplug();
    await world.advance(100);
    expect(await nodes.states()).to.equal("6 6 44");
  });
});

describe("scsifront and scsiback publish", () => {
  /** Each publication as `DOMAIN page+offset+length ...`, pages by the names that were given to them. */
  const named = async () => {
    const names = new Map<Uint8Array, string>();
    const log: string[] = [];
    const watch = (who: string, domain: InProcessDomain) => {
      const { publish, giveBack } = domain;
      domain.publish = (port: number, ranges: Places, wanted: boolean) => {
        const texts = Array.from({ length: ranges.count }, (_, i) => {
          return `${names.get(ranges.page(i)) ?? "list"}+${ranges.offset(i)}+${ranges.size(i)}`;
        });
        log.push(`${who} ${texts.join(" ")}`);
        publish.call(domain, port, ranges, wanted);
      };
      domain.giveBack = (loan, written) => {
        log.push(`${who} gives back ${loan.places.length}, ${written} written`);
        giveBack.call(domain, loan, written);
      };
      return domain;
    };
    const drivers = await connect((guest, dom0) => ({ front: watch("front", guest), back: watch("back", dom0) }));
    const reference = Number(await drivers.world.read(`${drivers.nodes.front}/ring-ref`));
    const ring = drivers.guest.memory.find(drivers.guest.table.frame(reference));
    names.set(ring?.bytes ?? expect.fail(), "ring");
    expect(log).to.deep.equal(["front list+0+64", "back list+4+4"]);
    // The first command is told of the power on.
    drivers.adapter.queue(new TestCommand());
    await drivers.world.settle();
    log.length = 0;
    return { ...drivers, names, log };
  };

  const REQ_PROD = "ring+0+4";
  const REQ_EVENT = "ring+4+4";
  const RSP_PROD = "ring+8+4";
  const RSP_EVENT = "ring+12+4";

  it("what a WRITE's data says, then the request, then its index; the loan ends before the answer is seen", async () => {
    const { adapter, world, names, log } = await named();
    const [page, other] = adapter.allocate(2);
    names.set(page, "a").set(other, "b");
    const write = new TestCommand([0x2a, 0, 0, 0, 0, 0, 0, 0, 2, 0], { direction: "to-device" });
    write.data.add(page, 7, 512);
    write.data.add(other, 4000, 96);
    write.data.add(page, 519, 416);
    adapter.queue(write);
    await world.settle();
    expect(log).to.deep.equal([
      `front a+7+512 b+4000+96 a+519+416 ring+316+252 ${REQ_PROD}`,
      "back gives back 1024, 0 written",
      `back ${REQ_EVENT} ring+316+252 ${RSP_PROD}`,
      `front ${RSP_EVENT}`,
    ]);
  });

  it("nothing of a READ's pages, and descriptors only as far as they go", async () => {
    const { adapter, world, names, log } = await named();
    const pages = adapter.allocate(27);
    for (const page of pages) names.set(page, "data");
    const read = new TestCommand([0x28, 0, 0, 0, 0, 0, 0, 0, 27, 0], { direction: "from-device" });
    for (const page of pages) read.data.add(page, 0, 512);
    adapter.queue(read);
    await world.settle();
    expect(log).to.deep.equal([
      `front list+0+216 ring+316+252 ${REQ_PROD}`,
      "back gives back 216, 0 written",
      "back gives back 13824, 13824 written",
      `back ${REQ_EVENT} ring+316+252 ${RSP_PROD}`,
      `front ${RSP_EVENT}`,
    ]);
  });

  it("many requests at once, over the ring's end in two ranges", async () => {
    const { adapter, world, log } = await named();
    for (let i = 0; i < 13; i++) adapter.queue(new TestCommand());
    await world.settle();
    log.length = 0;
    for (let i = 0; i < 4; i++) adapter.queue(new TestCommand());
    await world.settle();
    expect(log).to.deep.equal([
      `front ring+3592+504 ring+64+504 ${REQ_PROD}`,
      `back ${REQ_EVENT} ring+3592+504 ring+64+504 ${RSP_PROD}`,
      `front ${RSP_EVENT}`,
    ]);
  });
});
