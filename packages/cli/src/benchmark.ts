// Knows which transports are compared, and how each is brought up over a memory store.

import { cpus } from "node:os";
import {
  adapterDisk,
  bareStore,
  type Contender,
  compare,
  formatComparison,
  type Instruments,
  type PlugRow,
  type Row,
  selectWorkloads,
} from "@pvscsi/bench";
import { parseMachineConfig } from "@pvscsi/config";
import { directAdapter, type MemoryStore, Target } from "@pvscsi/scsi";
import { fail, ProbeHub, seededRandom } from "@pvscsi/wire";
import type { HostedDomain } from "@pvscsi/xen";
import { absorbAttention } from "./benchmark-adapter.js";
import { addCounts, domainCounts, storeCounts } from "./benchmark-counts.js";
import { DISK_SIZE, diskOver, filledStore, MACHINE } from "./benchmark-disk.js";
import { measureAllPlugs } from "./benchmark-plugs.js";
import { overPlainRing } from "./benchmark-sab.js";
import { virtioInProcess, virtioInThread } from "./benchmark-virtio.js";
import { overPlainFrames } from "./benchmark-ws.js";
import { inSharedMemory, overWebSocket } from "./benchmark-xenbus.js";
import { OneProcess } from "./one-process.js";
import { nodeClock, nodeScheduler } from "./platform.js";

export interface BenchmarkOptions {
  /** Words that names of workloads must contain one of; all workloads when there are none. */
  readonly workloads: readonly string[];
  /** Names of transports; all when they are left out. */
  readonly transports?: readonly string[];
  readonly rounds: number;
  /** Milliseconds each transport runs in a round. */
  readonly milliseconds: number;
  /** How often a device is plugged in on each way to tell a guest of it; 0 leaves that out. */
  readonly plugs?: number;
}

/** Figures, and what they were measured on. */
export interface BenchmarkReport {
  readonly node: string;
  readonly processor: string;
  readonly processors: number;
  readonly rounds: number;
  readonly milliseconds: number;
  /** Bytes of the disk. */
  readonly size: number;
  readonly seed: number;
  readonly rows: readonly Row[];
  /** How long guests take to know of a device. */
  readonly plugs: readonly PlugRow[];
}

const SEED = 1;

/** Each transport by its name: a disk over the given store. */
const TRANSPORTS: Readonly<Record<string, (store: MemoryStore) => Promise<Contender>>> = {
  direct: withoutWire,
  pvscsi: pvscsiInProcess,
  "virtio-scsi": (store) => virtioInProcess("virtio-scsi", store),
  "virtio-blk": (store) => virtioInProcess("virtio-blk", store),
  // In turns one after the other: a machine that changes its speed changes both.
  ws: overPlainFrames,
  websocket: overWebSocket,
  sab: overPlainRing,
  worker: inSharedMemory,
  "virtio-scsi-worker": () => virtioInThread("virtio-scsi"),
  "virtio-blk-worker": () => virtioInThread("virtio-blk"),
};

export const TRANSPORT_NAMES: readonly string[] = Object.keys(TRANSPORTS);

/** Measures and gives the table. */
export async function runBenchmark(options: BenchmarkOptions): Promise<string> {
  return formatComparison((await measure(options)).rows);
}

/** Measures every transport beside a bare copy of the same blocks from the same store. */
export async function measure(options: BenchmarkOptions): Promise<BenchmarkReport> {
  const { rounds, milliseconds, plugs = 0 } = options;
  const rows = await measureRows(options);
  const processors = cpus();
  const processor = processors[0]?.model ?? "unknown";
  return {
    node: process.version,
    processor,
    processors: processors.length,
    rounds,
    milliseconds,
    size: DISK_SIZE,
    seed: SEED,
    rows,
    plugs: plugs > 0 ? await measureAllPlugs(plugs) : [],
  };
}

async function measureRows(options: BenchmarkOptions): Promise<Row[]> {
  const { rounds, milliseconds, workloads, transports = TRANSPORT_NAMES } = options;
  const store = await filledStore();
  const contenders: Contender[] = [{ ...bareStore(store), counts: async () => storeCounts(store) }];
  try {
    for (const name of transports) contenders.push(await (TRANSPORTS[name] ?? fail(`no transport ${name}`))(store));
    return await compare({
      contenders,
      workloads: selectWorkloads(workloads),
      rounds,
      milliseconds,
      instruments: instruments(),
      random: seededRandom(SEED, "benchmark"),
    });
  } finally {
    // One that has failed may not end in order; the others do all the same.
    const ends = await Promise.allSettled(contenders.map((contender) => contender.close()));
    for (const end of ends) if (end.status === "rejected") process.emitWarning(`${end.reason}`);
  }
}

function instruments(): Instruments {
  return {
    clock: nodeClock,
    scheduler: nodeScheduler(),
    processor() {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
  };
}

async function withoutWire(store: MemoryStore): Promise<Contender> {
  const target = new Target();
  target.add(0, diskOver(store));
  const adapter = directAdapter(target);
  await absorbAttention(adapter);
  const disk = adapterDisk("direct", adapter, DISK_SIZE, () => adapter.close());
  return { ...disk, counts: async () => storeCounts(store) };
}

async function pvscsiInProcess(store: MemoryStore): Promise<Contender> {
  const logicalUnit = diskOver(store);
  const system = new OneProcess({
    clock: nodeClock,
    scheduler: nodeScheduler(),
    probes: new ProbeHub(),
    directory: { open: async () => ({ logicalUnit, release: async () => {} }) },
    devices: { resolve: ({ text }) => ({ physicalDevice: text }) },
  });
  await system.start();
  const config = parseMachineConfig(MACHINE, { file: "benchmark" });
  const id = await system.toolstack.create(config);
  const { guest } = system.guest(id);
  const domains = [0, id].map((domain) => system.hypervisor.find(domain) as HostedDomain);
  const disk = adapterDisk("pvscsi", guest.hosts[0].adapter, DISK_SIZE, () => system.close());
  return { ...disk, counts: async () => addCounts(domainCounts(domains), storeCounts(store)) };
}
