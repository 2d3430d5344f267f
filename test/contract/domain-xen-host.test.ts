// Domains over a kernel's device nodes keep the contract of `Domain`: the kernel is played, over domains of the in-process
// hypervisor. A back end's grants nothing, so that half is the hypervisor's; a front end's is a domain in full, of which the
// kernel does not tell all.

import type { Domain, InProcessDomain } from "@pvscsi/xen";
import { type HostDomain, HostFrontEnd } from "@pvscsi/xenbus";
import { expect } from "chai";
import { openPlayedHost } from "../support/xen-kernel.js";
import { XenWorld } from "../support/xen-world.js";
import { type DomainWorld, domainContract } from "./domain.js";

const FRONT_PAGES = 64;

for (const seed of [1, 2]) {
  domainContract(`between two processes on a Xen host, order ${seed}`, () => twoHosts(seed));
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

/** Both ends are processes under the kernels of their domains. */
async function twoHosts(seed: number): Promise<DomainWorld> {
  const world = new XenWorld(seed);
  const [dom0, dom1, stranger] = await Promise.all(
    [0, 1, 2].map((id) => world.createDomain(id, { memoryPages: FRONT_PAGES })),
  );
  const back = await openPlayedHost(world, dom0);
  const { host, kernel } = await openPlayedHost(world, dom1);
  const front = withItsDomain(new HostFrontEnd(host, kernel), dom1);
  const close = async () => {
    for (const domain of [front, stranger, back.host, dom0]) await domain.close();
    await world.settle();
    expect(world.hypervisor.leaks()).to.deep.equal([]);
    expect([kernel.openFiles, back.kernel.openFiles]).to.deep.equal([0, 0]);
  };
  const settle = () => world.settle();
  const kernels = { underKernel: true, granterUnderKernel: true } as const;
  return { front, back: whole(back.host, dom0), stranger, frontPages: FRONT_PAGES, ...kernels, settle, close };
}

/** The domain ends with its process. */
function withItsDomain(front: HostFrontEnd, domain: InProcessDomain): Domain {
  return {
    id: front.id,
    grants: front.grants,
    events: front.events,
    store: front.store,
    allocatePages: (count, peer) => front.allocatePages(count, peer),
    freePages: (pages) => front.freePages(pages),
    borrow: (loan) => front.borrow(loan),
    giveBack: (loan, written) => front.giveBack(loan, written),
    publish: (port, ranges, wanted) => front.publish(port, ranges, wanted),
    close: async () => {
      await front.close();
      await domain.close();
    },
  };
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
