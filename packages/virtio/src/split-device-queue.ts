// Knows the device's end of a split virtqueue: it takes what the driver makes available and gives it back as used.
// Nothing that the driver writes is believed: each word is read once and checked. split-driver-queue.ts is its mirror
// image.

import { fail, Places, ProtocolError } from "@pvscsi/wire";
import type { RingFeatures } from "./abi/features.js";
import { AVAIL_NO_INTERRUPT, Descriptor, DescriptorFlag, USED_NO_NOTIFY } from "./abi/split-ring.js";
import { type Chain, ChainState } from "./chain.js";
import type { GuestMemory, RingAreas } from "./memory.js";
import { passed, SplitRing } from "./split-ring.js";
import { UsedOrder } from "./used-order.js";

type DescriptorCursor = InstanceType<typeof Descriptor>;

export interface DeviceQueueParts {
  readonly size: number;
  readonly areas: RingAreas;
  /** The available index to begin at. */
  readonly base: number;
  readonly memory: GuestMemory;
  readonly features: RingFeatures;
}

/** Bytes that one chain may have (2.7.5.2). */
const MOST_BYTES = 2 ** 32;
/** The upper word of an address from which on it is no safe number; no memory is there. */
const UNSAFE = 2 ** 21;
const NOWHERE = Number.POSITIVE_INFINITY;

export class SplitDeviceQueue {
  readonly #ring: SplitRing;
  readonly #memory: GuestMemory;
  readonly #eventIndex: boolean;
  readonly #order: UsedOrder | null;
  /** By head, a ChainState. */
  readonly #states: Uint8Array;
  readonly #direct: DescriptorCursor;
  /** An indirect table is followed where it lies; one that lies in several pieces is joined first. */
  #indirect: DescriptorCursor;
  readonly #joined: DescriptorCursor;
  readonly #tablePlaces = new Places();
  #tableAddress = 0;
  #tableLength = 0;
  /** Descriptors that the chain which is followed may still have. */
  #left = 0;
  #next: number;
  #used: number;
  #published: number;
  /** Chains taken and not given back yet. */
  outstanding = 0;

  /** Throws ProtocolError where the areas cannot be those of a ring. */
  constructor({ size, areas, base, memory, features }: DeviceQueueParts) {
    this.#ring = new SplitRing(areas, size);
    this.#memory = memory;
    this.#eventIndex = features.eventIndex;
    this.#states = new Uint8Array(size);
    this.#order = features.inOrder ? new UsedOrder(this.#states) : null;
    this.#direct = new Descriptor(areas.descriptors);
    this.#joined = new Descriptor(new Uint8Array(size * Descriptor.size));
    this.#indirect = this.#joined;
    this.#next = base & 0xffff;
    this.#used = this.#published = this.#ring.usedIndex;
    // Whoever served the ring before may have ended while it asked for no notifications.
    this.#ring.deviceFlags = 0;
    if (this.#eventIndex) this.#ring.availableEvent = this.#next;
  }

  /** The available index of the chain that is taken next. */
  get next(): number {
    return this.#next;
  }

  /** Whether there is a chain to take. */
  get waiting(): boolean {
    return this.#ring.availableIndex !== this.#next;
  }

  /**
   * Takes the next chain; false when there is none. Throws ProtocolError when the driver has broken the ring, after
   * which nothing is to be taken from it any more.
   */
  take(chain: Chain): boolean {
    const ready = (this.#ring.availableIndex - this.#next) & 0xffff;
    if (ready === 0) return false;
    if (ready > this.#ring.size) {
      throw new ProtocolError(`avail.idx ${this.#ring.availableIndex} is ${ready} ahead of ${this.#next}`);
    }
    const head = this.#ring.available(this.#next);
    if (head >= this.#ring.size) throw new ProtocolError(`head ${head} in a ring of ${this.#ring.size}`);
    if (this.#states[head] !== ChainState.driver) throw new ProtocolError(`head ${head} is available twice`);
    chain.head = head;
    chain.readable.clear();
    chain.writable.clear();
    this.#follow(chain);
    this.#states[head] = ChainState.device;
    this.#order?.taken(head);
    this.#next = (this.#next + 1) & 0xffff;
    this.outstanding += 1;
    return true;
  }

  /**
   * Gives a chain back with the first `written` bytes of its writable part written. The driver sees it when it is
   * published, with IN_ORDER not before all that were taken earlier.
   */
  push(chain: Chain, written: number): void {
    const { head } = chain;
    const order = this.#order;
    if (this.#states[head] !== ChainState.device) fail(`chain ${head} was given back twice`);
    this.outstanding -= 1;
    if (order === null) {
      this.#states[head] = ChainState.driver;
      return this.#setUsed(head, written, 1);
    }
    order.finished(head, written, written === chain.writable.length);
    while (order.next()) this.#setUsed(order.head, order.written, order.count);
  }

  /** Shows the driver what was given back, and says whether it wants to be interrupted. */
  publish(): boolean {
    const from = this.#published;
    const to = this.#used;
    if (from === to) return false;
    this.#ring.usedIndex = to;
    this.#published = to;
    if (this.#eventIndex) return passed(this.#ring.usedEvent, from, to);
    return (this.#ring.driverFlags & AVAIL_NO_INTERRUPT) === 0;
  }

  /** Asks for no notifications until the next `finalCheck`; the driver may send them all the same. */
  quiet(): void {
    if (!this.#eventIndex) this.#ring.deviceFlags = USED_NO_NOTIFY;
  }

  /** Whether there is more to take; when not, asks to be notified of the next chain. */
  finalCheck(): boolean {
    if (this.waiting) return true;
    if (this.#eventIndex) this.#ring.availableEvent = this.#next;
    else this.#ring.deviceFlags = 0;
    return this.waiting;
  }

  #setUsed(head: number, written: number, count: number): void {
    this.#ring.setUsed(this.#used, head, written);
    this.#used = (this.#used + count) & 0xffff;
  }

  /** Direct descriptors, of which the last may point at a table of more (2.7.5.3). */
  #follow(chain: Chain): void {
    this.#left = this.#ring.size;
    if (!this.#followTable(this.#direct, 0, chain.head, this.#ring.size, chain)) return;
    const length = this.#tableLength;
    const entries = length / Descriptor.size;
    if (!Number.isInteger(entries) || entries === 0) throw new ProtocolError(`an indirect table of ${length} bytes`);
    if (entries > this.#ring.size) throw new ProtocolError(`an indirect table of ${entries} descriptors`);
    const places = this.#tablePlaces;
    places.clear();
    if (!this.#memory.places(this.#tableAddress, length, places)) {
      throw outside("an indirect table", this.#tableAddress, length);
    }
    const whole = places.count === 1;
    const table = whole ? this.#tableIn(places.page(0)) : this.#joined;
    if (!whole) places.read(table.bytes);
    if (this.#followTable(table, whole ? places.offset(0) : 0, 0, entries, chain)) {
      throw new ProtocolError("an indirect descriptor in an indirect table");
    }
  }

  /** Most tables lie in the same page as the one before, which is large. */
  #tableIn(page: Uint8Array): DescriptorCursor {
    if (this.#indirect.bytes !== page) this.#indirect = new Descriptor(page);
    return this.#indirect;
  }

  /**
   * Follows the table of so many entries that begins at byte `base`; says whether an indirect descriptor ended it, whose
   * table's address and length are kept. Each descriptor is read once, as the driver may change it at any time.
   */
  #followTable(table: DescriptorCursor, base: number, first: number, entries: number, chain: Chain): boolean {
    for (let index = first; this.#left > 0; this.#left--) {
      if (index >= entries) throw new ProtocolError(`descriptor ${index} of ${entries}`);
      const { addrHigh, addrLow, len, flags, next } = table.at(base + index * Descriptor.size);
      const address = addrHigh >= UNSAFE ? NOWHERE : addrHigh * 2 ** 32 + addrLow;
      if ((flags & DescriptorFlag.indirect) !== 0) {
        if ((flags & DescriptorFlag.next) !== 0) throw new ProtocolError("an indirect descriptor with a next one");
        this.#tableAddress = address;
        this.#tableLength = len;
        return true;
      }
      this.#append(chain, address, len, (flags & DescriptorFlag.write) !== 0);
      if ((flags & DescriptorFlag.next) === 0) return false;
      index = next;
    }
    throw new ProtocolError(`a chain of more than ${this.#ring.size} descriptors`);
  }

  #append(chain: Chain, address: number, length: number, writable: boolean): void {
    if (!writable && chain.writable.count > 0) throw new ProtocolError("a readable descriptor behind a writable one");
    // Not an error, and nothing to look for in memory (CVE-2016-6490).
    if (length === 0) return;
    if (!this.#memory.places(address, length, writable ? chain.writable : chain.readable)) {
      throw outside("a descriptor", address, length);
    }
    if (chain.readable.length + chain.writable.length > MOST_BYTES) throw new ProtocolError("a chain above 4 GiB");
  }
}

function outside(what: string, address: number, length: number): ProtocolError {
  return new ProtocolError(`${what} outside the driver's memory: 0x${address.toString(16)}+${length}`);
}
