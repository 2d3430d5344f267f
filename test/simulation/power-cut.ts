// Knows what a power cut may take from a disk of a guest: nothing that a flush or an FUA write has acknowledged, through
// ring, back end and disk, whenever the power goes.

import { parseMachineConfig } from "@pvscsi/config";
import { createDisk } from "@pvscsi/scsi";
import { ProbeHub, Simulation, seededRandom } from "@pvscsi/wire";
import { OneProcess } from "pvscsi";
import { drive } from "./drive.js";
import { Promises, SECTOR, VersionWriter } from "./versions.js";
import { type VolatileOptions, VolatileStore } from "./volatile-store.js";

const SECTORS = 256;
const WRITERS = 4;
/** Milliseconds of writing before the power goes, at most. */
const LONGEST = 400;

export interface PowerCut {
  /** Sectors whose durability was acknowledged. */
  readonly promised: number;
  /** What the disk has lost, or null. */
  readonly broken: string | null;
}

/**
 * Lets a guest write until the power is cut, at a moment drawn from the seed. Every other seed's guest has a disk without
 * FUA, which then costs a flush; every third's has blocks of 4096 bytes, so that it writes parts of them.
 */
export async function cutPower(seed: number, lying?: VolatileOptions["lying"]): Promise<PowerCut> {
  const random = seededRandom(seed, "power cut");
  const world = new Simulation(random.fork("order"));
  const options = { failing: random.chance(0.5) ? 0.1 : 0, lying };
  const store = new VolatileStore(SECTORS * SECTOR, world, random.fork("disk"), options);
  const identity = { vendor: "PVSCSI", product: "VOLATILE", revision: "0001", serial: "S0", wwn: "5000000000000001" };
  const logicalUnit = createDisk({ ...identity, store, blockSize: seed % 3 === 0 ? 4096 : 512 });
  const system = new OneProcess({
    clock: world,
    scheduler: world,
    probes: new ProbeHub(),
    directory: { open: async () => ({ logicalUnit, release: async () => {} }) },
    devices: { resolve: ({ text }) => ({ physicalDevice: text }) },
  });
  const promises = new Promises();
  const story = async (): Promise<Uint8Array> => {
    await system.start();
    const text = "name = 'domU'\nmemory = 16\nvscsi = [ '0:0:0:0,0:0:0:0' ]\n";
    const { guest } = system.guest(await system.toolstack.create(parseMachineConfig(text, { file: "domU.cfg" })));
    const device = guest.device("sda");
    const disk = device && guest.diskOf(device);
    if (disk === undefined) throw new Error("the guest has no sda");
    if (seed % 2 === 0) disk.parameters = { ...disk.parameters, forceUnitAccess: false };
    const view = guest.store(disk);
    const share = SECTORS / WRITERS;
    for (let i = 0; i < WRITERS; i++) {
      void new VersionWriter(view, i * share, (i + 1) * share, random.fork(`writer ${i}`), promises.add).run();
    }
    await new Promise<void>((resolve) => void world.after(10 + random.below(LONGEST), { run: resolve }));
    return store.cut();
  };
  const left = await drive(world, story());
  return { promised: promises.count, broken: promises.broken(left) };
}
