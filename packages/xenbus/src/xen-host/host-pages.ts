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
  readonly reference: GrantReference;
  readonly memory: HostMemory;
  readonly index: number;
  readonly indexHigh: number;
  allocated = false;
  /** Grants that were asked for and not revoked: all are the one reference. */
  grants = 0;

  constructor(frame: number, memory: HostMemory, { index, indexHigh, gref }: InstanceType<typeof GntallocAllocGref>) {
    this.frame = frame;
    this.bytes = memory.bytes;
    this.reference = gref;
    this.memory = memory;
    this.index = index;
    this.indexHigh = indexHigh;
  }
}

/**
 * What is freed stays granted, and is what is allocated next. All of it goes back to the kernel at the end, which does not use
 * a page again for as long as the other domain has it mapped (XSA-396).
 */
export class HostPages {
  /** To whom all of them are granted. */
  readonly peer: DomainId;
  readonly #calls: HostCalls;
  readonly #device: number;
  /** By frame. */
  readonly #pages: HostPage[] = [];
  readonly #byReference = new Map<GrantReference, HostPage>();
  readonly #free: HostPage[] = [];

  /** Throws NoXenHost where there is no such device. */
  constructor(calls: HostCalls, peer: DomainId) {
    this.#calls = calls;
    this.peer = peer;
    this.#device = calls.open(GNTALLOC_PATH);
  }

  /** Pages that are allocated. */
  get allocated(): number {
    return this.#pages.length - this.#free.length;
  }

  /** Zeroed pages. Throws OutOfPages, and allocates none, when the kernel does not give so many. */
  allocate(count: number): Page[] {
    while (this.#free.length < count) this.#free.push(this.#make());
    const pages = this.#free.splice(this.#free.length - count);
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
      this.#free.push(own);
    }
  }

  grant(page: Page): GrantReference {
    const own = this.#own(page);
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
    for (const { memory, index, indexHigh } of this.#pages) {
      // The kernel ends the grant with the last that uses the page, and the mapping does.
      memory.release();
      this.#giveBack(index, indexHigh);
    }
    this.#pages.length = this.#free.length = 0;
    this.#byReference.clear();
    this.#calls.close(this.#device);
  }

  #own(page: Page): HostPage {
    const own = this.#pages[page.frame];
    if (own !== page || !own.allocated) fail(`page ${page.frame} is not allocated`);
    return own;
  }

  #make(): HostPage {
    const gref = new GntallocAllocGref(new Uint8Array(GntallocAllocGref.size));
    gref.domid = this.peer;
    gref.flags = GntallocFlags.writable;
    gref.count = 1;
    try {
      this.#calls.ioctl(this.#device, GntallocRequest.allocGref, gref.bytes);
    } catch (error) {
      if (error instanceof SystemCallError && error.code === "ENOSPC") throw new OutOfPages(this.#pages.length);
      throw error;
    }
    const page = new HostPage(this.#pages.length, this.#map(gref), gref);
    this.#pages.push(page);
    this.#byReference.set(page.reference, page);
    return page;
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
