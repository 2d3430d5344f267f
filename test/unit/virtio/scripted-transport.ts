// Knows a virtio-scsi device that is played by a test: it notes what its driver does and in which order, reads what the
// driver offers word by word, and answers whatever the test says.

import {
  Arena,
  type DeviceUnusable,
  Feature,
  PAGE_SIZE,
  type RingAreas,
  type ScsiAdapterOptions,
  ScsiConfig,
  type TransportListener,
  VirtioScsiAdapter,
  type VirtioTransport,
} from "@pvscsi/virtio";
import type { Runnable } from "@pvscsi/wire";
import { INDIRECT, NEXT, RawRing, readWords, WRITE } from "./raw-ring.js";

export const CONTROL = 0;
export const EVENTS = 1;
export const REQUESTS = 2;

/** A buffer that the driver offered, piece by piece; the pieces are its memory. */
export interface Offered {
  readonly head: number;
  readonly readable: readonly Uint8Array[];
  readonly writable: readonly Uint8Array[];
}

/** What the device says of itself; what is not said is as QEMU has it. */
export interface Script {
  readonly features?: bigint;
  readonly accepts?: boolean;
  readonly config?: Partial<Record<keyof typeof ScsiConfig.offsets, number>>;
  readonly queueSizes?: readonly number[];
  readonly pages?: number;
}

const QEMU_LIKE = {
  numQueues: 1,
  segMax: 126,
  maxSectors: 0xffff,
  cmdPerLun: 128,
  eventInfoSize: 16,
  senseSize: 96,
  cdbSize: 32,
  maxTarget: 255,
  maxLun: 16383,
};
const ALL =
  Feature.version1 |
  Feature.indirectDescriptors |
  Feature.eventIndex |
  Feature.scsiHotplug |
  Feature.scsiChange |
  Feature.scsiInOut |
  Feature.scsiT10Pi;

export class ScriptedTransport implements VirtioTransport {
  readonly memory: Arena;
  /** What the driver did, in order. */
  readonly log: string[] = [];
  readonly rings: RawRing[] = [];
  accepted = 0n;
  #listener: TransportListener | null = null;
  readonly #script: Script;
  readonly #config = new Uint8Array(ScsiConfig.size);
  readonly #seen: number[] = [];
  readonly #ready: Runnable[] = [];
  readonly scheduler = { soon: (runnable: Runnable) => void this.#ready.push(runnable) };

  constructor(script: Script = {}) {
    this.#script = script;
    this.memory = new Arena(new ArrayBuffer((script.pages ?? 1024) * PAGE_SIZE));
    Object.assign(new ScsiConfig(this.#config), { ...QEMU_LIKE, ...script.config });
  }

  listen(listener: TransportListener): void {
    this.#listener = listener;
  }

  async reset(): Promise<void> {
    this.log.push("reset");
  }

  async deviceFeatures(): Promise<bigint> {
    this.log.push("read features");
    return this.#script.features ?? ALL;
  }

  async acceptFeatures(features: bigint): Promise<boolean> {
    this.log.push("accept features");
    this.accepted = features;
    return this.#script.accepts ?? true;
  }

  async readConfig(offset: number, length: number): Promise<Uint8Array> {
    return this.#config.slice(offset, offset + length);
  }

  async writeConfig(offset: number, bytes: Uint8Array): Promise<void> {
    this.log.push(`write configuration ${offset}+${bytes.length}`);
  }

  async queueSize(queue: number): Promise<number> {
    return this.#script.queueSizes?.[queue] ?? 16;
  }

  async setUpQueue(queue: number, size: number, areas: RingAreas): Promise<void> {
    this.log.push(`set up queue ${queue}`);
    this.rings[queue] = new RawRing(areas, size);
    this.#seen[queue] = 0;
  }

  async ready(): Promise<void> {
    this.log.push("ready");
  }

  notify(queue: number): void {
    this.log.push(`notify ${queue}`);
  }

  /** Brings the driver up, or says why it would not. */
  async probe(options: Partial<ScsiAdapterOptions> = {}): Promise<VirtioScsiAdapter> {
    const adapter = await VirtioScsiAdapter.probe({ transport: this, scheduler: this.scheduler, ...options });
    this.settle();
    return adapter;
  }

  async refusal(options?: Partial<ScsiAdapterOptions>): Promise<string> {
    return this.probe(options).then(
      () => "",
      ({ name, message }: DeviceUnusable) => `${name}: ${message}`,
    );
  }

  /** Runs everything that is ready. */
  settle(): void {
    for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) next.run();
  }

  /** What the driver has offered in a queue since the last look. */
  offered(queue: number): Offered[] {
    this.settle();
    const ring = this.rings[queue];
    const offered: Offered[] = [];
    for (; this.#seen[queue] !== ring.availIndex; this.#seen[queue] = (this.#seen[queue] + 1) & 0xffff) {
      offered.push(this.#follow(ring, ring.avail(this.#seen[queue])));
    }
    return offered;
  }

  /** Writes `bytes` into what may be written of a buffer, and shows it as used; `written` bytes of it unless told. */
  use(queue: number, { head, writable }: Offered, bytes: Uint8Array, written = bytes.length): void {
    let done = 0;
    for (const piece of writable) {
      piece.set(bytes.subarray(done, done + piece.length));
      done += piece.length;
    }
    this.rings[queue].use([head, written]);
  }

  interrupt(queue: number): void {
    (this.#listener as TransportListener).interrupt(queue);
    this.settle();
  }

  needsReset(reason: string): void {
    (this.#listener as TransportListener).needsReset(reason);
    this.settle();
  }

  #follow(ring: RawRing, head: number): Offered {
    const [readable, writable]: [Uint8Array[], Uint8Array[]] = [[], []];
    let table = ring.areas.descriptors;
    for (let index = head, more = true; more; ) {
      const { address, length, flags, next } = readWords(table, index);
      if ((flags & INDIRECT) !== 0) {
        table = this.#bytes(address, length);
        index = 0;
        continue;
      }
      ((flags & WRITE) === 0 ? readable : writable).push(this.#bytes(address, length));
      more = (flags & NEXT) !== 0;
      index = next;
    }
    return { head, readable, writable };
  }

  #bytes(address: bigint, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, Number(address) - this.memory.base, length);
  }
}
