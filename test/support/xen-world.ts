// Knows how to make a world of domains over simulated time: hypervisor, xenstored, and domains joined by both. Knows no
// device class.

import { setImmediate } from "node:timers/promises";
import { ProbeHub, type ProbeListener, Simulation, seededRandom } from "@pvscsi/wire";
import {
  connectInProcess,
  type DomainDescription,
  Hypervisor,
  type InProcessDomain,
  Xenstored,
  type XenstoreSession,
} from "@pvscsi/xen";

/** Domains, in whatever order `seed` delivers what is ready. */
export class XenWorld {
  readonly simulation: Simulation;
  readonly probes = new ProbeHub();
  readonly hypervisor: Hypervisor;
  readonly xenstored: Xenstored;
  /** A privileged connection of domain 0: the toolstack's. */
  readonly tool: XenstoreSession;

  constructor(seed = 1) {
    this.simulation = new Simulation(seededRandom(seed));
    const parts = { scheduler: this.simulation, clock: this.simulation, probes: this.probes };
    this.hypervisor = new Hypervisor(parts);
    this.xenstored = new Xenstored(parts);
    this.tool = this.#connect(0);
  }

  /** A domain whose home in the store is its own. Domain 0 is privileged. */
  async createDomain(id: number, sizes: { memoryPages?: number; grantFrames?: number } = {}): Promise<InProcessDomain> {
    const store = this.#connect(id);
    const domain = this.hypervisor.createDomain({ ...sizes, id, store, disconnect: async () => store.close() });
    await this.done(this.tool.mkdir(`/local/domain/${id}`));
    await this.done(this.tool.setPermissions(`/local/domain/${id}`, [`n${id}`]));
    return domain;
  }

  /** Runs what is ready, and what follows from it, without letting time pass. */
  async settle(): Promise<void> {
    do {
      while (this.simulation.busy) this.simulation.step();
      await setImmediate();
    } while (this.simulation.busy);
  }

  /** Lets `milliseconds` pass, timer by timer. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.simulation.now() + milliseconds;
    let over = false;
    this.simulation.after(milliseconds, {
      run: () => {
        over = true;
      },
    });
    await this.settle();
    while (!over && this.simulation.now() <= end) {
      this.simulation.step();
      await this.settle();
    }
  }

  /** Waits for a promise that the world, as time passes, has to fulfil. */
  async done<Value>(promise: Promise<Value>, milliseconds = 60_000): Promise<Value> {
    const outcome = promise.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    let ended: Awaited<typeof outcome> | null = null;
    outcome.then((reached) => {
      ended = reached;
    });
    await this.settle();
    for (const end = this.simulation.now() + milliseconds; ended === null && this.simulation.now() < end; ) {
      if (!this.simulation.step()) break;
      await this.settle();
    }
    if (ended === null) throw new Error("the world stands still, and what was waited for has not happened");
    const reached = await outcome;
    if ("error" in reached) throw reached.error;
    return reached.value;
  }

  /** Writes nodes as the toolstack, in one transaction. */
  async write(nodes: { readonly [path: string]: string }): Promise<void> {
    await this.done(
      this.tool.transaction(async (transaction) => {
        for (const [path, value] of Object.entries(nodes)) await transaction.write(path, value);
      }),
    );
  }

  read(path: string): Promise<string | null> {
    return this.done(this.tool.read(path));
  }

  /** What all domains have open. */
  describe(): DomainDescription[] {
    return this.hypervisor.describe();
  }

  /** Hears probes until the returned function is called. */
  listen(hear: ProbeListener): () => void {
    return this.probes.listen(hear);
  }

  #connect(id: number): XenstoreSession {
    return connectInProcess(this.xenstored, { domain: id, privileged: id === 0 }, this.simulation);
  }
}
