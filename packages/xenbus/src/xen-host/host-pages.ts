// Knows pages of a process on a Xen host that another domain may use, by the kernel's gntalloc device. Each is granted once,
// to be read and written, for as long as it exists; whether it is mapped at the other end is not to be known here.

import { SystemCallError } from "@pvscsi/native";
import { fail } from "@pvscsi/wire";
import { type DomainId, type GrantReference, PAGE_SIZE, type Page } from "@pvscsi/xen";
import {
  GNTALLOC_PATH,
  GntallocAllocGref,
  GntallocDeallocGref,
  GntallocFlags,
  GntallocRequest,
} from "../abi/gntalloc.js";
import { type HostCalls, type HostMemory, OutOfPages } from "./host-calls.js";

const WORD = 2 ** 32;

class HostPage implements Page {
  /** Among this process' pages: which frame the kernel took, it does not tell. */
  readonly frame: number;
  readonly bytes: Uint8Array;
  /** To whom it is granted. */
  readonly peer: DomainId;
  readonly reference: GrantReference;
  readonly memory: HostMemory;
  readonly index: number;
  readonly indexHigh: number;
  allocated = false;
  /** Grants that were asked for and not revoked: all are the one reference. */
  grants = 0;

  constructor(frame: number, memory: HostMemory, gref: InstanceType<typeof GntallocAllocGref>) {
    const { index, indexHigh } = gref;
    this.frame = frame;
    this.bytes = memory.bytes;
    this.peer = gref.domid;
    this.reference = gref.gref;
    this.memory = memory;
    this.index = index;
    this.indexHigh = indexHigh;
  }
}

/**
 * What is freed stays granted, and is what is allocated next for the same domain. All of it goes back to the kernel at the end, and
 * earlier when another domain's are wanted and the kernel has no more. It does not use a page again for as long as the other
 * domain has it mapped (XSA-396).
 */
export class HostPages {
  readonly #calls: HostCalls;
  readonly #device: number;
  #frames = 0;
  readonly #byReference = new Map<GrantReference, HostPage>();
  readonly #free = new Map<DomainId, HostPage[]>();

  /** Throws NoXenHost where there is no such device. */
  constructor(calls: HostCalls) {
    this.#calls = calls;
    this.#device = calls.open(GNTALLOC_PATH);
  }

  /** Pages that are allocated. */
  get allocated(): number {
    return [...this.#byReference.values()].filter(({ allocated }) => allocated).length;
  }

  /** Zeroed pages for `peer`. Throws OutOfPages, and allocates none, when the kernel does not give so many. */
  allocate(count: number, peer: DomainId): Page[] {
    const free = this.#freeOf(peer);
    while (free.length < count) free.push(this.#make(peer));
    const pages = free.splice(free.length - count);
    for (const page of pages) {
      page.allocated = true;
      page.bytes.fill(0);
    }
    return pages;
  }

  free(pages: readonly Page[]): void {
    for (const page of pages) {
      const own = this.#own(page);
      if (own.grants > 0) fail(`page ${own.frame} is granted`);
      own.allocated = false;
      this.#freeOf(own.peer).push(own);
    }
  }

  /** -1 for a domain that the page was not allocated for. */
  grant(to: DomainId, page: Page): GrantReference {
    const own = this.#own(page);
    if (to !== own.peer) return -1;
    own.grants += 1;
    return own.reference;
  }

  revoke(reference: GrantReference): void {
    const page = this.#byReference.get(reference);
    if (page === undefined || page.grants === 0) fail(`reference ${reference} is not granted`);
    page.grants -= 1;
  }

  /** Gives all pages back, and closes the device. */
  closeAll(): void {
    for (const page of this.#byReference.values()) this.#end(page);
    this.#free.clear();
    this.#calls.close(this.#device);
  }

  #freeOf(peer: DomainId): HostPage[] {
    const free = this.#free.get(peer) ?? [];
    this.#free.set(peer, free);
    return free;
  }

  #own(page: Page): HostPage {
    const own = page instanceof HostPage ? this.#byReference.get(page.reference) : undefined;
    if (own !== page || !own.allocated) fail(`page ${page.frame} is not allocated`);
    return own;
  }

  #make(peer: DomainId): HostPage {
    const gref = new GntallocAllocGref(new Uint8Array(GntallocAllocGref.size));
    gref.domid = peer;
    gref.flags = GntallocFlags.writable;
    gref.count = 1;
    while (!this.#grant(gref)) if (!this.#endFree(peer)) throw new OutOfPages(this.#byReference.size);
    const page = new HostPage(this.#frames++, this.#map(gref), gref);
    this.#byReference.set(page.reference, page);
    return page;
  }

  /** False when the kernel has no more for processes. */
  #grant(gref: InstanceType<typeof GntallocAllocGref>): boolean {
    try {
      this.#calls.ioctl(this.#device, GntallocRequest.allocGref, gref.bytes);
      return true;
    } catch (error) {
      if (error instanceof SystemCallError && error.code === "ENOSPC") return false;
      throw error;
    }
  }

  /** Gives back what is free and another domain's; false when there was nothing. */
  #endFree(peer: DomainId): boolean {
    const pages = [...this.#free].flatMap(([other, free]) => (other === peer ? [] : free.splice(0)));
    for (const page of pages) this.#end(page);
    return pages.length > 0;
  }

  #end({ memory, index, indexHigh, reference }: HostPage): void {
    // The kernel ends the grant with the last that uses the page, and the mapping does.
    memory.release();
    this.#giveBack(index, indexHigh);
    this.#byReference.delete(reference);
  }

  #map({ index, indexHigh }: InstanceType<typeof GntallocAllocGref>): HostMemory {
    try {
      return this.#calls.map(this.#device, indexHigh * WORD + index, PAGE_SIZE, "read-write");
    } catch (error) {
      this.#giveBack(index, indexHigh);
      throw error;
    }
  }

  #giveBack(index: number, indexHigh: number): void {
    const gref = new GntallocDeallocGref(new Uint8Array(GntallocDeallocGref.size));
    gref.index = index;
    gref.indexHigh = indexHigh;
    gref.count = 1;
    this.#calls.ioctl(this.#device, GntallocRequest.deallocGref, gref.bytes);
  }
}
