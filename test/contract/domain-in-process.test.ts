// The in-process hypervisor keeps the contract of `Domain`, in whatever order a seeded scheduler delivers events.

import { setImmediate } from "node:timers/promises";
import { nullProbes, Simulation, seededRandom } from "@pvscsi/wire";
import { connectInProcess, Hypervisor, type InProcessDomain, Xenstored } from "@pvscsi/xen";
import { expect } from "chai";
import { domainContract } from "./domain.js";

const FRONT_PAGES = 64;

for (const seed of [1, 2]) {
  domainContract(`in process, order ${seed}`, async () => {
    const scheduler = new Simulation(seededRandom(seed));
    const hypervisor = new Hypervisor({ scheduler, probes: nullProbes });
    const xenstored = new Xenstored({ scheduler, probes: nullProbes });
    const settle = () => drain(scheduler);
    const create = (id: number, memoryPages: number): InProcessDomain => {
      const store = connectInProcess(xenstored, { domain: id, privileged: id === 0 }, scheduler);
      return hypervisor.createDomain({ id, memoryPages, store, disconnect: async () => store.close() });
    };
    const back = create(0, FRONT_PAGES);
    const front = create(1, FRONT_PAGES);
    const stranger = create(2, FRONT_PAGES);
    for (const { id } of [front, stranger]) {
      const home = `/local/domain/${id}`;
      const made = back.store.mkdir(home).then(() => back.store.setPermissions(home, [`n${id}`]));
      await settle();
      await made;
    }
    const close = async () => {
      for (const domain of [front, back, stranger]) await domain.close();
      await settle();
      expect(hypervisor.leaks()).to.deep.equal([]);
    };
    return { front, back, stranger, frontPages: FRONT_PAGES, settle, close };
  });
}

/** Runs what is ready until a whole turn of the loop adds nothing: promises continue between the steps. */
async function drain(simulation: Simulation): Promise<void> {
  do {
    while (simulation.step());
    await setImmediate();
  } while (simulation.busy);
}
