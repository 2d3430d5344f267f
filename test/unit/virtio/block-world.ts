// Knows how to drive a virtio-blk device by hand: requests as bytes, answers as bytes.

import { type ByteStore, MemoryStore } from "@pvscsi/scsi";
import {
  Arena,
  BlockConfig,
  type BlockDeviceOptions,
  BlockRange,
  BlockRequestHeader,
  type DeviceRing,
  PAGE_SIZE,
  ringFeatures,
  SplitDriverQueue,
  Used,
  VirtioBlkDevice,
} from "@pvscsi/virtio";
import type { Runnable } from "@pvscsi/wire";
import { placesOf } from "./scsi-world.js";

export const SECTORS = 64;
const QUEUE_SIZE = 16;

export interface BlockWords {
  readonly type: number;
  readonly sector?: number;
  /** Sent behind the header. */
  readonly out?: Uint8Array;
  /** Bytes of room before the status. */
  readonly in?: number;
}

export interface BlockAnswer {
  readonly status: number;
  readonly data: Uint8Array;
  readonly written: number;
}

/** Shown by a status byte that nobody wrote, and by room that nobody touched. */
export const UNTOUCHED = 0xee;

export class BlockWorld {
  readonly memory = new Arena(new ArrayBuffer(4096 * PAGE_SIZE));
  readonly store: ByteStore;
  readonly device: VirtioBlkDevice;
  readonly failures: string[] = [];
  calls = 0;
  queue!: SplitDriverQueue;
  readonly #ready: Runnable[] = [];

  constructor(options: Partial<BlockDeviceOptions> = {}) {
    this.store = options.store ?? new MemoryStore(SECTORS * 512, { writeBack: true });
    const scheduler = { soon: (runnable: Runnable) => void this.#ready.push(runnable) };
    this.device = new VirtioBlkDevice({ scheduler, ...options, store: this.store });
  }

  /** Negotiates and starts the queue; all that the device offers unless told. */
  start(features = this.device.features): this {
    const { memory } = this;
    this.device.setFeatures(features);
    this.queue = new SplitDriverQueue({ size: QUEUE_SIZE, memory, features: ringFeatures(features), longest: 16 });
    const ring: DeviceRing = {
      areas: this.queue.areas,
      size: QUEUE_SIZE,
      base: 0,
      memory,
      call: () => {
        this.calls += 1;
      },
      fail: (reason) => void this.failures.push(reason),
    };
    this.device.start(0, ring);
    return this;
  }

  /** The configuration as a driver reads it. */
  get config(): InstanceType<typeof BlockConfig> {
    const bytes = new Uint8Array(BlockConfig.size);
    this.device.config.read(0, bytes);
    return new BlockConfig(bytes);
  }

  offers(feature: bigint): boolean {
    return (this.device.features & feature) !== 0n;
  }

  settle(): void {
    for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) next.run();
  }

  bytes(length: number): Uint8Array {
    return this.memory.range(length).fill(UNTOUCHED);
  }

  /** Adds a chain of these pieces and kicks; `token` comes back with it. */
  send(readable: readonly Uint8Array[], writable: readonly Uint8Array[], token: unknown = null): void {
    if (!this.queue.add(placesOf(readable), placesOf(writable), token)) throw new Error("the ring is full");
    this.queue.publish();
    this.device.kick(0);
  }

  request({ type, sector = 0, out, in: room = 0 }: BlockWords): void {
    const header = headerOf(this.bytes(BlockRequestHeader.size), type, sector);
    const data = this.bytes(room);
    const status = this.bytes(1);
    const sent = out === undefined ? [] : [copied(this.bytes(out.length), out)];
    this.send([header, ...sent], room > 0 ? [data, status] : [status], { data, status });
  }

  answers(): BlockAnswer[] {
    this.settle();
    const used = new Used();
    const all: BlockAnswer[] = [];
    while (this.queue.take(used)) {
      const { data, status } = used.token as { data: Uint8Array; status: Uint8Array };
      all.push({ data, status: status[0], written: used.written });
    }
    return all;
  }

  run(words: BlockWords): BlockAnswer {
    this.request(words);
    const [answer] = this.answers();
    return answer;
  }
}

export function headerOf(bytes: Uint8Array, type: number, sector: number): Uint8Array {
  const header = new BlockRequestHeader(bytes.fill(0));
  header.type = type;
  header.sectorLow = sector >>> 0;
  header.sectorHigh = Math.floor(sector / 2 ** 32);
  return bytes;
}

export function rangesOf(
  ...ranges: readonly (readonly [sector: number, sectors: number, flags?: number])[]
): Uint8Array {
  const bytes = new Uint8Array(ranges.length * BlockRange.size);
  for (const [index, [sector, sectors, flags = 0]] of ranges.entries()) {
    const range = new BlockRange(bytes, index * BlockRange.size);
    range.sectorLow = sector >>> 0;
    range.sectorHigh = Math.floor(sector / 2 ** 32);
    range.sectors = sectors;
    range.flags = flags;
  }
  return bytes;
}

export function pattern(length: number, first = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (first + i * 7) & 0xff || 1);
}

function copied(target: Uint8Array, source: Uint8Array): Uint8Array {
  target.set(source);
  return target;
}
