// Knows the words of a split virtqueue by their places in the specification (virtio 1.3, 2.7), and an end that writes
// them by hand: it keeps to nothing. Must not use the package's own tables, which it judges.

import {
  Arena,
  type Chain,
  type DeviceQueueParts,
  type GuestMemory,
  PAGE_SIZE,
  type RingAreas,
  ringFeatures,
  SplitDeviceQueue,
} from "@pvscsi/virtio";
import { ProtocolError } from "@pvscsi/wire";
import { expect } from "chai";

export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;

const LITTLE = true;
const DESCRIPTOR_SIZE = 16;

/** What a descriptor says. */
export interface Words {
  readonly address: bigint;
  readonly length: number;
  readonly flags: number;
  readonly next: number;
}

/** The words of a ring, whoever has to write them. */
export class RawRing {
  readonly areas: RingAreas;
  readonly size: number;
  readonly #driver: DataView;
  readonly #device: DataView;

  constructor(areas: RingAreas, size: number) {
    this.areas = areas;
    this.size = size;
    this.#driver = viewOf(areas.driver);
    this.#device = viewOf(areas.device);
  }

  get availFlags(): number {
    return this.#driver.getUint16(0, LITTLE);
  }

  set availFlags(flags: number) {
    this.#driver.setUint16(0, flags, LITTLE);
  }

  get availIndex(): number {
    return this.#driver.getUint16(2, LITTLE);
  }

  set availIndex(index: number) {
    this.#driver.setUint16(2, index, LITTLE);
  }

  avail(slot: number): number {
    return this.#driver.getUint16(4 + 2 * (slot % this.size), LITTLE);
  }

  setAvail(slot: number, head: number): void {
    this.#driver.setUint16(4 + 2 * (slot % this.size), head, LITTLE);
  }

  get usedEvent(): number {
    return this.#driver.getUint16(4 + 2 * this.size, LITTLE);
  }

  set usedEvent(index: number) {
    this.#driver.setUint16(4 + 2 * this.size, index, LITTLE);
  }

  get usedFlags(): number {
    return this.#device.getUint16(0, LITTLE);
  }

  set usedFlags(flags: number) {
    this.#device.setUint16(0, flags, LITTLE);
  }

  get usedIndex(): number {
    return this.#device.getUint16(2, LITTLE);
  }

  set usedIndex(index: number) {
    this.#device.setUint16(2, index, LITTLE);
  }

  /** An entry of the used ring. */
  used(slot: number): [id: number, length: number] {
    const at = 4 + 8 * (slot % this.size);
    return [this.#device.getUint32(at, LITTLE), this.#device.getUint32(at + 4, LITTLE)];
  }

  setUsed(slot: number, id: number, length: number): void {
    const at = 4 + 8 * (slot % this.size);
    this.#device.setUint32(at, id, LITTLE);
    this.#device.setUint32(at + 4, length, LITTLE);
  }

  get availEvent(): number {
    return this.#device.getUint16(4 + 8 * this.size, LITTLE);
  }

  set availEvent(index: number) {
    this.#device.setUint16(4 + 8 * this.size, index, LITTLE);
  }

  descriptor(index: number): Words {
    return readWords(this.areas.descriptors, index);
  }

  describe(index: number, words: Partial<Words>): void {
    writeWords(this.areas.descriptors, index, words);
  }

  /** Makes heads available, in order. */
  offer(...heads: number[]): void {
    for (const head of heads) {
      this.setAvail(this.availIndex, head);
      this.availIndex += 1;
    }
  }

  /** Shows chains as used, in order. */
  use(...entries: [id: number, length: number][]): void {
    for (const [id, length] of entries) {
      this.setUsed(this.usedIndex, id, length);
      this.usedIndex += 1;
    }
  }
}

export function readWords(table: Uint8Array, index: number): Words {
  const view = viewOf(table);
  const at = index * DESCRIPTOR_SIZE;
  return {
    address: view.getBigUint64(at, LITTLE),
    length: view.getUint32(at + 8, LITTLE),
    flags: view.getUint16(at + 12, LITTLE),
    next: view.getUint16(at + 14, LITTLE),
  };
}

/** Writes a descriptor; what is not said is 0. */
export function writeWords(
  table: Uint8Array,
  index: number,
  { address = 0n, length = 0, flags = 0, next = 0 }: Partial<Words>,
): void {
  const view = viewOf(table);
  const at = index * DESCRIPTOR_SIZE;
  view.setBigUint64(at, address, LITTLE);
  view.setUint32(at + 8, length, LITTLE);
  view.setUint16(at + 12, flags, LITTLE);
  view.setUint16(at + 14, next, LITTLE);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

export interface RawDriverOptions {
  readonly size?: number;
  readonly features?: bigint;
  /** The available index, and the used one, that both ends begin at. */
  readonly base?: number;
  readonly pages?: number;
  /** What the device sees of the driver's memory; all of it unless told. */
  readonly seen?: (memory: Arena) => GuestMemory;
}

/** A driver that writes its ring by hand, and the device's end that has to survive it. */
export class RawDriver {
  readonly memory: Arena;
  readonly ring: RawRing;
  readonly device: SplitDeviceQueue;
  readonly #parts: Omit<DeviceQueueParts, "base">;

  constructor({ size = 8, features = 0n, base = 0, pages = 64, seen = (memory) => memory }: RawDriverOptions = {}) {
    this.memory = new Arena(new ArrayBuffer(pages * PAGE_SIZE));
    const areas = {
      descriptors: this.memory.range(16 * size),
      driver: this.memory.range(6 + 2 * size),
      device: this.memory.range(6 + 8 * size),
    };
    this.ring = new RawRing(areas, size);
    this.ring.availIndex = this.ring.usedIndex = base;
    this.#parts = { size, areas, memory: seen(this.memory), features: ringFeatures(features) };
    this.device = new SplitDeviceQueue({ ...this.#parts, base });
  }

  /** Another device's end of the same ring, which goes on where this one stands. */
  takenOver(): SplitDeviceQueue {
    return new SplitDeviceQueue({ ...this.#parts, base: this.device.next });
  }

  /** A piece of the driver's memory, as a descriptor has it. */
  buffer(length: number, flags = 0): { readonly address: bigint; readonly length: number; readonly flags: number } {
    return { address: this.addressOf(this.memory.range(length)), length, flags };
  }

  addressOf(bytes: Uint8Array): bigint {
    return BigInt(this.memory.addressOf(bytes));
  }

  /** An indirect table of these descriptors, each chained to the next one; as a descriptor has it. */
  table(...entries: Partial<Words>[]): { readonly address: bigint; readonly length: number; readonly flags: number } {
    const table = this.memory.range(entries.length * DESCRIPTOR_SIZE);
    for (const [index, entry] of entries.entries()) writeWords(table, index, chained(entry, index, entries.length));
    return { address: this.addressOf(table), length: table.length, flags: INDIRECT };
  }

  /** Writes a chain into the ring's table from `head` on, one descriptor behind the other, and makes it available. */
  chain(head: number, ...entries: Partial<Words>[]): void {
    for (const [index, entry] of entries.entries()) {
      const { next = head + index + 1, ...rest } = chained(entry, head + index, head + entries.length);
      this.ring.describe(head + index, { ...rest, next });
    }
    this.ring.offer(head);
  }

  /** That the device refuses what comes next for this reason, and has nothing of it afterwards. */
  refused(chain: Chain, reason: string): void {
    const { device } = this;
    const before = [device.outstanding, device.next];
    expect(() => device.take(chain)).to.throw(ProtocolError, reason);
    expect([device.outstanding, device.next]).to.deep.equal(before);
  }
}

function chained(entry: Partial<Words>, index: number, end: number): Partial<Words> {
  const more = index + 1 < end && entry.next === undefined;
  return more ? { ...entry, flags: (entry.flags ?? 0) | NEXT, next: index + 1 } : entry;
}
