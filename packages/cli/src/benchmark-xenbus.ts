// Knows a dom0 in a process of its own, and the guest in the process that measures: between them is a WebSocket.

import { randomBytes } from "node:crypto";
import { adapterDisk, type Contender } from "@pvscsi/bench";
import { type MachineConfig, parseMachineConfig } from "@pvscsi/config";
import { fail, nullProbes, ProbeHub } from "@pvscsi/wire";
import { type DomainId, Xenstored } from "@pvscsi/xen";
import { connectXenbus, Hub, SECRET_SIZE, serveXenbus } from "@pvscsi/xenbus";
import { DISK_SIZE, diskOver, filledStore, MACHINE } from "./benchmark-disk.js";
import { type Address, BenchmarkProcess } from "./benchmark-process.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import { RunningGuest } from "./running-guest.js";
import { PAGES_PER_MIB, System, type SystemOptions } from "./system.js";
import type { Outcome } from "./verb.js";

const GUEST: DomainId = 1;

/** The dom0, in the process that is not the one that measures. */
export class BenchmarkBackend extends System {
  /** Resolves when the guest may come. */
  readonly address: Promise<Address>;
  /** Resolves when its disk is connected. */
  readonly settled: Promise<null>;
  readonly #hub: Hub;
  readonly #secret = randomBytes(SECRET_SIZE);

  #letIn!: (address: Address) => void;

  private constructor(options: SystemOptions) {
    const xenstored = new Xenstored(options);
    const hub = new Hub({ ...options, xenstored });
    super(options, xenstored, hub.hypervisor);
    this.#hub = hub;
    this.settled = this.#create();
    this.address = new Promise((resolve, reject) => {
      this.#letIn = resolve;
      this.settled.catch(reject);
    });
  }

  /** Starts a dom0 with the disk, and a guest that does not run yet. */
  static async open(): Promise<BenchmarkBackend> {
    const logicalUnit = diskOver(await filledStore());
    return new BenchmarkBackend({
      clock: nodeClock,
      scheduler: nodeScheduler(),
      probes: new ProbeHub(),
      directory: { open: async () => ({ logicalUnit, release: async () => {} }) },
      devices: { resolve: ({ text }) => ({ physicalDevice: text }) },
    });
  }

  async build(config: MachineConfig): Promise<DomainId> {
    const id = this.takeDomainId();
    this.#hub.admit({ id, secret: this.#secret, memoryPages: config.memory * PAGES_PER_MIB });
    await this.store.introduce(id, 1, 1);
    return id;
  }

  /** It runs in the process that measures, and may come now. */
  async unpause(): Promise<void> {
    const { url } = await serveXenbus({ hub: this.#hub, clock: nodeClock, listen: { port: 0 } });
    this.#letIn({ url, secret: this.#secret.toString("hex") });
  }

  async destroy(id: DomainId): Promise<void> {
    this.#hub.expel(id, "the domain was destroyed");
    await this.store.release(id);
  }

  async runInGuest(): Promise<Outcome> {
    return fail("the guest of a benchmark takes no commands");
  }

  protected guestIds(): DomainId[] {
    return [GUEST];
  }

  async #create(): Promise<null> {
    // Not before the constructor is through.
    await null;
    await this.start();
    await this.toolstack.create(parseMachineConfig(MACHINE, { file: "benchmark" }));
    return null;
  }
}

/** scsifront here, scsiback and the store in another process, a WebSocket between them. */
export async function overWebSocket(): Promise<Contender> {
  const backend = new BenchmarkProcess("xenbus");
  try {
    const { url, secret } = await backend.ask("address");
    const parts = { clock: nodeClock, scheduler: nodeScheduler(), probes: nullProbes };
    const joined = await connectXenbus({ ...parts, url, domain: GUEST, secret: Buffer.from(secret, "hex") });
    const { domain } = joined;
    const running = new RunningGuest({ ...parts, name: "benchmark", domain });
    await running.driver.start();
    await backend.ask("settled");
    const close = async () => {
      const inOrder = running.close().then(() => domain.close());
      await Promise.race([inOrder, backend.ended]).finally(() => backend.end());
    };
    return {
      ...adapterDisk("websocket", running.guest.hosts[0].adapter, DISK_SIZE, close),
      bound: "ws",
      elsewhere: () => backend.ask("processor"),
      ended: Promise.race([backend.ended, joined.ended]),
    };
  } catch (error) {
    await backend.end();
    throw error;
  }
}
