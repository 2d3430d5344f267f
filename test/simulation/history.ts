// Knows one whole history: two guests, a driver domain, disks that fail and hang, LUNs that come and go, all from a seed.

import { parseMachineConfig, parseVscsiWords, type VscsiDevice } from "@pvscsi/config";
import type { Guest } from "@pvscsi/guest";
import { createDisk, type DeviceDirectory, type LogicalUnit, MemoryStore } from "@pvscsi/scsi";
import { ToolstackError } from "@pvscsi/toolstack";
import { ProbeHub, type Random, Simulation, seededRandom } from "@pvscsi/wire";
import { type Domain, failingMaps, GrantStatus, spuriousEvents } from "@pvscsi/xen";
import { OneProcess } from "pvscsi";
import { type Chaos, chaotic } from "../support/chaos-store.js";
import { DiskModel } from "./disk-model.js";
import { drive } from "./drive.js";
import { runLoad } from "./load.js";
import { Recorder } from "./recorder.js";

export interface HistoryResult {
  readonly seed: number;
  readonly digest: string;
  /** Lines written down. */
  readonly lines: number;
  readonly operations: number;
  /** Operations that failed, as they may where faults were injected. */
  readonly failures: number;
  readonly faults: number;
  readonly plugs: number;
  /** Milliseconds of the simulated clock. */
  readonly time: number;
}

const MIB = 1024 * 1024;
const DISKS = 4;
const WORKERS = 3;

/** What goes wrong in a history: chosen from its seed, nothing in every fourth. */
interface Weather {
  readonly chaos: Chaos;
  readonly failingMaps: number;
  readonly storm: number;
}

function weatherOf(seed: number, random: Random): Weather {
  if (seed % 4 === 0) return { chaos: { failing: 0, slow: 0.2, hanging: 0 }, failingMaps: 0, storm: 0 };
  return {
    chaos: {
      failing: random.below(50) / 1000,
      slow: random.below(400) / 1000,
      hanging: random.chance(0.3) ? 0.004 : 0,
    },
    failingMaps: random.chance(0.4) ? 0.002 : 0,
    storm: random.chance(0.2) ? 3 : 0,
  };
}

/** Runs the history of a seed to its end. Throws, with the seed, when a disk is wrong, something hangs or is left over. */
export async function runHistory(seed: number, write: ((line: string) => void) | null = null): Promise<HistoryResult> {
  const history = new History(seed, write);
  try {
    return await history.run();
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
}

class History implements DeviceDirectory {
  readonly #seed: number;
  readonly #random: Random;
  readonly #world: Simulation;
  readonly #probes = new ProbeHub();
  readonly #recorder: Recorder;
  readonly #weather: Weather;
  readonly #units: LogicalUnit[] = [];
  readonly #models: DiskModel[] = [];
  readonly #stores: ReturnType<typeof chaotic>[] = [];
  readonly #inUse = new Set<string>();
  readonly #system: OneProcess;
  #mapFaults = 0;
  #operations = 0;
  #failures = 0;
  #plugs = 0;
  /** A fault has kept the LUN from being unplugged, or it is being unplugged. */
  #pluggedStill = false;

  constructor(seed: number, write: ((line: string) => void) | null) {
    this.#seed = seed;
    this.#random = seededRandom(seed, "history");
    this.#world = new Simulation(this.#random.fork("order"));
    this.#recorder = new Recorder(this.#probes, this.#world, write);
    this.#weather = weatherOf(seed, this.#random.fork("weather"));
    for (let index = 0; index < DISKS; index++) this.#addDisk(index);
    this.#system = new OneProcess({
      clock: this.#world,
      scheduler: this.#world,
      probes: this.#probes,
      directory: this,
      devices: { resolve: ({ text }) => ({ physicalDevice: text }) },
      indirectLimit: this.#random.chance(0.5) ? 128 : null,
      wrap: (domain) => this.#wrap(domain),
    });
  }

  async run(): Promise<HistoryResult> {
    await drive(this.#world, this.#story());
    return {
      seed: this.#seed,
      digest: this.#recorder.digest(),
      lines: this.#recorder.lines,
      operations: this.#operations,
      failures: this.#failures,
      faults: this.#mapFaults + this.#stores.reduce((sum, { faults }) => sum + faults, 0),
      plugs: this.#plugs,
      time: this.#world.now(),
    };
  }

  async open(physicalDevice: string): ReturnType<DeviceDirectory["open"]> {
    const unit = this.#units[Number(physicalDevice.split(":").at(-1))];
    if (unit === undefined) return `no device ${physicalDevice}`;
    if (this.#inUse.has(physicalDevice)) return `${physicalDevice} is in use`;
    this.#inUse.add(physicalDevice);
    return {
      logicalUnit: unit,
      release: async () => {
        this.#inUse.delete(physicalDevice);
      },
    };
  }

  /** Two guests with a disk each, under load; a third disk comes and goes at one of them under load of its own. */
  async #story(): Promise<void> {
    const system = this.#system;
    await system.start();
    const idle = this.#openThings();
    const first = await this.#create("first", ["0:0:0:0,0:0:0:0", "0:0:0:1,1:0:3:2"]);
    const second = await this.#create("second", ["0:0:0:2,0:0:0:0"]);
    const connected = this.#openThings();
    const loads: Promise<void>[] = [];
    if (first !== null)
      loads.push(this.#load(first, "sda", 0), this.#load(first, "sdb", 1), this.#plugAndUnplug(first));
    if (second !== null) loads.push(this.#load(second, "sda", 2));
    await Promise.all(loads);
    if (!this.#pluggedStill) this.#expectOpen(connected, "after the loads");
    for (const domain of [...system.guests.keys()]) await system.toolstack.destroy(domain);
    while (system.scsiback.controllers.size > 0) await this.#pause(1);
    this.#expectOpen(idle, "at the end");
    this.#expectNothingLeft();
    await system.close();
  }

  /** Null when an injected fault kept it from starting; then nothing of it may be left. */
  async #create(name: string, vscsi: readonly string[]): Promise<number | null> {
    const entries = vscsi.map((entry) => `'${entry}'`).join(", ");
    const text = `name = "${name}"\nmemory = 16\nvscsi = [ ${entries} ]\n`;
    return this.#unlessFault(() => this.#system.toolstack.create(parseMachineConfig(text, { file: name })));
  }

  async #load(domain: number, name: string, index: number): Promise<void> {
    const { guest } = this.#system.guest(domain);
    const disk = guest.disk(name);
    if (disk === undefined) return;
    const store = guest.store(disk);
    const workers = Array.from({ length: WORKERS }, (_, worker) =>
      runLoad(store, this.#models[index], this.#random.fork(`${domain}/${name}/${worker}`), 12),
    );
    for (const { operations, failures } of await Promise.all(workers)) {
      this.#operations += operations;
      this.#failures += failures;
    }
  }

  async #plugAndUnplug(domain: number): Promise<void> {
    const words = ["0:0:0:3", "0:0:0:7"];
    const device = parseVscsiWords(words).device as VscsiDevice;
    for (let round = 0; round < 2; round++) {
      await this.#pause(this.#random.below(5));
      const attached = await this.#unlessFault(async () => {
        await this.#system.vscsi.attach(domain, device);
        return true;
      });
      if (attached === null) continue;
      this.#plugs += 1;
      const name = this.#nameAt(this.#system.guest(domain).guest, 7);
      if (name !== null) await this.#load(domain, name, 3);
      this.#pluggedStill = true;
      await this.#unlessFault(async () => {
        await this.#system.vscsi.detach(domain, words[1]);
        this.#pluggedStill = false;
      });
    }
  }

  #nameAt(guest: Guest, lun: number): string | null {
    const device = guest.devices.find((other) => other.lun === lun);
    return device === undefined ? null : (guest.diskOf(device)?.name ?? null);
  }

  /** Whatever the toolstack reports may only be a fault's consequence. */
  async #unlessFault<Result>(action: () => Promise<Result>): Promise<Result | null> {
    try {
      return await action();
    } catch (error) {
      const { chaos, failingMaps } = this.#weather;
      const faulty = chaos.failing > 0 || chaos.hanging > 0 || failingMaps > 0;
      if (!(error instanceof ToolstackError) || !faulty) throw error;
      this.#recorder.note(`refused: ${error.message}`);
      return null;
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.#world.after(milliseconds, { run: resolve }));
  }

  #addDisk(index: number): void {
    const bytes = new MemoryStore(MIB);
    const store = chaotic(bytes, this.#world, this.#random.fork(`disk${index}`), this.#weather.chaos);
    this.#stores.push(store);
    this.#models.push(new DiskModel(MIB));
    const identity = { vendor: "PVSCSI", product: "SIMULATED", revision: "0001", serial: `S${index}` };
    this.#units.push(createDisk({ ...identity, store, blockSize: 512, wwn: `500000000000000${index}` }));
  }

  #wrap(domain: Domain): Domain {
    const { failingMaps: probability, storm } = this.#weather;
    const random = this.#random.fork(`maps of ${domain.id}`);
    const fault = (): number => {
      if (!random.chance(probability)) return 0;
      this.#mapFaults += 1;
      return GrantStatus.eagain;
    };
    const failing = probability > 0 && domain.id === 0 ? failingMaps(domain, fault) : domain;
    return storm > 0 ? spuriousEvents(failing, this.#world, storm) : failing;
  }

  #openThings(): string {
    const things = this.#system.hypervisor.describe().map(({ id, ports, grants, uses, mappings }) => ({
      id,
      ports: ports.length,
      grants,
      uses,
      mappings: mappings.length,
    }));
    return JSON.stringify(things);
  }

  #expectOpen(before: string, when: string): void {
    const now = this.#openThings();
    if (now !== before) throw new Error(`left over ${when}: ${now}, before ${before}`);
  }

  #expectNothingLeft(): void {
    if (this.#system.hypervisor.leaks().length > 0) throw new Error("mappings outlived their granter");
    if (this.#inUse.size > 0) throw new Error(`not released: ${[...this.#inUse]}`);
  }
}
