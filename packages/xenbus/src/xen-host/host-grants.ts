// Knows other domains' granted pages on a Xen host, by the kernel's gntdev device: a page is mapped for as long as a ring
// needs it, and data is copied, many pieces in a call.

import { SystemCallError } from "@pvscsi/native";
import {
  type DomainId,
  type GrantAccess,
  GrantCopyFlags,
  type GrantMaps,
  type GrantReference,
  GrantStatus,
  type MappedPage,
  PAGE_SIZE,
  type Port,
} from "@pvscsi/xen";
import {
  foreignHigh,
  GNTDEV_PATH,
  GntdevGrantCopy,
  GntdevGrantCopySegment,
  GntdevMapGrantRef,
  GntdevRequest,
  GntdevUnmapGrantRef,
  GntdevUnmapNotify,
  UnmapNotify,
} from "../abi/gntdev.js";
import type { HostCalls, HostMemory } from "./host-calls.js";

/** Pieces of a call. */
const BATCH = 128;
const WORD = 2 ** 32;

interface HostMapping {
  readonly memory: HostMemory;
  readonly index: number;
  readonly indexHigh: number;
}

export class HostGrants implements GrantMaps {
  readonly #calls: HostCalls;
  readonly #device: number;
  readonly #mappings = new Map<number, HostMapping>();
  readonly #segment: InstanceType<typeof GntdevGrantCopySegment>;
  readonly #copy = new GntdevGrantCopy(new Uint8Array(GntdevGrantCopy.size));
  /** An address for bytes that nobody looks at. */
  readonly #scratch: number;
  #handle = 0;
  /** Pieces that were added and not copied yet, and the first failure among those that were, since the last `finish`. */
  #pieces = 0;
  #status: number = GrantStatus.okay;

  /** Throws NoXenHost where there is no such device. */
  constructor(calls: HostCalls) {
    this.#calls = calls;
    this.#device = calls.open(GNTDEV_PATH);
    const { bytes, address } = calls.allocate(BATCH * GntdevGrantCopySegment.size);
    this.#scratch = calls.allocate(PAGE_SIZE).address;
    this.#segment = new GntdevGrantCopySegment(bytes);
    this.#copy.segments = lowerHalf(address);
    this.#copy.segmentsHigh = upperHalf(address);
  }

  /** Pages that are mapped. */
  get mapped(): number {
    return this.#mappings.size;
  }

  map(from: DomainId, reference: GrantReference, access: GrantAccess): MappedPage | number {
    const map = new GntdevMapGrantRef(new Uint8Array(GntdevMapGrantRef.size));
    map.count = 1;
    map.domid = from;
    map.ref = reference;
    try {
      this.#calls.ioctl(this.#device, GntdevRequest.mapGrantRef, map.bytes);
    } catch (error) {
      return statusOf(error);
    }
    const { index, indexHigh } = map;
    try {
      const memory = this.#calls.map(this.#device, indexHigh * WORD + index, PAGE_SIZE, access);
      const handle = this.#handle++;
      this.#mappings.set(handle, { memory, index, indexHigh });
      return { from, reference, access, handle, bytes: memory.bytes };
    } catch (error) {
      this.#forget(index, indexHigh);
      return this.#refusal(from, reference) || statusOf(error);
    }
  }

  /** The kernel does not tell why Xen refuses a mapping; a copy of one byte does, but where only writing is refused. */
  #refusal(from: DomainId, reference: GrantReference): number {
    this.copyIn(from, reference, 0, 1, this.#scratch);
    return this.finish();
  }

  unmap({ handle }: MappedPage): number {
    const mapping = this.#mappings.get(handle);
    if (mapping === undefined) return GrantStatus.badHandle;
    this.#mappings.delete(handle);
    // The kernel ends the grant's mapping with the last of the process'.
    mapping.memory.release();
    this.#forget(mapping.index, mapping.indexHigh);
    return GrantStatus.okay;
  }

  /** Has the kernel notify a port of this process when the mapping ends; it keeps the port until then. */
  notifyAtUnmap({ handle }: MappedPage, port: Port): void {
    const mapping = this.#mappings.get(handle);
    if (mapping === undefined) return;
    const notify = new GntdevUnmapNotify(new Uint8Array(GntdevUnmapNotify.size));
    notify.index = mapping.index;
    notify.indexHigh = mapping.indexHigh;
    notify.action = UnmapNotify.sendEvent;
    notify.eventChannelPort = port;
    this.#calls.ioctl(this.#device, GntdevRequest.setUnmapNotify, notify.bytes);
  }

  /** Adds a piece to be copied from a granted page to an address, by the next `finish` at the latest. */
  copyIn(from: DomainId, reference: GrantReference, offset: number, length: number, address: number): void {
    const segment = this.#next(length, GrantCopyFlags.sourceGref);
    segment.source = reference;
    segment.sourceHigh = foreignHigh(offset, from);
    segment.dest = lowerHalf(address);
    segment.destHigh = upperHalf(address);
  }

  /** The same, from an address to a granted page. */
  copyOut(to: DomainId, reference: GrantReference, offset: number, length: number, address: number): void {
    const segment = this.#next(length, GrantCopyFlags.destGref);
    segment.source = lowerHalf(address);
    segment.sourceHigh = upperHalf(address);
    segment.dest = reference;
    segment.destHigh = foreignHigh(offset, to);
  }

  /** Ends a series of copies; the first failure among them, or okay. What was added behind a failure may not be copied. */
  finish(): number {
    this.#flush();
    const status = this.#status;
    this.#status = GrantStatus.okay;
    return status;
  }

  #flush(): void {
    if (this.#pieces > 0 && this.#status === GrantStatus.okay) this.#status = this.#copyPieces(this.#pieces);
    this.#pieces = 0;
  }

  #copyPieces(count: number): number {
    this.#copy.count = count;
    try {
      this.#calls.ioctl(this.#device, GntdevRequest.grantCopy, this.#copy.bytes);
    } catch (error) {
      return statusOf(error);
    }
    for (let i = 0; i < count; i++) {
      const { status } = this.#segment.at(i * GntdevGrantCopySegment.size);
      if (status !== GrantStatus.okay) return status;
    }
    return GrantStatus.okay;
  }

  /** Unmaps what is mapped, and closes the device. */
  closeAll(): void {
    for (const { memory, index, indexHigh } of this.#mappings.values()) {
      memory.release();
      this.#forget(index, indexHigh);
    }
    this.#mappings.clear();
    this.#calls.close(this.#device);
  }

  #next(length: number, flags: number): InstanceType<typeof GntdevGrantCopySegment> {
    if (this.#pieces === BATCH) this.#flush();
    const segment = this.#segment.at(this.#pieces * GntdevGrantCopySegment.size);
    this.#pieces += 1;
    segment.len = length;
    segment.flags = flags;
    segment.status = GrantStatus.generalError;
    return segment;
  }

  #forget(index: number, indexHigh: number): void {
    const unmap = new GntdevUnmapGrantRef(new Uint8Array(GntdevUnmapGrantRef.size));
    unmap.count = 1;
    unmap.index = index;
    unmap.indexHigh = indexHigh;
    this.#calls.ioctl(this.#device, GntdevRequest.unmapGrantRef, unmap.bytes);
  }
}

function lowerHalf(address: number): number {
  return address % WORD;
}

function upperHalf(address: number): number {
  return Math.floor(address / WORD);
}

function statusOf(error: unknown): number {
  if (error instanceof SystemCallError) return GrantStatus.generalError;
  throw error;
}
