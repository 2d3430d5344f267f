// Knows a dom0 in a process or a thread of its own, and the guest where it is measured: between them is a WebSocket, or
// the memory that they share.

import { randomBytes } from "node:crypto";
import { adapterDisk, type Contender, type Counts } from "@pvscsi/bench";
import { type MachineConfig, parseMachineConfig } from "@pvscsi/config";
import type { MemoryStore } from "@pvscsi/scsi";
import { fail, nullProbes, ProbeHub } from "@pvscsi/wire";
import { type DomainId, type HostedDomain, Xenstored } from "@pvscsi/xen";
import {
  connectThread,
  connectXenbus,
  Hub,
  type JoinedDomain,
  openThreadLink,
  SECRET_SIZE,
  serveXenbus,
  type ThreadLink,
} from "@pvscsi/xenbus";
import { addCounts, domainCounts, storeCounts } from "./benchmark-counts.js";
import { DISK_SIZE, diskOver, filledStore, MACHINE } from "./benchmark-disk.js";
import { type Address, BenchmarkProcess } from "./benchmark-process.js";
import { BenchmarkThread } from "./benchmark-thread.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import { RunningGuest } from "./running-guest.js";
import { PAGES_PER_MIB, System, type SystemOptions } from "./system.js";
import type { Outcome } from "./verb.js";

const GUEST: DomainId = 1;

/** How a guest comes to the hub. */
export interface Door<Address> {
  /** Whether it runs in a thread of the hub's process. */
  readonly sharedMemory: boolean;
  open(hub: Hub, secret: Buffer): Promise<Address>;
}

/** To a hub in another process. */
export const socketDoor: Door<Address> = {
  sharedMemory: false,
  async open(hub, secret) {
    const { url } = await serveXenbus({ hub, clock: nodeClock, listen: { port: 0 } });
    return { url, secret: secret.toString("hex") };
  },
};

/** What a guest in another thread has to know. */
export interface ThreadAddress {
  readonly link: ThreadLink;
  readonly secret: Uint8Array;
}

/** To a hub in another thread. */
export const threadDoor: Door<ThreadAddress> = {
  sharedMemory: true,
  open: async (hub, secret) => ({ link: openThreadLink(hub), secret: Uint8Array.from(secret) }),
};

/** The dom0, where nothing is measured. */
export class BenchmarkBackend<Where> extends System {
  /** Resolves when the guest may come. */
  readonly address: Promise<Where>;
  /** Resolves when its disk is connected. */
  readonly settled: Promise<null>;
  readonly #hub: Hub;
  readonly #store: MemoryStore;
  readonly #secret = randomBytes(SECRET_SIZE);

  readonly #door: Door<Where>;
  #letIn!: (address: Where) => void;

  private constructor(options: SystemOptions, store: MemoryStore, door: Door<Where>) {
    const xenstored = new Xenstored(options);
    const hub = new Hub({ ...options, xenstored, sharedMemory: door.sharedMemory });
    super(options, xenstored, hub.hypervisor);
    this.#hub = hub;
    this.#store = store;
    this.#door = door;
    this.settled = this.#create();
    this.address = new Promise((resolve, reject) => {
      this.#letIn = resolve;
      this.settled.catch(reject);
    });
  }

  /** Starts a dom0 with the disk, and a guest that does not run yet. */
  static async open<Where>(door: Door<Where>): Promise<BenchmarkBackend<Where>> {
    const store = await filledStore();
    const logicalUnit = diskOver(store);
    const options: SystemOptions = {
      clock: nodeClock,
      scheduler: nodeScheduler(),
      probes: new ProbeHub(),
      directory: { open: async () => ({ logicalUnit, release: async () => {} }) },
      devices: { resolve: ({ text }) => ({ physicalDevice: text }) },
    };
    return new BenchmarkBackend(options, store, door);
  }

  /** What was counted here: by dom0, of the guest's pages, and by the store. */
  counts(): Counts {
    const dom0 = this.hypervisor.find(0) as HostedDomain;
    const guest = this.hypervisor.find(GUEST);
    return addCounts(domainCounts([dom0], guest === undefined ? [] : [guest]), storeCounts(this.#store));
  }

  async build(config: MachineConfig): Promise<DomainId> {
    const id = this.takeDomainId();
    this.#hub.admit({ id, secret: this.#secret, memoryPages: config.memory * PAGES_PER_MIB });
    await this.store.introduce(id, 1, 1);
    return id;
  }

  /** It runs where it is measured, and may come now. */
  async unpause(): Promise<void> {
    this.#letIn(await this.#door.open(this.#hub, this.#secret));
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

const parts = { clock: nodeClock, scheduler: nodeScheduler(), probes: nullProbes };

/** scsifront here, scsiback and the store in another process, a WebSocket between them. */
export async function overWebSocket(): Promise<Contender> {
  const backend = new BenchmarkProcess("xenbus");
  try {
    const { url, secret } = await backend.ask("address");
    const joined = await connectXenbus({ ...parts, url, domain: GUEST, secret: Buffer.from(secret, "hex") });
    const disk = await guestDisk("websocket", joined, () => backend.ask("settled"), backend);
    const counts = async () => addCounts(domainCounts([joined.domain]), await backend.ask("counts"));
    return { ...disk, bound: "ws", elsewhere: () => backend.ask("processor"), counts };
  } catch (error) {
    await backend.end();
    throw error;
  }
}

/** scsifront here, scsiback and the store in another thread, which shares its memory. */
export async function inSharedMemory(): Promise<Contender> {
  const backend = new BenchmarkThread<ThreadAddress>("xenbus");
  try {
    const joined = await connectThread({ ...parts, domain: GUEST, ...(await backend.address) });
    const disk = await guestDisk("worker", joined, () => backend.settled, backend);
    const counts = async () => addCounts(domainCounts([joined.domain]), await backend.counts());
    return { ...disk, bound: "sab", counts };
  } catch (error) {
    await backend.end();
    throw error;
  }
}

/** Where the back end runs. */
interface Elsewhere {
  readonly ended: Promise<string>;
  end(): Promise<void>;
}

/** The disk of a guest here, once it is connected. */
async function guestDisk(
  name: string,
  { domain, ended }: JoinedDomain,
  settled: () => Promise<unknown>,
  backend: Elsewhere,
): Promise<Contender> {
  const running = new RunningGuest({ ...parts, name: "benchmark", domain });
  await running.driver.start();
  await settled();
  const close = async () => {
    const inOrder = running.close().then(() => domain.close());
    await Promise.race([inOrder, backend.ended]).finally(() => backend.end());
  };
  const disk = adapterDisk(name, running.guest.hosts[0].adapter, DISK_SIZE, close);
  return { ...disk, ended: Promise.race([backend.ended, ended]) };
}
