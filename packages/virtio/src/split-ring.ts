// Knows the words that both ends of a split virtqueue share, and the rule when an end is to be notified (2.7.7, 2.7.10).
// The two ends are split-device-queue.ts and split-driver-queue.ts.

import { ProtocolError } from "@pvscsi/wire";
import { MAX_QUEUE_SIZE, RING_PARTS } from "./abi/split-ring.js";
import type { RingAreas } from "./memory.js";

const FLAGS = 0;
const INDEX = 1;
/** The available ring's entries and the used ring's, in words behind flags and index. */
const ENTRIES = 2;
const USED_WORDS = 4;

export class SplitRing {
  readonly size: number;
  readonly mask: number;
  readonly descriptors: Uint8Array;
  readonly #driver: Uint16Array;
  readonly #device: Uint16Array;
  /** The used ring's entries: id and length of each. */
  readonly #used: Uint32Array;

  /** Throws ProtocolError where the areas cannot be those of a ring of `size` descriptors. */
  constructor(areas: RingAreas, size: number) {
    checkAreas(areas, size);
    this.size = size;
    this.mask = size - 1;
    this.descriptors = areas.descriptors;
    const { driver, device } = areas;
    this.#driver = new Uint16Array(driver.buffer, driver.byteOffset, ENTRIES + size + 1);
    this.#device = new Uint16Array(device.buffer, device.byteOffset, ENTRIES + USED_WORDS * size + 1);
    this.#used = new Uint32Array(device.buffer, device.byteOffset + 2 * ENTRIES, 2 * size);
  }

  get availableIndex(): number {
    return Atomics.load(this.#driver, INDEX);
  }

  set availableIndex(index: number) {
    Atomics.store(this.#driver, INDEX, index);
  }

  get usedIndex(): number {
    return Atomics.load(this.#device, INDEX);
  }

  set usedIndex(index: number) {
    Atomics.store(this.#device, INDEX, index);
  }

  /** The head that the driver put into slot `index` modulo the size. */
  available(index: number): number {
    return this.#driver[ENTRIES + (index & this.mask)];
  }

  setAvailable(index: number, head: number): void {
    this.#driver[ENTRIES + (index & this.mask)] = head;
  }

  usedId(index: number): number {
    return this.#used[2 * (index & this.mask)];
  }

  usedLength(index: number): number {
    return this.#used[2 * (index & this.mask) + 1];
  }

  setUsed(index: number, id: number, length: number): void {
    const at = 2 * (index & this.mask);
    this.#used[at] = id;
    this.#used[at + 1] = length;
  }

  get driverFlags(): number {
    return Atomics.load(this.#driver, FLAGS);
  }

  set driverFlags(flags: number) {
    Atomics.store(this.#driver, FLAGS, flags);
  }

  get deviceFlags(): number {
    return Atomics.load(this.#device, FLAGS);
  }

  set deviceFlags(flags: number) {
    Atomics.store(this.#device, FLAGS, flags);
  }

  /** The used index whose passing the driver wants to hear of. */
  get usedEvent(): number {
    return Atomics.load(this.#driver, ENTRIES + this.size);
  }

  set usedEvent(index: number) {
    Atomics.store(this.#driver, ENTRIES + this.size, index);
  }

  /** The available index whose passing the device wants to hear of. */
  get availableEvent(): number {
    return Atomics.load(this.#device, ENTRIES + USED_WORDS * this.size);
  }

  set availableEvent(index: number) {
    Atomics.store(this.#device, ENTRIES + USED_WORDS * this.size, index);
  }
}

/** The notification rule of EVENT_IDX: an index went from `from` to `to` and thereby passed `event` (2.7.10). */
export function passed(event: number, from: number, to: number): boolean {
  return ((to - event - 1) & 0xffff) < ((to - from) & 0xffff);
}

function checkAreas(areas: RingAreas, size: number): void {
  if (!(size > 0 && size <= MAX_QUEUE_SIZE && (size & (size - 1)) === 0)) {
    throw new ProtocolError(`a split ring of ${size} descriptors`);
  }
  const parts = (["descriptors", "driver", "device"] as const).map((part) => ({ part, area: areas[part] }));
  for (const { part, area } of parts) {
    const { align, bytes } = RING_PARTS[part];
    if (area.byteOffset % align !== 0) throw new ProtocolError(`the ${part} area is not aligned to ${align} bytes`);
    if (area.length < bytes(size)) throw new ProtocolError(`a ${part} area of ${area.length} bytes for ${size}`);
  }
  for (const [one, other] of [
    [0, 1],
    [0, 2],
    [1, 2],
  ]) {
    if (overlap(parts[one].area, parts[other].area)) {
      throw new ProtocolError(`the ${parts[one].part} area overlaps the ${parts[other].part} area`);
    }
  }
}

function overlap(one: Uint8Array, other: Uint8Array): boolean {
  return (
    one.buffer === other.buffer &&
    one.byteOffset < other.byteOffset + other.length &&
    other.byteOffset < one.byteOffset + one.length
  );
}
