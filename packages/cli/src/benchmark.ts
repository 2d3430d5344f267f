// Knows which transports are compared, and how each is brought up over a memory store.

import {
  adapterDisk,
  bareStore,
  type Contender,
  compare,
  formatComparison,
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
import { fail, nullProbes, seededRandom } from "@pvscsi/wire";
import { OneProcess } from "./one-process.js";
import { nodeClock, nodeScheduler } from "./platform.js";

export interface BenchmarkOptions {
  /** Words that names of workloads must contain one of; all workloads when there are none. */
  readonly workloads: readonly string[];
  /** Names of transports; all when there are none. */
  readonly transports?: readonly string[];
  readonly rounds: number;
  /** Milliseconds each transport runs in a round. */
  readonly milliseconds: number;
  /** Hears of rows as they are measured. */
  readonly done?: (rows: readonly Row[]) => void;
}

/** Small enough for the processor's caches to play the same part for all. */
const SIZE = 64 * 1024 * 1024;
const SEED = 1;

/** Each transport by its name: a disk over the given store. */
const TRANSPORTS: Readonly<Record<string, (store: MemoryStore) => Promise<Contender>>> = {
  direct: async (store) => {
    const target = new Target();
    target.add(0, diskOver(store));
    const adapter = directAdapter(target);
    await absorbAttention(adapter);
    return adapterDisk("direct", adapter, SIZE, () => adapter.close());
  },
  pvscsi: pvscsiInProcess,
};

export const TRANSPORT_NAMES: readonly string[] = Object.keys(TRANSPORTS);

/** Measures and gives the table. */
export async function runBenchmark(options: BenchmarkOptions): Promise<string> {
  return formatComparison(await measure(options));
}

/** Measures every transport beside a bare copy of the same blocks from the same store. */
export async function measure(options: BenchmarkOptions): Promise<Row[]> {
  const store = filledStore();
  const names = options.transports?.length ? options.transports : TRANSPORT_NAMES;
  const contenders = [bareStore(store)];
  for (const name of names) contenders.push(await (TRANSPORTS[name] ?? fail(`no transport ${name}`))(store));
  try {
    return await compare({
      contenders,
      workloads: selectWorkloads(options.workloads),
      rounds: options.rounds,
      milliseconds: options.milliseconds,
      instruments: {
        clock: nodeClock,
        scheduler: nodeScheduler(),
        random: seededRandom(SEED, "benchmark"),
        processor: () => {
          const { user, system } = process.cpuUsage();
          return user + system;
        },
      },
      ...(options.done === undefined ? {} : { done: options.done }),
    });
  } finally {
    for (const contender of contenders) await contender.close();
  }
}

/** Every page is there: reading a hole would be cheaper than reading data. */
function filledStore(): MemoryStore {
  const store = new MemoryStore(SIZE);
  const slots = bareStore(store).slots({
    name: "",
    operation: "write",
    size: 1024 * 1024,
    pattern: "sequential",
    depth: 1,
  });
  for (let at = 0; at < SIZE; at += 1024 * 1024) slots[0].start(at);
  return store;
}

function diskOver(store: MemoryStore): LogicalUnit {
  const identity = { vendor: "PVSCSI", product: "BENCHMARK", revision: "0001", serial: "1", wwn: "5000000000000001" };
  return createDisk({ ...identity, store, blockSize: 512 });
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

/** A disk that nobody has scanned still owes its power-on unit attention. */
function absorbAttention(adapter: HostAdapter): Promise<void> {
  const command = new Command();
  command.cdbLength = 6;
  return new Promise((resolve) => {
    command.completed = () => resolve();
    adapter.queue(command);
  });
}
