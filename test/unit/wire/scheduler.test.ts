// The first-in first-out scheduler over a platform's turns.

import { type Runnable, TurnScheduler } from "@pvscsi/wire";
import { expect } from "chai";
import fc from "fast-check";

/** A platform whose turns are taken by hand. */
class Turns {
  readonly #pending: (() => void)[] = [];
  asked = 0;
  readonly next = (callback: () => void): void => {
    this.asked += 1;
    this.#pending.push(callback);
  };

  /** Takes one turn; false when none was asked for. */
  take(): boolean {
    const callback = this.#pending.shift();
    callback?.();
    return callback !== undefined;
  }

  takeAll(): number {
    let taken = 0;
    while (this.take()) taken += 1;
    return taken;
  }
}

describe("TurnScheduler", () => {
  let turns = new Turns();
  let scheduler = new TurnScheduler(turns.next);
  let ran: unknown[] = [];
  const note = (value: unknown): Runnable => ({ run: () => ran.push(value) });

  const begin = () => {
    turns = new Turns();
    scheduler = new TurnScheduler(turns.next);
    ran = [];
  };

  beforeEach(begin);

  it("runs nothing on the caller's stack, and everything in order in one turn", () => {
    for (let i = 0; i < 5; i++) scheduler.soon(note(i));
    expect(ran).to.deep.equal([]);
    expect(turns.asked).to.equal(1);
    turns.take();
    expect(ran).to.deep.equal([0, 1, 2, 3, 4]);
    expect(turns.take()).to.equal(false);
  });

  it("runs a record as often as it was queued", () => {
    const record = note("again");
    scheduler.soon(record);
    scheduler.soon(record);
    turns.takeAll();
    expect(ran).to.deep.equal(["again", "again"]);
  });

  it("keeps order over growth, wherever the queue stands", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300), { minLength: 1, maxLength: 8 }), (bursts) => {
        begin();
        let made = 0;
        for (const burst of bursts) {
          for (let i = 0; i < burst; i++) scheduler.soon(note(made++));
          turns.takeAll();
        }
        expect(ran).to.deep.equal(Array.from({ length: made }, (_, i) => i));
      }),
      { numRuns: 30 },
    );
  });

  it("gives the platform its turn after a batch, and asks once for each", () => {
    for (let i = 0; i < 2500; i++) scheduler.soon(note(i));
    turns.take();
    expect(ran).to.have.length(1024);
    expect(turns.takeAll()).to.equal(2);
    expect(ran).to.have.length(2500);
    expect(turns.asked).to.equal(3);
  });

  it("queues what a record queues behind what waits, and does not starve the platform", () => {
    const endless: Runnable = {
      run() {
        ran.push("endless");
        scheduler.soon(endless);
      },
    };
    scheduler.soon(endless);
    scheduler.soon(note("second"));
    turns.take();
    expect(ran.slice(0, 3)).to.deep.equal(["endless", "second", "endless"]);
    expect(ran).to.have.length(1024);
    expect(turns.asked).to.equal(2);
  });

  it("loses no other record to one that throws", () => {
    scheduler.soon(note("first"));
    scheduler.soon({
      run() {
        scheduler.soon(note("queued before the throw"));
        throw new Error("a broken record");
      },
    });
    scheduler.soon(note("last"));
    expect(() => turns.take()).to.throw("a broken record");
    expect(ran).to.deep.equal(["first"]);
    turns.takeAll();
    expect(ran).to.deep.equal(["first", "last", "queued before the throw"]);
    scheduler.soon(note("later"));
    turns.takeAll();
    expect(ran.at(-1)).to.equal("later");
  });
});
