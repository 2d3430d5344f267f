// Knows which transports are compared, and how each is brought up over a memory store.

import { cpus } from "node:os";
import {
  adapterDisk,
  bareStore,
  type Contender,
  compare,
  formatComparison,
  type Instruments,
  type Row,
  selectWorkloads,
} from "@pvscsi/bench";
import { parseMachineConfig } from "@pvscsi/config";
import {
  Command,
  createDisk,
  directAdapter,
  type HostAdapter,
  type LogicalUnit,
  MemoryStore,
  Target,
} from "@pvscsi/scsi";
import { assert, fail, nullProbes, seededRandom } from "@pvscsi/wire";
import { OneProcess } from "./one-process.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import { transfer } from "./store-transfer.js";

export interface BenchmarkOptions {
  /** Words that names of workloads must contain one of; all workloads when there are none. */
  readonly workloads: readonly string[];
  /** Names of transports; all when they are left out. */
  readonly transports?: readonly string[];
  readonly rounds: number;
  /** Milliseconds each transport runs in a round. */
  readonly milliseconds: number;
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
}

const MIB = 1024 * 1024;
/** Above what a processor's caches hold, for all contenders alike. */
const SIZE = 64 * MIB;
const SEED = 1;

/** Each transport by its name: a disk over the given store. */
const TRANSPORTS: Readonly<Record<string, (store: MemoryStore) => Promise<Contender>>> = {
  direct: withoutWire,
  pvscsi: pvscsiInProcess,
};

export const TRANSPORT_NAMES: readonly string[] = Object.keys(TRANSPORTS);

/** Measures and gives the table. */
export async function runBenchmark(options: BenchmarkOptions): Promise<string> {
  return formatComparison((await measure(options)).rows);
}

/** Measures every transport beside a bare copy of the same blocks from the same store. */
export async function measure(options: BenchmarkOptions): Promise<BenchmarkReport> {
  const { rounds, milliseconds } = options;
  const store = await filledStore();
  const contenders = [bareStore(store)];
  try {
    for (const name of options.transports ?? TRANSPORT_NAMES) {
      contenders.push(await (TRANSPORTS[name] ?? fail(`no transport ${name}`))(store));
    }
    const rows = await compare({
      contenders,
      workloads: selectWorkloads(options.workloads),
      rounds,
      milliseconds,
      instruments: instruments(),
      random: seededRandom(SEED, "benchmark"),
    });
    const processors = cpus();
    const processor = processors[0]?.model ?? "unknown";
    return {
      node: process.version,
      processor,
      processors: processors.length,
      rounds,
      milliseconds,
      size: SIZE,
      seed: SEED,
      rows,
    };
  } finally {
    for (const contender of contenders) await contender.close();
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

/** Every page is there: reading a hole would be cheaper than reading data. */
async function filledStore(): Promise<MemoryStore> {
  const store = new MemoryStore(SIZE);
  const piece = new Uint8Array(MIB).fill(0x5a);
  for (let at = 0; at < SIZE; at += MIB) assert((await transfer(store, "write", at, piece)) === null, "no memory");
  return store;
}

function diskOver(store: MemoryStore): LogicalUnit {
  const identity = { vendor: "PVSCSI", product: "BENCHMARK", revision: "0001", serial: "1", wwn: "5000000000000001" };
  return createDisk({ ...identity, store, blockSize: 512 });
}

async function withoutWire(store: MemoryStore): Promise<Contender> {
  const target = new Target();
  target.add(0, diskOver(store));
  const adapter = directAdapter(target);
  await absorbAttention(adapter);
  return adapterDisk("direct", adapter, SIZE, () => adapter.close());
}

async function pvscsiInProcess(store: MemoryStore): Promise<Contender> {
  const logicalUnit = diskOver(store);
  const system = new OneProcess({
    clock: nodeClock,
    scheduler: nodeScheduler(),
    probes: nullProbes,
    directory: { open: async () => ({ logicalUnit, release: async () => {} }) },
    devices: { resolve: ({ text }) => ({ physicalDevice: text }) },
  });
  await system.start();
  const config = parseMachineConfig("name='benchmark'\nvscsi=['0:0:0:0,0:0:0:0']\nmemory=128\n", { file: "benchmark" });
  const { guest } = system.guest(await system.toolstack.create(config));
  return adapterDisk("pvscsi", guest.hosts[0].adapter, SIZE, () => system.close());
}

/** A disk that nobody has scanned still owes its power-on unit attention: TEST UNIT READY takes it. */
function absorbAttention(adapter: HostAdapter): Promise<void> {
  const command = new Command();
  command.cdbLength = 6;
  return new Promise((resolve) => {
    command.completed = () => resolve();
    adapter.queue(command);
  });
}
