// Judges both ends of a split virtqueue by the specification's numbered rules (S): who is notified when, and IN_ORDER.

import { Chain, Feature, Used } from "@pvscsi/virtio";
import { expect } from "chai";
import { nothing, pieces, queueWorld, takeAll, usedOf } from "./queue-world.js";
import { RawDriver, RawRing, WRITE } from "./raw-ring.js";

const Q = 8;
const NOT_WANTED = 1;

function world(features = 0n) {
  const { memory, driver, device } = queueWorld(Q, features);
  const byte = pieces(memory, 1, 1);
  return { memory, driver, device, ring: new RawRing(driver.areas, Q), add: () => driver.add(nothing, byte, null) };
}

/** The available index, and both ends' indices, from 0 to the given one, by traffic. */
function advance({ driver, device, add }: ReturnType<typeof world>, to: number): void {
  for (let i = 0; i < to; i++) {
    add();
    driver.publish();
    for (const chain of takeAll(device)) device.push(chain, 1);
    device.publish();
    usedOf(driver);
  }
}

describe("a split virtqueue by the rules: notifications", () => {
  it("S8: without EVENT_IDX a flag of the driver's says whether it is to be interrupted; its used_event says nothing", () => {
    for (const [flags, wanted] of [
      [0, true],
      [NOT_WANTED, false],
    ] as const) {
      for (const event of [0, 1, 0xffff]) {
        const { driver, device, ring, add } = world();
        add();
        driver.publish();
        ring.availFlags = flags;
        ring.usedEvent = event;
        device.push(takeAll(device)[0], 0);
        expect(device.publish()).to.equal(wanted);
      }
    }
  });

  it("S8: without EVENT_IDX a flag of the device's says whether it is to be notified; its avail_event says nothing", () => {
    for (const [flags, wanted] of [
      [0, true],
      [NOT_WANTED, false],
    ] as const) {
      for (const event of [0, 1, 0xffff]) {
        const { driver, ring, add } = world();
        ring.usedFlags = flags;
        ring.availEvent = event;
        add();
        expect(driver.publish()).to.equal(wanted);
      }
    }
  });

  it("S8: each end sets its flag to 1 while it looks, and to 0 when there is no more", () => {
    const { driver, device, ring, add } = world();
    const flags = () => [ring.availFlags, ring.usedFlags];
    driver.quiet();
    device.quiet();
    expect(flags()).to.deep.equal([1, 1]);
    expect([driver.finalCheck(), device.finalCheck()]).to.deep.equal([false, false]);
    expect(flags()).to.deep.equal([0, 0]);
    device.quiet();
    add();
    expect(driver.publish()).to.equal(false);
    expect(device.finalCheck()).to.equal(true);
    device.push(takeAll(device)[0], 0);
    driver.quiet();
    expect(device.publish()).to.equal(false);
    expect(driver.finalCheck()).to.equal(true);
  });

  it("S9: with EVENT_IDX the device interrupts when it writes the entry that used_event names, else not", () => {
    for (let event = 0; event < 6; event++) {
      for (const count of [1, 2, 3]) {
        const all = world(Feature.eventIndex);
        const { driver, device, ring, add } = all;
        advance(all, 2);
        for (let i = 0; i < count; i++) add();
        driver.publish();
        // The lower bit of the flags means nothing then.
        ring.availFlags = NOT_WANTED;
        ring.usedEvent = event;
        for (const chain of takeAll(device)) device.push(chain, 0);
        expect(device.publish(), `event ${event} of 2 to ${2 + count}`).to.equal(event >= 2 && event < 2 + count);
      }
    }
  });

  it("S9: with EVENT_IDX the driver notifies when it makes the entry available that avail_event names, else not", () => {
    for (let event = 0; event < 6; event++) {
      for (const count of [1, 2, 3]) {
        const all = world(Feature.eventIndex);
        const { driver, ring, add } = all;
        advance(all, 2);
        ring.usedFlags = NOT_WANTED;
        ring.availEvent = event;
        for (let i = 0; i < count; i++) add();
        expect(driver.publish(), `event ${event} of 2 to ${2 + count}`).to.equal(event >= 2 && event < 2 + count);
      }
    }
  });

  it("S9: counts events past the end of the index", () => {
    const driver = new RawDriver({ size: Q, base: 0xffff, features: Feature.eventIndex });
    for (let head = 0; head < 3; head++) driver.ring.describe(head, driver.buffer(1, WRITE));
    driver.ring.usedEvent = 0;
    const wanted = [0, 1, 2].map((head) => {
      driver.ring.offer(head);
      for (const chain of takeAll(driver.device)) driver.device.push(chain, 1);
      return driver.device.publish();
    });
    expect([wanted, driver.ring.usedIndex]).to.deep.equal([[false, true, false], 2]);
  });

  it("S9: with EVENT_IDX both flags stay 0, and each end names the next entry when there is no more", () => {
    const all = world(Feature.eventIndex);
    const { driver, device, ring } = all;
    advance(all, 3);
    driver.quiet();
    device.quiet();
    expect([driver.finalCheck(), device.finalCheck()]).to.deep.equal([false, false]);
    expect([ring.availFlags, ring.usedFlags, ring.usedEvent, ring.availEvent]).to.deep.equal([0, 0, 3, 3]);
  });

  for (const [name, features] of [
    ["flags", 0n],
    ["events", Feature.eventIndex],
  ] as const) {
    it(`S8 S9: a device that takes a ring over asks to be notified from its next entry on, by ${name}`, () => {
      // The device before it died while it looked.
      const before = new RawDriver({ size: Q, base: 5, features });
      before.ring.usedFlags = NOT_WANTED;
      before.ring.availEvent = 2;
      const after = before.takenOver();
      expect([before.ring.usedFlags, after.next]).to.deep.equal([0, 5]);
      if (features !== 0n) expect(before.ring.availEvent).to.equal(5);
    });
  }

  it("S10: nothing comes of a notification for nothing, at either end", () => {
    for (const features of [0n, Feature.eventIndex]) {
      const { driver, device, ring, add } = world(features);
      for (let i = 0; i < 3; i++) {
        expect([device.take(new Chain()), driver.take(new Used())]).to.deep.equal([false, false]);
        expect([device.publish(), driver.publish()]).to.deep.equal([false, false]);
      }
      add();
      driver.publish();
      for (let i = 0; i < 3; i++) expect(driver.publish()).to.equal(false);
      expect([ring.availIndex, ring.usedIndex, takeAll(device).length]).to.deep.equal([1, 0, 1]);
    }
  });
});

describe("a split virtqueue by the rules: IN_ORDER", () => {
  const tokens = (driver: Parameters<typeof usedOf>[0]) => usedOf(driver);

  /** Four chains of 10 writable bytes each, taken. */
  function four() {
    const { memory, driver, device } = queueWorld(Q, Feature.inOrder);
    const piece = pieces(memory, 1, 10);
    for (const token of ["a", "b", "c", "d"]) driver.add(nothing, piece, token);
    driver.publish();
    return { driver, device, chains: takeAll(device), ring: new RawRing(driver.areas, Q) };
  }

  it("S12: shows chains in the order in which they were taken, whatever order they ended in", () => {
    const { driver, device, chains, ring } = four();
    for (const i of [3, 1, 2]) device.push(chains[i], 10);
    device.publish();
    expect([ring.usedIndex, tokens(driver)]).to.deep.equal([0, []]);
    device.push(chains[0], 10);
    device.publish();
    expect(tokens(driver)).to.deep.equal(["a", "b", "c", "d"].map((token) => [token, 10]));
  });

  it("S12: one entry stands for a batch, at the place of its first chain, and used.idx grows by all of them", () => {
    const { driver, device, chains, ring } = four();
    for (const i of [2, 1]) device.push(chains[i], 10);
    device.push(chains[0], 10);
    device.publish();
    expect([ring.usedIndex, ring.used(0), ring.used(1), ring.used(2)]).to.deep.equal([3, [2, 10], [0, 0], [0, 0]]);
    device.push(chains[3], 4);
    device.publish();
    expect([ring.usedIndex, ring.used(3)]).to.deep.equal([4, [3, 4]]);
    expect(tokens(driver)).to.deep.equal([
      ["a", 10],
      ["b", 10],
      ["c", 10],
      ["d", 4],
    ]);
  });

  it("S12: a chain that was not written as a whole is the last of its batch, so that its length is told", () => {
    const { driver, device, chains, ring } = four();
    for (const [i, written] of [
      [3, 0],
      [2, 10],
      [1, 3],
      [0, 10],
    ] as const)
      device.push(chains[i], written);
    device.publish();
    expect([ring.usedIndex, ring.used(0), ring.used(2)]).to.deep.equal([4, [1, 3], [3, 0]]);
    expect(tokens(driver)).to.deep.equal([
      ["a", 10],
      ["b", 3],
      ["c", 10],
      ["d", 0],
    ]);
  });

  it("S12: the driver takes a batch that a device of another make has shown", () => {
    const { driver, ring } = four();
    ring.setUsed(0, 2, 5);
    ring.usedIndex = 3;
    expect(tokens(driver)).to.deep.equal([
      ["a", 10],
      ["b", 10],
      ["c", 5],
    ]);
    ring.setUsed(3, 3, 10);
    ring.usedIndex = 4;
    expect([tokens(driver), driver.free]).to.deep.equal([[["d", 10]], Q]);
  });

  it("S12: the driver refuses an entry that names a chain behind the batch", () => {
    const { driver, ring } = four();
    ring.setUsed(0, 3, 10);
    ring.usedIndex = 2;
    expect(() => driver.take(new Used())).to.throw("used id 3 is not among the oldest 2");
  });

  it("S12: the driver uses descriptors in ring order and wraps at the end of the table", () => {
    const { memory, driver, device } = queueWorld(Q, Feature.inOrder);
    const ring = new RawRing(driver.areas, Q);
    let expected = 0;
    for (let round = 0; round < 50; round++) {
      const count = 1 + (round % 5);
      driver.add(nothing, pieces(memory, count, 1), null);
      driver.publish();
      const head = ring.avail(round);
      expect(head).to.equal(expected);
      for (let i = 0; i < count - 1; i++) {
        expect(ring.descriptor((head + i) % Q).next).to.equal((head + i + 1) % Q);
      }
      expected = (expected + count) % Q;
      for (const chain of takeAll(device)) {
        device.push(chain, 0);
        for (let i = 0; i < chain.writable.count; i++) memory.free([chain.writable.page(i)]);
      }
      device.publish();
      usedOf(driver);
    }
  });
});
