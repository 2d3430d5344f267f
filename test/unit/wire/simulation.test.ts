// Simulated time and order: one seed is one history.

import { type Runnable, Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import fc from "fast-check";

const simulation = (seed: number) => new Simulation(seededRandom(seed));

function runAll(world: Simulation): void {
  while (world.step()) {}
}

/** The order in which `count` records that are ready together run. */
function order(seed: number, count: number): string {
  const world = simulation(seed);
  const ran: number[] = [];
  for (let i = 0; i < count; i++) world.soon({ run: () => ran.push(i) });
  runAll(world);
  return ran.join();
}

describe("Simulation", () => {
  it("runs every ready record once, in the same order for the same seed", () => {
    const ran = order(1, 50);
    expect(order(1, 50)).to.equal(ran);
    expect(new Set(ran.split(","))).to.have.length(50);
  });

  it("reaches every order of three records over some seeds", () => {
    const orders = new Set(Array.from({ length: 100 }, (_, seed) => order(seed, 3)));
    expect(orders).to.have.length(6);
  });

  it("runs timers by time, equal times by age, and moves time only when nothing is ready", () => {
    const times = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 40 });
    fc.assert(
      fc.property(fc.nat(), times, (seed, delays) => {
        const world = simulation(seed);
        const ran: { time: number; i: number }[] = [];
        delays.forEach((delay, i) => {
          world.after(delay, {
            run() {
              expect(world.now()).to.equal(delay);
              ran.push({ time: delay, i });
              world.soon({ run: () => expect(world.now()).to.equal(delay) });
            },
          });
        });
        runAll(world);
        const expected = delays.map((time, i) => ({ time, i })).sort((a, b) => a.time - b.time || a.i - b.i);
        expect(ran).to.deep.equal(expected);
      }),
    );
  });

  it("counts a timer armed by a timer from the moment it runs, and a time in the past as now", () => {
    const world = simulation(1);
    const seen: number[] = [];
    const note: Runnable = { run: () => seen.push(world.now()) };
    world.after(10, {
      run() {
        expect(world.after(5, note).due).to.equal(15);
        expect(world.after(-3, note).due).to.equal(10);
      },
    });
    runAll(world);
    expect(seen).to.deep.equal([10, 15]);
  });

  it("runs no cancelled timer and does not wait for it", () => {
    const world = simulation(1);
    const seen: string[] = [];
    const first = world.after(1, { run: () => seen.push("first") });
    const second = world.after(2, { run: () => seen.push("second") });
    const last = world.after(1000, { run: () => seen.push("last") });
    world.cancel(second);
    expect(world.step()).to.equal(true);
    world.cancel(first);
    world.cancel(last);
    expect(world.step()).to.equal(false);
    expect(seen).to.deep.equal(["first"]);
    expect(world.now()).to.equal(1);
  });

  it("says whether anything is ready", () => {
    const world = simulation(1);
    world.after(1, { run() {} });
    expect(world.busy).to.equal(false);
    world.soon({ run() {} });
    expect(world.busy).to.equal(true);
    world.step();
    expect(world.busy).to.equal(false);
    expect(world.step()).to.equal(true);
    expect(world.step()).to.equal(false);
  });

  it("loses no other record to one that throws", () => {
    const world = simulation(1);
    let ran = 0;
    world.soon({
      run() {
        throw new Error("a broken record");
      },
    });
    world.soon({ run: () => ran++ });
    world.after(1, { run: () => ran++ });
    let thrown = 0;
    for (let more = true; more; ) {
      try {
        more = world.step();
      } catch {
        thrown += 1;
      }
    }
    expect([ran, thrown]).to.deep.equal([2, 1]);
  });
});
