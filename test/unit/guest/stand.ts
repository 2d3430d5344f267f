// Knows how a test runs a guest on simulated time: with a disk behind the direct adapter, or one that follows a script.

import {
  type BlockOperation,
  BlockRequest,
  type Disk,
  Guest,
  runGuestCommand,
  type ScsiHost,
  type ToolResult,
} from "@pvscsi/guest";
import {
  type ByteStore,
  createDisk,
  type DiskOptions,
  directAdapter,
  type HostAdapter,
  MemoryStore,
  Target,
} from "@pvscsi/scsi";
import { Places, Simulation, seededRandom } from "@pvscsi/wire";

export const MIB = 1 << 20;

export function diskOptions(store: ByteStore, options: Partial<DiskOptions> = {}): DiskOptions {
  return {
    store,
    blockSize: 512,
    vendor: "LIO-ORG",
    product: "disk0",
    revision: "4.0",
    serial: "0001",
    wwn: "6001405000000001",
    ...options,
  };
}

/** A target with one disk at LUN 0. */
export function oneDisk(store: ByteStore, options: Partial<DiskOptions> = {}): Target {
  const target = new Target();
  target.add(0, createDisk(diskOptions(store, options)));
  return target;
}

export class Stand {
  readonly time: Simulation;
  readonly guest: Guest;

  constructor(seed = 1) {
    this.time = new Simulation(seededRandom(seed));
    this.guest = new Guest({ clock: this.time, scheduler: this.time, name: "domU" });
  }

  /** Lets time run until the promise is settled. */
  async until<Result>(promise: Promise<Result>): Promise<Result> {
    let settled = false;
    const end = (): void => {
      settled = true;
    };
    promise.then(end, end);
    for (let idle = 0; !settled; ) {
      await turn();
      if (settled) break;
      idle = this.time.step() ? 0 : idle + 1;
      if (idle > 10) throw new Error("nothing is left to run, and the promise is still pending");
    }
    return promise;
  }

  /** Lets everything run that is ready, and time for `milliseconds`. */
  async pass(milliseconds: number): Promise<void> {
    await this.until(new Promise<void>((resolve) => void this.time.after(milliseconds, { run: resolve })));
    await turn();
  }

  /** Attaches an adapter and waits until its devices are there. */
  async attach(adapter: HostAdapter): Promise<ScsiHost> {
    const host = this.guest.attach(adapter);
    await this.until(host.scan({}));
    return host;
  }

  /** The log's lines from `from` on, without their times. */
  log(from = 0): string[] {
    return this.guest.log.lines.slice(from).map((line) => line.replace(/^\[.{12}\] /, ""));
  }

  /** Lines of the log that were printed while `work` ran. */
  async logged(work: () => Promise<unknown>): Promise<string[]> {
    const from = this.guest.log.lines.length;
    await this.until(work());
    return this.log(from);
  }

  disk(name = "sda"): Disk {
    const device = this.guest.device(name);
    const disk = device && this.guest.diskOf(device);
    if (disk === undefined) throw new Error(`no ${name}`);
    return disk;
  }

  run(...words: string[]): Promise<ToolResult> {
    return this.until(runGuestCommand(this.guest, words));
  }
}

/** A turn of the event loop: every promise that can go on has gone on. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A stand with one disk over memory. */
export async function diskStand(store: ByteStore = new MemoryStore(MIB), options: Partial<DiskOptions> = {}) {
  const stand = new Stand();
  const host = await stand.attach(directAdapter(oneDisk(store, options)));
  return { stand, host, disk: stand.disk() };
}

export interface Transfer {
  readonly offset?: number;
  readonly length?: number;
  readonly data?: Uint8Array;
  readonly fua?: boolean;
}

/** One block request on foreign memory. */
export function submit(disk: Disk, operation: BlockOperation, transfer: Transfer = {}): Promise<BlockRequest> {
  const { offset = 0, data = new Uint8Array(0), length = data.length, fua = false } = transfer;
  return new Promise((resolve) => {
    const request = new BlockRequest();
    Object.assign(request, { operation, offset, length, fua, places: placesOf(data) });
    request.completed = resolve;
    disk.submit(request);
  });
}

export function placesOf(...pieces: Uint8Array[]): Places {
  const places = new Places();
  for (const piece of pieces) if (piece.length > 0) places.add(piece, 0, piece.length);
  return places;
}

export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * (2 * seed + 1) + (i >>> 8) + seed) & 0xff);
}
