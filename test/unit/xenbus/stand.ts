// Knows a hub with simulated connections in which all that is under way can be waited for.

import { setImmediate } from "node:timers/promises";
import { Simulation, seededRandom } from "@pvscsi/wire";
import type { InProcessDomain } from "@pvscsi/xen";
import { type SimulatedConnection, XenbusWorld } from "../../support/xenbus-world.js";

export class Stand {
  readonly scheduler: Simulation;
  readonly world: XenbusWorld;

  constructor(seed: number) {
    const random = seededRandom(seed);
    this.scheduler = new Simulation(random);
    this.world = new XenbusWorld(this.scheduler, random);
  }

  /** Runs what is ready, until promises add no more to it. */
  readonly settle = async (): Promise<void> => {
    do {
      while (this.scheduler.step());
      await setImmediate();
    } while (this.scheduler.busy);
  };

  /** A domain behind a connection. */
  async join(id: number, memoryPages = 64): Promise<InProcessDomain> {
    return (await this.connect(id, memoryPages)).domain;
  }

  /** A domain with its connection. */
  async connect(id: number, memoryPages = 64): Promise<{ domain: InProcessDomain; connection: SimulatedConnection }> {
    const connection = this.world.connect(id, memoryPages);
    await this.settle();
    return { domain: await connection.client.joined, connection };
  }
}
