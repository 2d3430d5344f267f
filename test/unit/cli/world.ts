// Knows how a whole system, dom0 with its devices and guests, runs over simulated time in a test.

import { setImmediate } from "node:timers/promises";
import {
  type MachineConfig,
  parseHostConfig,
  parseMachineConfig,
  parseVscsiWords,
  type VscsiDevice,
} from "@pvscsi/config";
import type { Guest } from "@pvscsi/guest";
import { type Host, openHost } from "@pvscsi/host";
import { type ByteStore, type DeviceDirectory, StoreRequest } from "@pvscsi/scsi";
import { Places, ProbeHub, Simulation, seededRandom } from "@pvscsi/wire";
import { OneProcess, physicalDevices } from "pvscsi";

/** Five disks in memory on host 0, of which the last cannot be opened, and two on host 1. */
export const HOST = `
hosts:
  - host: 0
    luns:
      - { address: 0:0:0:0, memory: 1MiB, wwn: naa.6001405000000001 }
      - { address: 0:0:1:0, memory: 1MiB }
      - { address: 0:0:2:0, memory: 1MiB }
      - { address: 0:0:3:0, memory: 1MiB }
      - { address: 0:0:4:0, memory: 1MiB }
  - host: 1
    luns:
      - { address: 1:0:0:0, memory: 1MiB }
      - { address: 1:0:0:1, memory: 1MiB }
`;

/** Milliseconds of the simulated clock after which what has not happened will not happen. */
const LONGEST = 600_000;

export class World {
  readonly simulation: Simulation;
  readonly probes = new ProbeHub();
  readonly host: Host;
  readonly system: OneProcess;

  private constructor(seed: number, wrapDirectory: (directory: DeviceDirectory) => DeviceDirectory) {
    this.simulation = new Simulation(seededRandom(seed));
    this.host = openHost(parseHostConfig(HOST, "host.yaml"), { directory: "/", clock: this.simulation });
    this.system = new OneProcess({
      clock: this.simulation,
      scheduler: this.simulation,
      probes: this.probes,
      directory: wrapDirectory({
        open: async (physical, opener) =>
          physical === "0:0:4:0" ? "cannot open a.img: no such file" : this.host.open(physical, opener),
      }),
      devices: physicalDevices(this.host),
    });
  }

  /** A running dom0. */
  static async start(
    seed = 1,
    wrapDirectory: (directory: DeviceDirectory) => DeviceDirectory = (directory) => directory,
  ): Promise<World> {
    const world = new World(seed, wrapDirectory);
    await world.done(world.system.start());
    return world;
  }

  /** Waits for a promise that the world, as time passes, has to fulfil. Time stands still while a promise may go on. */
  async done<Value>(promise: Promise<Value>): Promise<Value> {
    let ended = false;
    const settled = promise.finally(() => {
      ended = true;
    });
    settled.catch(() => {});
    const end = this.simulation.now() + LONGEST;
    while (!ended) {
      await this.settle();
      if (ended) break;
      if (!this.simulation.step() || this.simulation.now() > end)
        throw new Error("what was waited for does not happen");
    }
    return settled;
  }

  /** The same for what also reads files: time stands still. */
  async doneWithFiles<Value>(promise: Promise<Value>): Promise<Value> {
    let ended = false;
    const settled = promise.finally(() => {
      ended = true;
    });
    settled.catch(() => {});
    while (!ended) await this.settle();
    return settled;
  }

  /** Runs what is ready, and what follows from it, without letting time pass. */
  async settle(): Promise<void> {
    do {
      while (this.simulation.busy) this.simulation.step();
      await setImmediate();
    } while (this.simulation.busy);
  }

  async create(vscsi: readonly string[], name = "domU"): Promise<number> {
    return this.done(this.system.toolstack.create(machine(vscsi, name)));
  }

  attach(domain: number, ...words: readonly string[]): Promise<void> {
    return this.done(this.system.vscsi.attach(domain, lun(...words)));
  }

  detach(domain: number, virtual: string): Promise<void> {
    return this.done(this.system.vscsi.detach(domain, virtual));
  }

  destroy(domain: number): Promise<void> {
    return this.done(this.system.toolstack.destroy(domain));
  }

  guest(domain: number): Guest {
    return this.system.guest(domain).guest;
  }

  /** What the guest calls its disks, by v-dev without the host. */
  disks(domain: number): string[] {
    const guest = this.guest(domain);
    return guest.devices.map((device) => {
      const { hostNumber, channel, target, lun } = device;
      return `${hostNumber}:${channel}:${target}:${lun} ${guest.diskOf(device)?.name}`;
    });
  }

  /** Nodes of xenstore, and what domains have open. */
  things(): string {
    return this.system.things();
  }

  /** The devices of dom0 that a guest has, with who has them. */
  taken(): string[] {
    return this.host
      .list()
      .flatMap(({ node, users }) => users.map((user) => `${node} ${user.domain} ${user.virtualDevice}`));
  }
}

export function machine(vscsi: readonly string[], name = "domU"): MachineConfig {
  const entries = vscsi.map((entry) => `'${entry}'`).join(", ");
  return parseMachineConfig(`name = '${name}'\nmemory = 16\nvscsi = [ ${entries} ]\n`, { file: "domU.cfg" });
}

export function lun(...words: readonly string[]): VscsiDevice {
  const { device } = parseVscsiWords(words);
  if (device.kind !== "device") throw new Error(`${words.join(" ")} is no LUN`);
  return device;
}

/** Reads or writes at a byte offset; the promise gives why that failed, or null. */
export function transfer(
  store: ByteStore,
  operation: "read" | "write",
  offset: number,
  bytes: Uint8Array,
): Promise<string | null> {
  const request = new StoreRequest();
  Object.assign(request, { operation, offset, length: bytes.length, places: new Places() });
  request.places.add(bytes, 0, bytes.length);
  return new Promise((resolve) => {
    request.completed = ({ error }) => resolve(error === null ? null : error.message);
    store.submit(request);
  });
}

/** The message of the error a promise fails with. */
export async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("it did not fail");
}
