// Two in-process domains for the unit tests of this folder: `front` grants, `back` maps. The store is never asked.

import { nullProbes, type Probes, Simulation, seededRandom } from "@pvscsi/wire";
import { type DomainOptions, GrantEntry, Hypervisor, type InProcessDomain, type XenstoreClient } from "@pvscsi/xen";

const unused = () => Promise.reject(new Error("this test does not use the store"));

/** A store that refuses everything. */
export const noStore: XenstoreClient = {
  read: unused,
  write: unused,
  mkdir: unused,
  remove: unused,
  list: unused,
  permissions: unused,
  setPermissions: unused,
  transaction: unused,
  watch: unused,
};

export interface HypervisorWorld {
  readonly scheduler: Simulation;
  readonly hypervisor: Hypervisor;
  readonly back: InProcessDomain;
  readonly front: InProcessDomain;
  /** Runs everything that is ready. */
  settle(): void;
  /** An entry of `front`'s table as it lies in its memory. */
  entry(reference: number): InstanceType<typeof GrantEntry>;
}

export function hypervisorWorld(
  options: { readonly back?: Partial<DomainOptions>; readonly front?: Partial<DomainOptions> } = {},
  probes: Probes = nullProbes,
): HypervisorWorld {
  const scheduler = new Simulation(seededRandom(1));
  const hypervisor = new Hypervisor({ scheduler, probes });
  const back = hypervisor.createDomain({ store: noStore, ...options.back });
  const front = hypervisor.createDomain({ store: noStore, ...options.front });
  return {
    scheduler,
    hypervisor,
    back,
    front,
    settle() {
      while (scheduler.step());
    },
    entry: (reference) =>
      new GrantEntry(front.table.frames[reference >>> 9].bytes).at((reference & 511) * GrantEntry.size),
  };
}
