import { type ComparisonOptions, compare, formatComparison, type Row, selectWorkloads, WORKLOADS } from "@pvscsi/bench";
import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { BenchWorld, ScriptedContender } from "./scripted-contender.js";

const READ = { name: "4k randread", operation: "read", size: 4096, pattern: "random", depth: 8 } as const;

function compareWith(
  world: BenchWorld,
  contenders: readonly ScriptedContender[],
  changes: Partial<ComparisonOptions> = {},
): Promise<Row[]> {
  const { instruments } = world;
  const options = { contenders, workloads: [READ], rounds: 3, milliseconds: 20, instruments, random: seededRandom(1) };
  return world.done(compare({ ...options, ...changes }));
}

describe("a comparison", () => {
  it("has a row for each contender under each workload, with its ratio to the first", async () => {
    const world = new BenchWorld();
    const bound = new ScriptedContender("bound", world, { microseconds: 5, completion: "at-once" });
    const slow = new ScriptedContender("slow", world, { microseconds: 20, completion: "at-once", depth: 3 });
    const rows = await compareWith(world, [bound, slow], { workloads: [READ, { ...READ, name: "other", depth: 1 }] });
    expect(rows.map(({ workload, contender, depth }) => [workload, contender, depth])).to.deep.equal([
      ["4k randread", "bound", 8],
      ["4k randread", "slow", 3],
      ["other", "bound", 1],
      ["other", "slow", 1],
    ]);
    expect(rows[0].ratio).to.deep.equal({ least: 1, median: 1, most: 1 });
    expect(rows[1].ratio.median).to.be.closeTo(0.25, 0.001);
    expect(rows[1].perSecond).to.be.closeTo(50_000, 1);
  });

  it("takes the ratio of a round against the bound of the same round, on a machine that changes its speed", async () => {
    const world = new BenchWorld();
    let factor = 1;
    const behaviour = (microseconds: number) => ({
      completion: "at-once" as const,
      get microseconds() {
        return microseconds * factor;
      },
    });
    const bound = new ScriptedContender("bound", world, behaviour(5));
    const slow = new ScriptedContender("slow", world, behaviour(10));
    const { processor } = world.instruments;
    let readings = 0;
    const instruments = {
      ...world.instruments,
      // Read twice a round: every two rounds the machine has another speed.
      processor: () => {
        factor = [1, 3, 2, 5][Math.floor(readings++ / 4) % 4];
        return processor();
      },
    };
    const [, row] = await compareWith(world, [bound, slow], { instruments });
    expect(row.ratio.least).to.be.closeTo(0.5, 0.01);
    expect(row.ratio.most).to.be.closeTo(0.5, 0.01);
  });

  it("gives all contenders the same positions in every round", async () => {
    const world = new BenchWorld();
    const [a, b] = ["a", "b"].map(
      (name) => new ScriptedContender(name, world, { microseconds: 9, completion: "later" }),
    );
    await compareWith(world, [a, b], { rounds: 1 });
    expect(a.offsets).to.deep.equal(b.offsets);
    expect(new Set(a.offsets).size).to.be.above(100);
  });

  it("stays inside the smallest disk", async () => {
    const world = new BenchWorld();
    const large = new ScriptedContender("large", world, { microseconds: 9, completion: "later" });
    const small = new ScriptedContender("small", world, { microseconds: 9, completion: "later", size: 8192 });
    await compareWith(world, [large, small]);
    expect(Math.max(...large.offsets)).to.equal(4096);
  });

  it("does not count its first round", async () => {
    const world = new BenchWorld();
    const contender = new ScriptedContender("it", world, { microseconds: 10, completion: "at-once" });
    const [row] = await compareWith(world, [contender], { rounds: 1 });
    expect(row.operations).to.be.closeTo(contender.offsets.length / 2, 20);
  });

  it("fails as a contender fails", async () => {
    const world = new BenchWorld();
    const good = new ScriptedContender("good", world, { microseconds: 10, completion: "at-once" });
    const bad = new ScriptedContender("bad", world, { microseconds: 10, completion: "later", failing: [5] });
    const error = await compareWith(world, [good, bad]).catch((reason: Error) => reason);
    expect((error as Error).message).to.equal("bad: operation 5 has failed");
  });

  it("has a contender's ratio to its own bound, and the processor time of its other processes", async () => {
    const world = new BenchWorld();
    const bound = new ScriptedContender("bound", world, { microseconds: 5, completion: "at-once" });
    const wire = new ScriptedContender("wire", world, { microseconds: 10, completion: "at-once" });
    const over = new ScriptedContender("over", world, { microseconds: 20, completion: "at-once" });
    let used = 0;
    const elsewhere = async () => {
      used += over.offsets.length * 7;
      return used;
    };
    const slots = over.slots.bind(over);
    const outside = { name: "over", size: over.size, depth: over.depth, slots, close: async () => {} };
    const contenders = [bound, wire, { ...outside, elsewhere, bound: "wire" }];
    const { instruments } = world;
    const options = { workloads: [READ], rounds: 1, milliseconds: 20, instruments, random: seededRandom(1) };
    const [, alone, row] = await world.done(compare({ contenders, ...options }));
    expect(alone).not.to.have.property("ownBound");
    expect(row.ownBound?.contender).to.equal("wire");
    expect(row.ownBound?.ratio.median).to.be.closeTo(0.5, 0.001);
    expect(row.processorMicroseconds).to.be.above(20);
    expect(formatComparison([alone, row]).split("\n").at(-1)).to.match(/ 0\.500 \(0\.500\.\.0\.500\) of wire$/);
  });

  it("has what was counted of an operation, and nothing where a contender does not count", async () => {
    const world = new BenchWorld();
    const bound = new ScriptedContender("bound", world, { microseconds: 5, completion: "at-once" });
    const counting = new ScriptedContender("counting", world, { microseconds: 5, completion: "at-once" });
    const counts = async () => {
      const operations = counting.offsets.length;
      return { notifications: operations * 2, grantOperations: null, copiedBytes: operations * 4096 + 7 };
    };
    const slots = counting.slots.bind(counting);
    const outside = { name: "counting", size: counting.size, depth: 8, slots, close: async () => {}, counts };
    const { instruments } = world;
    const options = { workloads: [READ], rounds: 3, milliseconds: 20, instruments, random: seededRandom(1) };
    const [none, row] = await world.done(compare({ contenders: [bound, outside], ...options }));
    expect([none.notifications, none.grantOperations, none.copiedBytes]).to.deep.equal([null, null, null]);
    expect([row.notifications, row.grantOperations, row.copiedBytes]).to.deep.equal([2, null, 4096]);
  });

  it("fails when a contender ends by itself, whatever is under way", async () => {
    const world = new BenchWorld();
    const good = new ScriptedContender("good", world, { microseconds: 10, completion: "at-once" });
    const slots = () => [{ ended: () => {}, start: () => {}, failure: null, startedAt: -1 }];
    const ended = Promise.resolve("its other process has ended");
    const contenders = [good, { name: "stuck", size: good.size, depth: 8, slots, ended, close: async () => {} }];
    const { instruments } = world;
    const options = { workloads: [READ], rounds: 1, milliseconds: 20, instruments, random: seededRandom(1) };
    const error = await world.done(compare({ contenders, ...options })).catch((reason: Error) => reason);
    expect((error as Error).message).to.equal("stuck: its other process has ended");
  });

  it("is printed in columns", () => {
    const row = {
      workload: "4k",
      contender: "bare copy",
      depth: 1,
      operations: 9,
      perSecond: 1234567.8,
      megabytesPerSecond: 5056.8,
      medianMicroseconds: 0.649,
      p99Microseconds: 12,
      processorMicroseconds: 0.8123,
      notifications: 0.126,
      grantOperations: null,
      copiedBytes: 4096,
      ratio: { least: 0.5, median: 1, most: 1.25 },
    };
    expect(formatComparison([row, { ...row, workload: "256k", contender: "pvscsi", perSecond: 99 }])).to.equal(
      [
        "workload  transport     IOPS  MB/s  p50 us  p99 us  CPU us/IO  notify/IO  grants/IO  copied/IO  ratio to bare copy (min..max)",
        "4k        bare copy  1234568  5057     0.6    12.0       0.81       0.13          -       4096           1.000 (0.500..1.250)",
        "256k      pvscsi          99  5057     0.6    12.0       0.81       0.13          -       4096           1.000 (0.500..1.250)",
      ].join("\n"),
    );
  });
});

describe("workloads", () => {
  it("are chosen by parts of their names", () => {
    expect(selectWorkloads([])).to.equal(WORKLOADS);
    expect(selectWorkloads(["4k randread", "seqwrite"]).map(({ name }) => name)).to.deep.equal([
      "4k randread d1",
      "4k randread d16",
      "256k seqwrite d1",
      "256k seqwrite d16",
    ]);
    expect(selectWorkloads(["nothing"])).to.deep.equal([]);
  });
});
