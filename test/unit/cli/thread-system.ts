// Knows a machine whose domains are threads of this process, in shared memory: dom0 and the hub are here.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type MachineConfig, parseHostConfig } from "@pvscsi/config";
import { openHost } from "@pvscsi/host";
import type { PhysicalDevices } from "@pvscsi/toolstack";
import { ProbeHub } from "@pvscsi/wire";
import { type DomainId, Xenstored } from "@pvscsi/xen";
import { Hub, openThreadLink, SECRET_SIZE } from "@pvscsi/xenbus";
import { nodeClock, nodeScheduler, type Outcome, physicalDevices, System, type SystemOptions } from "pvscsi";
import type { ThreadDomain } from "./thread-domain-main.js";

const SCRIPT = new URL("thread-domain-main.js", import.meta.url);
const PAGES_PER_MIB = 256;

interface Thread {
  readonly config: MachineConfig;
  readonly secret: Uint8Array;
  worker: Worker | null;
}

export class ThreadSystem extends System {
  /** Why domains have ended, by name. */
  readonly ends: string[] = [];
  readonly hub: Hub;
  readonly #threads = new Map<DomainId, Thread>();
  /** What driver domains have, as host.yaml. */
  readonly #driverHost: string;

  private constructor(options: SystemOptions, driverHost: string) {
    const xenstored = new Xenstored(options);
    const hub = new Hub({ ...options, xenstored, sharedMemory: true });
    super(options, xenstored, hub.hypervisor);
    this.hub = hub;
    this.#driverHost = driverHost;
  }

  /** A dom0 with these devices, whose driver domains all have those. */
  static async start(host: string, driverHost: string): Promise<ThreadSystem> {
    const directory = openHost(parseHostConfig(host, "host.yaml"), { directory: "/", clock: nodeClock });
    const parts = { clock: nodeClock, scheduler: nodeScheduler(), probes: new ProbeHub() };
    const system = new ThreadSystem({ ...parts, directory, devices: physicalDevices(directory) }, driverHost);
    await system.start();
    return system;
  }

  async build(config: MachineConfig): Promise<DomainId> {
    const id = this.takeDomainId();
    const secret = Uint8Array.from(randomBytes(SECRET_SIZE));
    const ended = (reason: string) => this.ends.push(`${config.name}: ${reason}`);
    this.hub.admit({ id, secret, memoryPages: config.memory * PAGES_PER_MIB, ended });
    this.#threads.set(id, { config, secret, worker: null });
    await this.store.introduce(id, 1, 1);
    return id;
  }

  async unpause(id: DomainId): Promise<void> {
    const thread = this.#thread(id);
    const { config, secret } = thread;
    const link = openThreadLink(this.hub);
    const host = config.driverDomain ? this.#driverHost : "";
    const workerData: ThreadDomain = { name: config.name, domain: id, link, secret, host };
    thread.worker = new Worker(SCRIPT, { workerData, transferList: [link.port] });
    await once(thread.worker, "message");
  }

  async destroy(id: DomainId): Promise<void> {
    const thread = this.#threads.get(id);
    if (thread === undefined) return;
    this.#threads.delete(id);
    this.hub.expel(id, "the domain was destroyed");
    await thread.worker?.terminate();
    await this.store.release(id);
  }

  /** Ends a domain's thread wherever it is. */
  async kill(id: DomainId): Promise<void> {
    await this.#thread(id).worker?.terminate();
  }

  async runInGuest(id: DomainId, words: readonly string[]): Promise<Outcome> {
    const { worker, config } = this.#thread(id);
    if (worker === null) throw new Error(`${config.name} does not run`);
    worker.postMessage({ words, directory: process.cwd() });
    const ended = once(worker, "exit").then(() => [{ output: "", errors: "its thread has ended", status: 1 }]);
    const [outcome] = await Promise.race([once(worker, "message"), ended]);
    return outcome;
  }

  protected guestIds(): DomainId[] {
    const all = [...this.#threads];
    return all.sort(([, a], [, b]) => Number(a.config.driverDomain) - Number(b.config.driverDomain)).map(([id]) => id);
  }

  protected override driverDevices(id: DomainId): PhysicalDevices | undefined {
    if (!this.#threads.get(id)?.config.driverDomain) return undefined;
    return physicalDevices(
      openHost(parseHostConfig(this.#driverHost, "host.yaml"), { directory: "/", clock: nodeClock }),
    );
  }

  #thread(id: DomainId): Thread {
    const thread = this.#threads.get(id);
    if (thread === undefined) throw new Error(`there is no domain ${id}`);
    return thread;
  }
}
