// Knows memory of this process that data of other domains passes through, page by page. A view of a page that is mapped
// cannot be taken back from whoever still has it, so data is copied from and to granted pages instead.

import { PAGE_SIZE } from "@pvscsi/xen";
import type { HostCalls } from "./host-calls.js";

/** Pages that are got at a time. */
const CHUNK = 128;

export interface BouncePage {
  /** Its number among all of them. */
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly address: number;
  /** Whose data is in it; -1 for nobody's. */
  of: number;
}

export class BouncePages {
  readonly #calls: HostCalls;
  readonly #all: BouncePage[] = [];
  readonly #free: BouncePage[] = [];

  constructor(calls: HostCalls) {
    this.#calls = calls;
  }

  /** Pages in use. */
  get used(): number {
    return this.#all.length - this.#free.length;
  }

  /** A page that holds nothing of any domain but `domain`. */
  take(domain: number): BouncePage {
    if (this.#free.length === 0) this.#grow();
    const page = this.#free.pop() as BouncePage;
    if (page.of !== domain && page.of !== -1) page.bytes.fill(0);
    page.of = domain;
    return page;
  }

  at(number: number): BouncePage {
    return this.#all[number];
  }

  giveBack(number: number): void {
    this.#free.push(this.#all[number]);
  }

  #grow(): void {
    const { bytes, address } = this.#calls.allocate(CHUNK * PAGE_SIZE);
    for (let at = 0; at < bytes.length; at += PAGE_SIZE) {
      const number = this.#all.length;
      const page = { number, bytes: bytes.subarray(at, at + PAGE_SIZE), address: address + at, of: -1 };
      this.#all.push(page);
      this.#free.push(page);
    }
  }
}
