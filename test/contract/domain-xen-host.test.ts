// A back end's domain over a kernel's device nodes keeps the contract of `Domain`, as far as it goes: the kernel is played,
// over a domain of the in-process hypervisor, which also gives the half that grants.

import { setImmediate } from "node:timers/promises";
import { nullProbes, Simulation, seededRandom } from "@pvscsi/wire";
import { connectInProcess, type Domain, Hypervisor, type InProcessDomain, Xenstored } from "@pvscsi/xen";
import { type HostDomain, openHostDomain } from "@pvscsi/xenbus";
import { expect } from "chai";
import { XenKernel } from "../support/xen-kernel.js";
import { domainContract } from "./domain.js";

const FRONT_PAGES = 64;

for (const seed of [1, 2]) {
  domainContract(`on a Xen host, order ${seed}`, async () => {
    const scheduler = new Simulation(seededRandom(seed));
    const hypervisor = new Hypervisor({ scheduler, probes: nullProbes });
    const xenstored = new Xenstored({ scheduler, probes: nullProbes });
    const settle = () => drain(scheduler);
    const create = (id: number): InProcessDomain => {
      const store = connectInProcess(xenstored, { domain: id, privileged: id === 0 }, scheduler);
      return hypervisor.createDomain({ id, memoryPages: FRONT_PAGES, store, disconnect: async () => store.close() });
    };
    const [dom0, front, stranger] = [0, 1, 2].map(create);
    for (const { id } of [front, stranger]) {
      const home = `/local/domain/${id}`;
      const made = dom0.store.mkdir(home).then(() => dom0.store.setPermissions(home, [`n${id}`]));
      await settle();
      await made;
    }
    const kernel = new XenKernel({ domain: dom0, xenstored, scheduler });
    const opening = dom0.store.write("domid", "0").then(() => openHostDomain({ calls: kernel, scheduler }));
    await settle();
    const host = await opening;
    const close = async () => {
      for (const domain of [front, stranger, host, dom0]) await domain.close();
      await settle();
      expect(hypervisor.leaks()).to.deep.equal([]);
      expect(kernel.openFiles).to.equal(0);
    };
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

/** Runs what is ready until a whole turn of the loop adds nothing: promises continue between the steps. */
async function drain(simulation: Simulation): Promise<void> {
  do {
    while (simulation.step());
    await setImmediate();
  } while (simulation.busy);
}
