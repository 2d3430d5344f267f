import { type Figures, positionsOf, runRound, type Workload } from "@pvscsi/bench";
import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { type Behaviour, BenchWorld, ScriptedContender } from "./scripted-contender.js";

const READ: Workload = { name: "4k", operation: "read", size: 4096, pattern: "sequential", depth: 1 };

interface Measured {
  readonly figures: Figures;
  readonly contender: ScriptedContender;
  readonly world: BenchWorld;
}

async function measure(behaviour: Behaviour, changes: Partial<Workload> = {}, milliseconds = 100): Promise<Measured> {
  const world = new BenchWorld();
  const contender = new ScriptedContender("it", world, behaviour);
  const workload = { ...READ, ...changes };
  const plan = {
    name: contender.name,
    slots: contender.slots(workload),
    positions: positionsOf(workload, contender.size, seededRandom(1)),
    size: workload.size,
    milliseconds,
  };
  const figures = await world.done(runRound(plan, world.instruments));
  return { figures, contender, world };
}

describe("a round", () => {
  for (const completion of ["at-once", "later"] as const) {
    it(`has the right figures of operations that complete ${completion}`, async () => {
      const { figures, contender } = await measure({ microseconds: 10, completion });
      expect(figures.operations).to.equal(contender.offsets.length);
      expect(figures.perSecond).to.be.closeTo(100_000, 1);
      expect(figures.megabytesPerSecond).to.be.closeTo(409.6, 0.01);
      expect(figures.medianMicroseconds).to.be.closeTo(10, 0.05);
      expect(figures.p99Microseconds).to.be.closeTo(10, 0.05);
      expect(figures.processorMicroseconds).to.be.closeTo(5, 0.01);
      expect(figures.operations / 100_000).to.be.closeTo(0.1, 0.001);
      expect(contender.underWay).to.equal(0);
    });
  }

  it("keeps as many operations under way as there are slots, and lets all of them end", async () => {
    const { figures, contender } = await measure({ microseconds: 100, completion: "later" }, { depth: 7 });
    expect(contender.mostUnderWay).to.equal(7);
    expect(figures.operations, "what was begun was waited for, and counted").to.equal(contender.offsets.length);
    expect(figures.perSecond).to.be.closeTo(70_000, 700);
    expect(figures.medianMicroseconds).to.be.closeTo(100, 0.5);
  });

  it("lies no deeper on the stack however many operations complete at once", async () => {
    const { figures, contender } = await measure({ microseconds: 1, completion: "at-once" }, { depth: 3 });
    expect(figures.operations).to.be.above(50_000);
    expect(contender.nesting).to.equal(1);
  });

  it("reads the clock for few small operations, and for every large one", async () => {
    const small = await measure({ microseconds: 10, completion: "at-once" });
    expect(small.world.reads / small.figures.operations).to.be.below(0.15);
    const large = await measure({ microseconds: 10, completion: "at-once" }, { size: 65536 });
    expect(large.world.reads / large.figures.operations).to.be.closeTo(2, 0.05);
  });

  it("times every slot's operations, not always those of the same ones", async () => {
    const world = new BenchWorld();
    const timed = new Set<number>();
    const slots = new ScriptedContender("it", world, { microseconds: 10, completion: "later" }).slots({
      ...READ,
      depth: 15,
    });
    for (const [index, slot] of slots.entries()) {
      const { start } = slot;
      slot.start = (offset) => {
        if (slot.startedAt >= 0) timed.add(index);
        start(offset);
      };
    }
    const positions = new Float64Array(1);
    await world.done(runRound({ name: "it", slots, positions, size: 4096, milliseconds: 100 }, world.instruments));
    expect(timed.size).to.equal(15);
  });

  it("goes through its positions again and again", async () => {
    const { contender } = await measure({ microseconds: 100, completion: "later", size: 3 * 4096 }, {}, 1);
    expect(contender.offsets.slice(0, 7)).to.deep.equal([0, 4096, 8192, 0, 4096, 8192, 0]);
  });

  for (const completion of ["at-once", "later"] as const) {
    it(`ends with the first failure of operations that complete ${completion}, when all others have ended`, async () => {
      const world = new BenchWorld();
      const contender = new ScriptedContender("it", world, { microseconds: 10, completion, failing: [40, 41] });
      const slots = contender.slots({ ...READ, depth: 4 });
      const plan = { name: "it", slots, positions: new Float64Array(8), size: 4096, milliseconds: 100 };
      const error = await world.done(runRound(plan, world.instruments)).then(
        () => null,
        (reason: Error) => reason,
      );
      expect(error?.message).to.equal("it: operation 40 has failed");
      expect(contender.underWay).to.equal(0);
      expect(contender.offsets.length).to.be.below(50);
    });
  }
});

describe("positions", () => {
  it("are the same for the same seed, whole blocks inside the disk, and everywhere on it", () => {
    const random = { ...READ, pattern: "random" } as const;
    const positions = positionsOf(random, 16 * 4096 + 100, seededRandom(3));
    expect(new Set(positions)).to.deep.equal(new Set(Array.from({ length: 16 }, (_, index) => index * 4096)));
    expect(positionsOf(random, 16 * 4096, seededRandom(3))).to.deep.equal(positions);
    expect(positionsOf(random, 16 * 4096, seededRandom(4))).not.to.deep.equal(positions);
  });

  it("follow each other where the pattern is sequential", () => {
    expect([...positionsOf(READ, 3 * 4096 + 1, seededRandom(1))]).to.deep.equal([0, 4096, 8192]);
  });
});
