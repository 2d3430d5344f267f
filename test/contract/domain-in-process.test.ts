// The in-process hypervisor keeps the contract of `Domain`, in whatever order a seeded scheduler delivers events.

import { expect } from "chai";
import { XenWorld } from "../support/xen-world.js";
import { domainContract } from "./domain.js";

const FRONT_PAGES = 64;

for (const seed of [1, 2]) {
  domainContract(`in process, order ${seed}`, async () => {
    const world = new XenWorld(seed);
    const back = await world.createDomain(0, { memoryPages: FRONT_PAGES });
    const front = await world.createDomain(1, { memoryPages: FRONT_PAGES });
    const stranger = await world.createDomain(2, { memoryPages: FRONT_PAGES });
    const close = async () => {
      for (const domain of [front, back, stranger]) await domain.close();
      await world.settle();
      expect(world.hypervisor.leaks()).to.deep.equal([]);
    };
    return { front, back, stranger, frontPages: FRONT_PAGES, settle: () => world.settle(), close };
  });
}
