// Knows the driver's end of a split virtqueue: it makes buffers available and takes them back when they were used.
// What it must remember it keeps to itself: the device shares the ring. split-device-queue.ts is its mirror image.

import { fail, type Places, ProtocolError } from "@pvscsi/wire";
import type { RingFeatures } from "./abi/features.js";
import { AVAIL_NO_INTERRUPT, Descriptor, DescriptorFlag, RING_PARTS, USED_NO_NOTIFY } from "./abi/split-ring.js";
import type { Arena } from "./arena.js";
import type { RingAreas } from "./memory.js";
import { passed, SplitRing } from "./split-ring.js";

type DescriptorCursor = InstanceType<typeof Descriptor>;

export interface DriverQueueParts {
  readonly size: number;
  readonly memory: Arena;
  readonly features: RingFeatures;
  /**
   * Descriptors of the longest chain, for its indirect table; 0 for chains in the ring alone. No chain is longer than
   * the ring, wherever it lies (2.7.5.3.1).
   */
  readonly longest: number;
}

/** What `take` fills in. */
export class Used {
  /** What `add` was given. */
  token: unknown = null;
  /** Bytes that the device says it wrote, from the first writable one on. */
  written = 0;
}

export class SplitDriverQueue {
  readonly size: number;
  readonly areas: RingAreas;
  readonly #memory: Arena;
  readonly #ring: SplitRing;
  readonly #eventIndex: boolean;
  readonly #inOrder: boolean;
  readonly #direct: DescriptorCursor;
  /** One for each head, where indirect ones are used, and the address of each. */
  readonly #tables: readonly DescriptorCursor[];
  readonly #tableAddresses: readonly number[];
  readonly #longest: number;
  /** Free descriptors, each the index of the next; and by head, how many its chain has. */
  readonly #nextFree: Uint16Array;
  readonly #lengths: Uint16Array;
  readonly #writable: Float64Array;
  readonly #tokens: unknown[];
  /** Heads in the order of `add`, for IN_ORDER. */
  readonly #heads: Uint16Array;
  #firstFree = 0;
  #lastFree: number;
  #available = 0;
  #published = 0;
  #used = 0;
  /** How many chains were taken back, to find the oldest one in `#heads`. */
  #taken = 0;
  /** Of the used entry that was read last: its chain, and how many it stands for that were not taken back yet. */
  #named = 0;
  #namedWritten = 0;
  #batch = 0;
  /** Descriptors that no chain has. */
  free: number;
  /** Chains added and not taken back yet. */
  outstanding = 0;

  /** Allocates the ring, zeroed, in `memory`. Throws RangeError when there is no room. */
  constructor({ size, memory, features, longest }: DriverQueueParts) {
    this.size = this.free = size;
    this.#lastFree = size - 1;
    this.#memory = memory;
    this.areas = {
      descriptors: memory.range(RING_PARTS.descriptors.bytes(size)),
      driver: memory.range(RING_PARTS.driver.bytes(size)),
      device: memory.range(RING_PARTS.device.bytes(size)),
    };
    this.#ring = new SplitRing(this.areas, size);
    this.#eventIndex = features.eventIndex;
    this.#inOrder = features.inOrder;
    this.#direct = new Descriptor(this.areas.descriptors);
    this.#longest = features.indirect ? Math.min(longest, size) : 0;
    const table = this.#longest * Descriptor.size;
    const tables = memory.range(size * table);
    this.#tables = Array.from(
      { length: table === 0 ? 0 : size },
      (_, head) => new Descriptor(tables.subarray(head * table, (head + 1) * table)),
    );
    this.#tableAddresses = this.#tables.map(({ bytes }) => memory.addressOf(bytes));
    this.#nextFree = Uint16Array.from({ length: size }, (_, index) => index + 1);
    this.#lengths = new Uint16Array(size);
    this.#writable = new Float64Array(size);
    this.#tokens = new Array(size).fill(null);
    this.#heads = new Uint16Array(size);
  }

  /**
   * Adds a chain of what the device may read and then of what it may write, all in the driver's memory; `token` comes
   * back with it. False when there are too few free descriptors.
   */
  add(readable: Places, writable: Places, token: unknown): boolean {
    const count = readable.count + writable.count;
    if (count === 0) fail("a chain without a byte");
    const indirect = count > 1 && count <= this.#longest;
    const needed = indirect ? 1 : count;
    if (needed > this.free) return false;
    const head = this.#firstFree;
    if (indirect) this.#fillTable(head, readable, writable);
    else this.#fillRing(head, readable, writable);
    this.free -= needed;
    this.outstanding += 1;
    this.#lengths[head] = needed;
    this.#writable[head] = writable.length;
    this.#tokens[head] = token;
    this.#heads[this.#available & this.#ring.mask] = head;
    this.#ring.setAvailable(this.#available, head);
    this.#available = (this.#available + 1) & 0xffff;
    return true;
  }

  /** Shows the device all chains added, and says whether it wants to be notified. */
  publish(): boolean {
    const from = this.#published;
    const to = this.#available;
    if (from === to) return false;
    this.#ring.availableIndex = to;
    this.#published = to;
    if (this.#eventIndex) return passed(this.#ring.availableEvent, from, to);
    return (this.#ring.deviceFlags & USED_NO_NOTIFY) === 0;
  }

  /** Takes a used chain back; false when there is none. Throws ProtocolError when the device has broken the ring. */
  take(used: Used): boolean {
    const ready = (this.#ring.usedIndex - this.#used) & 0xffff;
    if (ready === 0) return false;
    if (ready > this.outstanding) {
      throw new ProtocolError(`used.idx ${this.#ring.usedIndex} at ${this.#used}: ${this.outstanding} are outstanding`);
    }
    if (this.#batch === 0) this.#readEntry(ready);
    this.#batch -= 1;
    const head = this.#batch === 0 ? this.#named : this.#heads[this.#taken & this.#ring.mask];
    used.written = this.#batch === 0 ? this.#namedWritten : this.#writable[head];
    used.token = this.#tokens[head];
    this.#release(head);
    this.#used = (this.#used + 1) & 0xffff;
    this.#taken = (this.#taken + 1) & 0xffff;
    return true;
  }

  /** Asks for no interrupts until the next `finalCheck`; the device may send them all the same. */
  quiet(): void {
    if (!this.#eventIndex) this.#ring.driverFlags = AVAIL_NO_INTERRUPT;
  }

  /** Whether there is more to take back; when not, asks to be interrupted for the next one. */
  finalCheck(): boolean {
    if (this.#ring.usedIndex !== this.#used) return true;
    if (this.#eventIndex) this.#ring.usedEvent = this.#used;
    else this.#ring.driverFlags = 0;
    return this.#ring.usedIndex !== this.#used;
  }

  #fillTable(head: number, readable: Places, writable: Places): void {
    const table = this.#tables[head];
    const count = readable.count + writable.count;
    for (let i = 0; i < count; i++) this.#describe(table.at(i * Descriptor.size), readable, writable, i, i + 1);
    const descriptor = this.#direct.at(head * Descriptor.size);
    setAddress(descriptor, this.#tableAddresses[head]);
    descriptor.len = count * Descriptor.size;
    descriptor.flags = DescriptorFlag.indirect;
    this.#firstFree = this.#nextFree[head];
  }

  #fillRing(head: number, readable: Places, writable: Places): void {
    const count = readable.count + writable.count;
    let index = head;
    for (let i = 0; i < count; i++) {
      const next = this.#nextFree[index];
      this.#describe(this.#direct.at(index * Descriptor.size), readable, writable, i, next);
      index = next;
    }
    this.#firstFree = index;
  }

  /** Piece `i` of readable and then writable ones; `next` counts where it is not the last. */
  #describe(descriptor: DescriptorCursor, readable: Places, writable: Places, i: number, next: number): void {
    const write = i >= readable.count;
    const places = write ? writable : readable;
    const piece = write ? i - readable.count : i;
    const last = i + 1 === readable.count + writable.count;
    setAddress(descriptor, this.#memory.addressOf(places.page(piece), places.offset(piece)));
    descriptor.len = places.size(piece);
    descriptor.flags = (write ? DescriptorFlag.write : 0) | (last ? 0 : DescriptorFlag.next);
    descriptor.next = last ? 0 : next;
  }

  /** Reads the next used entry, once. */
  #readEntry(ready: number): void {
    const id = this.#ring.usedId(this.#used);
    const written = this.#ring.usedLength(this.#used);
    if (!(id < this.size && this.#lengths[id] > 0)) throw new ProtocolError(`used id ${id} is not outstanding`);
    if (written > this.#writable[id]) throw new ProtocolError(`${written} bytes written of ${this.#writable[id]}`);
    this.#named = id;
    this.#namedWritten = written;
    this.#batch = this.#inOrder ? this.#chainsUpTo(id, ready) : 1;
  }

  /** With IN_ORDER an entry stands for all older chains too, which are used as a whole (2.7.9). */
  #chainsUpTo(id: number, ready: number): number {
    for (let count = 1; count <= ready; count++) {
      if (this.#heads[(this.#taken + count - 1) & this.#ring.mask] === id) return count;
    }
    throw new ProtocolError(`used id ${id} is not among the oldest ${ready}`);
  }

  /** Puts the chain's descriptors behind the free ones: so they are used in ring order, as IN_ORDER has it (2.7.9). */
  #release(head: number): void {
    const length = this.#lengths[head];
    let last = head;
    for (let i = 1; i < length; i++) last = this.#nextFree[last];
    if (this.free === 0) this.#firstFree = head;
    else this.#nextFree[this.#lastFree] = head;
    this.#lastFree = last;
    this.free += length;
    this.outstanding -= 1;
    this.#lengths[head] = 0;
    this.#tokens[head] = null;
  }
}

function setAddress(descriptor: DescriptorCursor, address: number): void {
  descriptor.addrLow = address >>> 0;
  descriptor.addrHigh = Math.floor(address / 2 ** 32);
}
