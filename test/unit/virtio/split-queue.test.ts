// Judges both ends of a split virtqueue together: what goes in at one end comes out at the other.

import { Feature } from "@pvscsi/virtio";
import { expect } from "chai";
import { ALL_FEATURES, nothing, pieces, queueWorld, takeAll, usedOf } from "./queue-world.js";

const FEATURES: readonly [string, bigint][] = [
  ["no feature", 0n],
  ["INDIRECT_DESC", Feature.indirectDescriptors],
  ["EVENT_IDX", Feature.eventIndex],
  ["IN_ORDER", Feature.inOrder],
  ["all of them", ALL_FEATURES],
];

for (const [name, features] of FEATURES) {
  describe(`a split virtqueue with ${name}`, () => {
    it("carries what the driver wrote to the device, and back what the device wrote", () => {
      const { memory, driver, device } = queueWorld(8, features);
      const writable = pieces(memory, 2, 100);
      expect(driver.add(pieces(memory, 2, 50, 7), writable, "a")).to.equal(true);
      expect(device.waiting).to.equal(false);
      expect(driver.publish()).to.equal(true);
      const [chain] = takeAll(device);
      const bytes = new Uint8Array(100);
      expect(chain.readable.read(bytes)).to.equal(100);
      expect(bytes).to.deep.equal(new Uint8Array(100).fill(7));
      expect(chain.writable.length).to.equal(200);
      chain.writable.write(new Uint8Array(150).fill(9));
      device.push(chain, 150);
      expect(usedOf(driver)).to.deep.equal([]);
      expect(device.publish()).to.equal(true);
      expect(usedOf(driver)).to.deep.equal([["a", 150]]);
      expect(writable.view(1)).to.deep.equal(new Uint8Array(100).fill(9, 0, 50));
    });

    it("goes on past the end of the ring and of its indices", () => {
      const { memory, driver, device } = queueWorld(4, features);
      const readable = pieces(memory, 1, 8);
      const writable = pieces(memory, 1, 8);
      for (let round = 0; round < 70_000; round++) {
        driver.add(readable, writable, round);
        driver.publish();
        for (const chain of takeAll(device)) device.push(chain, 8);
        device.publish();
        expect(usedOf(driver)).to.deep.equal([[round, 8]]);
      }
      expect(driver.free).to.equal(4);
    });

    it("takes no more than it has descriptors for", () => {
      const { memory, driver } = queueWorld(4, features);
      const places = pieces(memory, 1, 8);
      for (let i = 0; i < 4; i++) expect(driver.add(places, nothing, i)).to.equal(true);
      expect(driver.add(places, nothing, 4)).to.equal(false);
      expect(driver.free).to.equal(0);
    });
  });
}
