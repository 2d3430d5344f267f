// The judge that compares us with tgt, without tgt: two targets of ours are equal in everything, and whatever one of them
// does otherwise has to be found. So initiator, generator and judge are shown to work, and the classes to let nothing through.

import { type IscsiServer, openGroup, serveIscsi } from "@pvscsi/iscsi";
import { createDisk, type DiskOptions, MemoryStore, type StoreRequest, Target } from "@pvscsi/scsi";
import { nullProbes, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { Generator } from "../../interop/tgt/generator.js";
import { BLOCK, DISK_LUN, DISK_SIZE, IDENTITY } from "../../interop/tgt/geometry.js";
import { Judge, type Tally } from "../../interop/tgt/judge.js";
import { LAYOUTS } from "../../interop/tgt/layouts.js";
import { Side } from "../../interop/tgt/side.js";
import { realClock, realScheduler } from "../../support/node-platform.js";

const NAME = "iqn.2026-11.localhost:judged";
const STEPS = 400;

/** What is written behind the middle comes to lie one block before its place. */
class ShiftingStore extends MemoryStore {
  override submit(request: StoreRequest): void {
    if (request.operation === "write" && request.offset > DISK_SIZE / 2) request.offset -= BLOCK;
    super.submit(request);
  }
}

function diskOptions(changes: Partial<DiskOptions>): DiskOptions {
  const store = new MemoryStore(DISK_SIZE);
  const wwn = "6001405000000001";
  return { store, blockSize: BLOCK, ...IDENTITY, wwn, removable: true, clock: realClock, ...changes };
}

describe("the judge of two targets", () => {
  const servers: IscsiServer[] = [];

  async function side(name: string, changes: Partial<DiskOptions> = {}): Promise<Side> {
    const target = new Target();
    target.add(DISK_LUN, createDisk(diskOptions(changes)));
    const random = seededRandom(1);
    const server = await serveIscsi({
      listen: [{ port: 0 }],
      clock: realClock,
      scheduler: realScheduler,
      probes: nullProbes,
      unguessable: (size) => Uint8Array.from({ length: size }, () => random.below(256)),
    });
    server.portal.add({ name: NAME, groups: [openGroup(target)] });
    servers.push(server);
    return new Side(name, async () => ({ address: server.addresses[0], target: NAME }));
  }

  async function judged(changes: Partial<DiskOptions>, seed = 1): Promise<Tally> {
    const [ours, other] = [await side("ours"), await side("tgt", changes)];
    const tally = await new Judge(ours, other, { enough: 3 }).run(seed, STEPS);
    ours.close();
    other.close();
    return tally;
  }

  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });

  it("finds no difference between two of the same", async () => {
    const tally = await judged({});
    expect(tally.unclassified).to.deep.equal([]);
    expect([...tally.counts]).to.deep.equal([]);
    expect([tally.equal, tally.disks]).to.deep.equal([STEPS, STEPS / 100 + 1]);
  });

  for (const [what, changes] of [
    ["writes in another place", { store: new ShiftingStore(DISK_SIZE) }],
    ["takes no FUA", { fua: false }],
    ["has no UNMAP", { features: { unmap: false } }],
    ["does not unmap by WRITE SAME", { features: { writeSameUnmap: false } }],
    ["is another product", { product: "OTHER" }],
    ["is one block larger", { store: new MemoryStore(DISK_SIZE + BLOCK) }],
  ] as const) {
    it(`finds one that ${what}`, async () => {
      expect((await judged(changes)).unclassified).not.to.deep.equal([]);
    });
  }

  it("makes the same commands of a seed, each by itself, and all that there are", () => {
    const [one, again, other] = [new Generator(7), new Generator(7), new Generator(8)];
    expect(one.step(99)).to.deep.equal(again.step(99));
    expect(one.step(99)).not.to.deep.equal(other.step(99));
    const opcodes = new Set(Array.from({ length: 5000 }, (_, i) => one.step(i).command.cdb[0]));
    for (const { name, opcode } of LAYOUTS) expect(opcodes.has(opcode), name).to.equal(true);
  });
});
