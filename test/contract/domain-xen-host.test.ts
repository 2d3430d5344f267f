// A back end's domain over a kernel's device nodes keeps the contract of `Domain`, as far as it goes: the kernel is played,
// over a domain of the in-process hypervisor, which also gives the half that grants.

import type { Domain, InProcessDomain } from "@pvscsi/xen";
import type { HostDomain } from "@pvscsi/xenbus";
import { expect } from "chai";
import { openPlayedHost } from "../support/xen-kernel.js";
import { XenWorld } from "../support/xen-world.js";
import { domainContract } from "./domain.js";

const FRONT_PAGES = 64;

for (const seed of [1, 2]) {
  domainContract(`on a Xen host, order ${seed}`, async () => {
    const world = new XenWorld(seed);
    const dom0 = await world.createDomain(0, { memoryPages: FRONT_PAGES });
    const front = await world.createDomain(1, { memoryPages: FRONT_PAGES });
    const stranger = await world.createDomain(2, { memoryPages: FRONT_PAGES });
    const { host, kernel } = await openPlayedHost(world, dom0);
    const close = async () => {
      for (const domain of [front, stranger, host, dom0]) await domain.close();
      await world.settle();
      expect(world.hypervisor.leaks()).to.deep.equal([]);
      expect(kernel.openFiles).to.equal(0);
    };
    const settle = () => world.settle();
    return { front, back: whole(host, dom0), stranger, frontPages: FRONT_PAGES, underKernel: true, settle, close };
  });
}

/** What it does not have is the hypervisor's. */
function whole(host: HostDomain, dom0: InProcessDomain): Domain {
  const { grants } = dom0;
  return {
    id: host.id,
    grants: {
      grant: (to, page, access) => grants.grant(to, page, access),
      revoke: (reference) => grants.revoke(reference),
      map: (from, reference, access) => host.grants.map(from, reference, access),
      unmap: (page) => host.grants.unmap(page),
    },
    events: host.events,
    store: host.store,
    allocatePages: (count) => dom0.allocatePages(count),
    freePages: (pages) => dom0.freePages(pages),
    borrow: (loan) => host.borrow(loan),
    giveBack: (loan, written) => host.giveBack(loan, written),
    publish: (port, ranges, wanted) => host.publish(port, ranges, wanted),
    close: async () => {
      await host.close();
      await dom0.close();
    },
  };
}
