// A clock over a platform's timers.

import { type PlatformTimers, platformClock } from "@pvscsi/wire";
import { expect } from "chai";

/** A platform whose time is set by hand. */
class HandTimers implements PlatformTimers {
  time = 100.5;
  readonly armed = new Map<number, { callback: () => void; milliseconds: number }>();
  #last = 0;

  now(): number {
    return this.time;
  }

  arm(callback: () => void, milliseconds: number): unknown {
    this.#last += 1;
    this.armed.set(this.#last, { callback, milliseconds });
    return this.#last;
  }

  disarm(handle: unknown): void {
    this.armed.delete(handle as number);
  }
}

describe("platformClock", () => {
  it("tells the platform's time", () => {
    const timers = new HandTimers();
    const clock = platformClock(timers);
    expect(clock.now()).to.equal(100.5);
    timers.time = 101;
    expect(clock.now()).to.equal(101);
  });

  it("arms a timer that runs the record and says when it is due", () => {
    const timers = new HandTimers();
    let runs = 0;
    const timer = platformClock(timers).after(20, { run: () => runs++ });
    expect(timer.due).to.equal(120.5);
    const [{ callback, milliseconds }] = timers.armed.values();
    expect(milliseconds).to.equal(20);
    expect(runs).to.equal(0);
    callback();
    expect(runs).to.equal(1);
  });

  it("disarms the timer that is cancelled and no other, twice without harm", () => {
    const timers = new HandTimers();
    const clock = platformClock(timers);
    const first = clock.after(1, { run() {} });
    clock.after(2, { run() {} });
    clock.cancel(first);
    clock.cancel(first);
    expect([...timers.armed.values()].map(({ milliseconds }) => milliseconds)).to.deep.equal([2]);
  });

  it("refuses a time that platforms take for no time at all", () => {
    const timers = new HandTimers();
    const clock = platformClock(timers);
    for (const milliseconds of [2 ** 31, Number.POSITIVE_INFINITY, Number.NaN]) {
      expect(() => clock.after(milliseconds, { run() {} })).to.throw("milliseconds");
    }
    expect(timers.armed).to.have.length(0);
    clock.after(2 ** 31 - 1, { run() {} });
    expect(timers.armed).to.have.length(1);
  });
});
